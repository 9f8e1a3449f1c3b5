#!/usr/bin/env python3
"""Lets one peer answer one corpus and prints how good it was, as JSON.

    quality_peers.py batch|stream CORPUS PEER

One process per measurement, so that memory peaks do not add up. Runs in the virtual
environment of requirements.txt.
"""

import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy
import sklearn
from judging import batch, judge, judge_matrix, judge_stream, resident, stream
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.naive_bayes import ComplementNB, MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

# Part of the cache's key: raise it when a peer or a figure changes.
REVISION = 1

LABELS = ["ham", "spam"]


def words_and_pairs():
    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)


# ---- trained at once ---------------------------------------------------------


def sklearn_batch(make):
    def answer(train, test):
        texts, labels = zip(*train)
        model = make()
        start = time.perf_counter()
        model.fit(texts, labels)
        trained = time.perf_counter()
        mails, truth = zip(*test)
        if hasattr(model, "predict_proba"):
            found = {"probabilities": model.predict_proba(mails)}
        else:
            scores = model.decision_function(mails)
            found = {"scores": numpy.column_stack([-scores, scores]) if scores.ndim == 1 else scores}
        done = time.perf_counter()
        return judge_matrix(truth, list(model.classes_), **found), trained - start, done - trained

    return answer


# The usual prefix is in some mails, too; nothing in capitals is left in them.
FASTTEXT_LABEL = "__LABEL__"


def fasttext_batch(train, test):
    """Lower case and punctuation on its own, as in fastText's tutorial; shuffled, because
    it learns in the order of the file; one thread, because more give other figures each time."""
    import fasttext

    def line(text):
        return " ".join(re.sub(r"([.!?,'/()<>\":;])", r" \1 ", text.lower()).split())

    texts, labels = zip(*train)
    known = sorted(set(labels))
    number = {label: i for i, label in enumerate(known)}
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "train.txt")
        start = time.perf_counter()
        with open(path, "w", encoding="utf-8") as file:
            shuffled = random.Random(1).sample(train, len(train))
            file.writelines(f"{FASTTEXT_LABEL}{number[label]} {line(text)}\n" for text, label in shuffled)
        model = fasttext.train_supervised(
            input=path, wordNgrams=2, epoch=25, lr=0.5, thread=1, label=FASTTEXT_LABEL, verbose=0
        )
    trained = time.perf_counter()
    probabilities = numpy.zeros((len(test), len(known)))
    for row, (text, _) in enumerate(test):
        for label, probability in zip(*model.predict(line(text), k=len(known))):
            probabilities[row, int(label.removeprefix(FASTTEXT_LABEL))] = probability
    done = time.perf_counter()
    return judge_matrix([label for _, label in test], known, probabilities), trained - start, done - trained


# ---- bogofilter --------------------------------------------------------------


def message(text):
    """The first line is the subject."""
    subject, _, body = text.partition("\n")
    return f"Subject: {subject}\n\n{body}".encode()


# Its defaults.
SPAM_CUTOFF, HAM_CUTOFF = 0.99, 0.45

# By exit code. A mail of which it is unsure has no answer.
VERDICTS = {0: "spam", 1: "ham", 2: None}
REGISTER = {
    ("spam", None): "-s",
    ("ham", None): "-n",
    ("spam", "ham"): "-Ns",
    ("ham", "spam"): "-Sn",
}


def judge_bogofilter(truth, verdicts, scores):
    """By its own verdict. Its score is no probability."""
    result = judge(truth, verdicts, positive="spam", scores=scores)
    result["cut"] = sum((s >= 0.5) == (t == "spam") for s, t in zip(scores, truth)) / len(truth)
    result["unsure"] = verdicts.count(None) / len(verdicts)
    return result


def bogofilter(folder, *options, **run):
    return subprocess.run(["bogofilter", "-C", "-d", folder, *options], stdout=subprocess.PIPE, close_fds=False, **run)


def bogofilter_batch(train, test):
    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for split, mails in (("train", train), ("test", test)):
            for n, (text, label) in enumerate(mails):
                path = os.path.join(folder, f"{split}{n}")
                Path(path).write_bytes(message(text))
                paths.setdefault(split if split == "test" else label, []).append(path)
        start = time.perf_counter()
        for label, option in (("spam", "-s"), ("ham", "-n")):
            bogofilter(folder, option, "-b", input="\n".join(paths[label]).encode() + b"\n", check=True)
        trained = time.perf_counter()
        # One line a mail: its path, its score.
        output = bogofilter(folder, "-TT", "-b", input="\n".join(paths["test"]).encode() + b"\n").stdout.decode()
        done = time.perf_counter()
    scores = [float(line.rsplit(None, 1)[1]) for line in output.splitlines()]
    verdicts = ["spam" if s >= SPAM_CUTOFF else "ham" if s <= HAM_CUTOFF else None for s in scores]
    return judge_bogofilter([label for _, label in test], verdicts, scores), trained - start, done - trained


def bogofilter_stream(mails):
    """Each mail is classified and registered by its verdict (-u); where that was wrong or
    unsure, the label is registered instead."""
    truth, verdicts, scores = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        for text, label in mails:
            done = bogofilter(folder, "-u", "-TT", input=message(text), stderr=subprocess.DEVNULL)
            printed = done.stdout.split()
            # It has no words to compare with at first.
            verdict = VERDICTS.get(done.returncode) if printed else None
            if verdict != label:
                bogofilter(folder, REGISTER[label, verdict], input=message(text), check=True)
            truth.append(label)
            verdicts.append(verdict)
            scores.append(float(printed[-1]) if printed else 0.5)
        seconds = time.perf_counter() - start
    return judge_bogofilter(truth, verdicts, scores), seconds


# ---- mail by mail ------------------------------------------------------------

# Few, because naive Bayes computes all of them anew for each mail.
FEATURES = 2**18


def sklearn_stream(make):
    """Each mail is classified, then learned."""

    def answer(mails):
        vectorizer, model, odds_of = make()
        truth, answers, odds = [], [], []
        learned = False
        start = time.perf_counter()
        for text, label in mails:
            row = vectorizer.transform([text])
            odds.append(odds_of(model, row) if learned else 0)
            answers.append(("spam" if odds[-1] > 0 else "ham") if learned else None)
            truth.append(label)
            model.partial_fit(row, [label], classes=None if learned else LABELS)
            learned = True
        seconds = time.perf_counter() - start
        return judge_stream(truth, answers, odds), seconds

    return answer


def sgd():
    vectorizer = HashingVectorizer(n_features=FEATURES, ngram_range=(1, 2), binary=True)
    model = SGDClassifier(loss="log_loss", alpha=1e-5, random_state=1)
    return vectorizer, model, lambda m, row: float(m.decision_function(row)[0])


def online_naive_bayes():
    def odds(model, row):
        ham, spam = model.predict_joint_log_proba(row)[0]
        return float(spam - ham)

    vectorizer = HashingVectorizer(n_features=FEATURES, alternate_sign=False, norm=None)
    return vectorizer, MultinomialNB(), odds


BATCH_PEERS = {
    "multinomial": sklearn_batch(lambda: make_pipeline(CountVectorizer(), MultinomialNB())),
    "complement": sklearn_batch(lambda: make_pipeline(words_and_pairs(), ComplementNB(alpha=0.1))),
    "svm": sklearn_batch(lambda: make_pipeline(words_and_pairs(), LinearSVC(random_state=1))),
    "svm_characters": sklearn_batch(
        lambda: make_pipeline(
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True), LinearSVC(random_state=1)
        )
    ),
    "fasttext": fasttext_batch,
    "bogofilter": bogofilter_batch,
}
STREAM_PEERS = {
    "sgd": sklearn_stream(sgd),
    "multinomial": sklearn_stream(online_naive_bayes),
    "bogofilter": bogofilter_stream,
}


# ---- saying it ---------------------------------------------------------------


def version_of(peer):
    """None if it is not there."""
    if peer == "bogofilter":
        try:
            done = subprocess.run(["bogofilter", "-V"], capture_output=True, check=True, encoding="utf-8")
        except (OSError, subprocess.CalledProcessError):
            return None
        return done.stdout.split("\n")[0].removeprefix("bogofilter version ")
    if peer == "fasttext":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("fasttext-numpy2")
        except PackageNotFoundError:
            return None
    return f"{sklearn.__version__}, numpy {numpy.__version__}"


def peers_of(part, name):
    """Those that can answer: bogofilter knows spam only."""
    peers = BATCH_PEERS if part == "batch" else STREAM_PEERS
    return [
        peer for peer in peers if peer != "bogofilter" or part == "stream" or name in ("spamassassin", "trec07p_half")
    ]


def main(part, name, peer):
    mails = batch(name) if part == "batch" else stream(name)
    before = resident("VmRSS")
    if part == "batch":
        result, train, classify = BATCH_PEERS[peer](*mails)
        result |= {"train": train, "us": classify / result["mails"] * 1e6}
    else:
        result, seconds = STREAM_PEERS[peer](mails)
        result["us"] = seconds / result["mails"] * 1e6
    if peer == "bogofilter":
        result["memory"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    else:
        result["memory"] = resident("VmHWM") - before
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
