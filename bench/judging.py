"""What quality.py and quality_peers.py share: the corpora, and how answers are judged.

Runs in the virtual environment of requirements.txt.
"""

import gzip
import hashlib
import json
import os
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy
from sklearn.metrics import f1_score, roc_auc_score

PROJECT = Path(__file__).resolve().parent.parent
CORPORA = Path(os.environ.get("PG_TRIAGE_CORPORA") or PROJECT.parent / "shared" / "corpora")

BINS = 15
# A probability of 0 for what turned out to be true would make the log loss infinite.
LEAST_PROBABILITY = 1e-15


@dataclass(frozen=True)
class Corpus:
    """Mails of one file: their text in `field`, only those of `part`."""

    file: str
    title: str
    field: str = "text"
    part: str | None = None
    order: str | None = None

    @property
    def path(self):
        return CORPORA / f"{self.file}.jsonl.gz"


BATCH = {
    "newsgroups20": Corpus("newsgroups20", "20 Newsgroups by date, subject and body"),
    "newsgroups20_bare": Corpus("newsgroups20", "the same without subject, quotes, signature", "body_bare"),
    "codealltag_de": Corpus("codealltag_de", "CodE Alltag, German Usenet"),
    "tickets_de_synthetic": Corpus("tickets_de_synthetic", "German support tickets (synthetic)"),
    "spamassassin": Corpus("spamassassin", "SpamAssassin, text"),
    "trec07p_half": Corpus("trec07p_half", "TREC 2007, first half, text"),
    "email_intent": Corpus("email_intent", "sentences of email: is something asked for"),
    "hint3_curekart": Corpus("hint3_curekart", "questions of customers, those in scope"),
    "hwu64": Corpus("hwu64", "one-line requests to an assistant"),
}
# Only in test parts: what none of the labels is about.
OUT_OF_SCOPE = "oos"

# Few labels: so many of each, in so many draws; judged by so many mails at most.
FEW = ("newsgroups20", "hwu64", "codealltag_de")
LABELS_EACH = (1, 5, 10, 20, 50)
DRAWS = 5
FEW_TEST = 2500

# Streams of which people correct only what is wrong.
CORRECTIONS = ("newsgroups20", "hwu64", "tickets_de_synthetic")

ENRON = [f"enron{n}" for n in range(1, 7)]
STREAMS = {name: Corpus("enron_spam", f"Enron-Spam, {name}", part=name, order="seq") for name in ENRON} | {
    "spamassassin": Corpus("spamassassin", "SpamAssassin, text, shuffled"),
    "trec07p_half": Corpus("trec07p_half", "TREC 2007, first half, text", order="order"),
}


def read(corpus):
    """Mails as they are in the file."""
    with gzip.open(corpus.path, "rt", encoding="utf-8") as lines:
        for mail in map(json.loads, lines):
            if corpus.part is None or mail["part"] == corpus.part:
                # Where nothing is left of a mail, the field is missing.
                yield mail | {"text": mail.get(corpus.field, "")}


def hashed(*parts):
    """Of what orders and splits are made."""
    return hashlib.sha256(":".join(map(str, parts)).encode()).hexdigest()


def split_of(mail):
    return mail["split"] or ("train" if int(hashed(mail["id"]), 16) % 5 else "test")


def splits(name):
    """Mails to learn, mails to classify, and those of the latter that are out of scope."""
    found = {"train": [], "test": [], OUT_OF_SCOPE: []}
    for mail in read(BATCH[name]):
        found[OUT_OF_SCOPE if mail["label"] == OUT_OF_SCOPE else split_of(mail)].append(mail)
    return found.values()


def pairs(mails):
    return [(mail["text"], mail["label"]) for mail in mails]


def batch(name):
    """(text, label) of the mails to learn, and of those to classify; texts out of scope."""
    train, test, out_of_scope = splits(name)
    return pairs(train), pairs(test), [mail["text"] for mail in out_of_scope]


def few(name):
    """(text, label, (rank in its label by each draw)) of the mails to learn, without those that
    no draw takes, and (text, label) of those to classify."""
    train, test, _ = splits(name)
    test.sort(key=lambda mail: hashed(mail["id"]))
    ranks = {mail["id"]: [] for mail in train}
    for draw in range(DRAWS):
        drawn = Counter()
        for mail in sorted(train, key=lambda mail: hashed(draw, mail["id"])):
            drawn[mail["label"]] += 1
            ranks[mail["id"]].append(drawn[mail["label"]])
    pool = [
        (mail["text"], mail["label"], ranks[mail["id"]]) for mail in train if min(ranks[mail["id"]]) <= max(LABELS_EACH)
    ]
    return pool, pairs(test[:FEW_TEST])


def corrections(name):
    """(text, label) of all mails, in a random order."""
    return pairs(sorted(read(BATCH[name]), key=lambda mail: hashed(mail["id"])))


def stream(name):
    """(text, label) in the order of arrival."""
    corpus = STREAMS[name]
    mails = list(read(corpus))
    if corpus.order:
        mails.sort(key=lambda mail: mail[corpus.order])
    else:
        random.Random(1).shuffle(mails)
    return pairs(mails)


# ---- judging -----------------------------------------------------------------


def one_minus_roca(is_positive, scores):
    """Area above the ROC curve in percent; equal scores count half. Also the share of
    mails whose score another mail has, too."""
    scores = numpy.asarray(scores, dtype=float)
    # Infinite is more than any number, which is all that counts.
    scores = numpy.nan_to_num(scores, posinf=1e300, neginf=-1e300)
    _, counts = numpy.unique(scores, return_counts=True)
    tied = counts[counts > 1].sum() / len(scores)
    return (1 - roc_auc_score(is_positive, scores)) * 100, float(tied)


def calibration_error(confidence, is_right):
    """Mean distance of confidence and accuracy, in bins of equal width."""
    confidence, is_right = numpy.asarray(confidence), numpy.asarray(is_right, dtype=float)
    bins = numpy.minimum((confidence * BINS).astype(int), BINS - 1)
    return sum(abs((is_right - confidence)[bins == b].sum()) for b in range(BINS)) / len(confidence)


def judge(truth, answers, confidence=None, of_truth=None, positive=None, scores=None):
    """Figures of one contestant. `answers` may be None where it had none yet; `confidence`
    is the probability of the answer, `of_truth` that of the true label; `scores` order the
    mails by how much they look like label `positive`."""
    is_right = [answer == label for answer, label in zip(answers, truth, strict=True)]
    labels = sorted(set(truth))
    result = {
        "mails": len(truth),
        "accuracy": sum(is_right) / len(truth),
        "macro_f1": float(f1_score(truth, [a or "" for a in answers], labels=labels, average="macro", zero_division=0)),
    }
    if of_truth is not None:
        result["log_loss"] = float(-numpy.log(numpy.clip(of_truth, LEAST_PROBABILITY, 1)).mean())
    if confidence is not None:
        result["ece"] = float(calibration_error(confidence, is_right))
    if scores is not None:
        result["roca"], result["tied"] = one_minus_roca([label == positive for label in truth], scores)
    return result


def positive_label(labels):
    """The label whose ROC curve is measured, where there are two."""
    labels = sorted(labels)
    if len(labels) != 2:
        return None
    return "spam" if "spam" in labels else labels[1]


def judge_matrix(truth, labels, probabilities=None, scores=None):
    """Batch answers: a column per label, as probabilities or as any scores."""
    best = probabilities if probabilities is not None else scores
    column = {label: i for i, label in enumerate(labels)}
    mails = numpy.arange(len(truth))
    top = best.argmax(axis=1)
    figures = {}
    if probabilities is not None:
        figures["confidence"] = probabilities[mails, top]
        # A label that was never learned has no probability.
        figures["of_truth"] = [p[column[t]] if t in column else 0 for p, t in zip(probabilities, truth)]
    positive = positive_label(labels)
    if positive:
        other = next(label for label in labels if label != positive)
        logs = numpy.log(numpy.maximum(best, 1e-300)) if scores is None else scores
        figures["positive"] = positive
        figures["scores"] = logs[:, column[positive]] - logs[:, column[other]]
    return judge(truth, [labels[i] for i in top], **figures)


def judge_stream(truth, answers, log_odds, positive="spam", other="ham"):
    """Test-then-train with two labels; log_odds of `positive`, 0 where there was no answer."""
    log_odds = numpy.asarray(log_odds, dtype=float)
    is_positive = numpy.array([label == positive for label in truth])
    probability = 1 / (1 + numpy.exp(-numpy.clip(log_odds, -700, 700)))
    return judge(
        truth,
        answers,
        confidence=numpy.maximum(probability, 1 - probability),
        of_truth=numpy.where(is_positive, probability, 1 - probability),
        positive=positive,
        scores=log_odds,
    )


def judge_scope(confidence, out_of_scope):
    """Area under the ROC curve of confidence, by which mails in scope are told from others."""
    in_scope = [True] * len(confidence) + [False] * len(out_of_scope)
    return float(roc_auc_score(in_scope, [*confidence, *out_of_scope]))


def judge_corrections(is_right):
    """Of a stream: all, and what is learned in the end."""
    fifth = len(is_right) // 5
    last = is_right[-fifth:]
    return {"mails": len(is_right), "accuracy": sum(is_right) / len(is_right), "last": sum(last) / len(last)}


# ---- measuring ---------------------------------------------------------------


def resident(field, process="self"):
    """Bytes: VmRSS is now, VmHWM the most so far."""
    with open(f"/proc/{process}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field))
