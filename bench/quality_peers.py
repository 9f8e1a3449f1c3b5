#!/usr/bin/env python3
"""Lets one peer answer one corpus and prints how good it was, as JSON.

    quality_peers.py batch|few|stream|corrections CORPUS PEER

One process per measurement, so that memory peaks do not add up. Runs in the virtual
environment of requirements.txt.
"""

import json
import resource
import subprocess
import sys
import time
from statistics import mean

import numpy
import sklearn
from judging import (
    DRAWS,
    LABELS_EACH,
    batch,
    corrections,
    few,
    judge_corrections,
    judge_matrix,
    judge_scope,
    judge_stream,
    resident,
    stream,
)
from quality_programs import bogofilter_batch, bogofilter_stream, fasttext_batch
from scipy.sparse import hstack
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import ComplementNB, MultinomialNB
from sklearn.pipeline import make_pipeline, make_union
from sklearn.svm import LinearSVC

# Part of the cache's key: raise it when a peer or a figure changes.
REVISION = 2

LABELS = ["ham", "spam"]


# ---- what they look at -------------------------------------------------------


def words():
    return CountVectorizer()


def words_and_pairs():
    return CountVectorizer(ngram_range=(1, 2))


def characters(shortest, longest):
    return lambda: CountVectorizer(analyzer="char_wb", ngram_range=(shortest, longest))


def weights():
    return TfidfTransformer(sublinear_tf=True)


class Peer:
    """A model, and what it looks at: counts, or groups of tf-idf, each of unit length."""

    def __init__(self, make, *groups, weigh=True):
        self.make, self.groups, self.weigh = make, groups, weigh

    def pipeline(self):
        parts = [make_pipeline(group(), weights()) if self.weigh else group() for group in self.groups]
        return make_pipeline(make_union(*parts), self.make())


# A single setting of each for all corpora. Of logistic regression, C = 1 would be worse on most
# of them, and better where the mails to classify are of another source (docs/quality.md).
PEERS = {
    "multinomial": Peer(MultinomialNB, words, weigh=False),
    "complement": Peer(lambda: ComplementNB(alpha=0.1), words_and_pairs),
    "logistic": Peer(lambda: LogisticRegression(C=10, max_iter=1000), words),
    "svm": Peer(lambda: LinearSVC(random_state=1), words_and_pairs),
    "svm_characters": Peer(lambda: LinearSVC(random_state=1), characters(2, 5)),
    "svm_both": Peer(lambda: LinearSVC(random_state=1), words_and_pairs, characters(3, 5)),
    "sgd": Peer(lambda: SGDClassifier(loss="log_loss", alpha=1e-5, random_state=1), words_and_pairs),
}


# ---- trained at once ---------------------------------------------------------


def sklearn_batch(peer):
    def answer(train, test, out_of_scope):
        texts, labels = zip(*train)
        model = peer.pipeline()
        start = time.perf_counter()
        model.fit(texts, labels)
        trained = time.perf_counter()
        mails, truth = zip(*test)
        has_probabilities = hasattr(model, "predict_proba")
        if has_probabilities:
            found = {"probabilities": model.predict_proba(mails)}
        else:
            scores = model.decision_function(mails)
            found = {"scores": numpy.column_stack([-scores, scores]) if scores.ndim == 1 else scores}
        done = time.perf_counter()
        result = judge_matrix(truth, list(model.classes_), **found)
        if out_of_scope and has_probabilities:
            others = model.predict_proba(out_of_scope).max(axis=1)
            result["scope"] = judge_scope(found["probabilities"].max(axis=1), others)
        return result, trained - start, done - trained

    return answer


def sklearn_few(peer):
    """Mean accuracy of the draws by number of labels. n-grams are counted once: the columns of those
    that a draw has are what a vectorizer that is fitted to the draw would give."""

    def answer(pool, test):
        groups = [group().fit_transform([text for text, *_ in pool + test]) for group in peer.groups]
        labels = numpy.array([label for _, label, _ in pool])
        truth = numpy.array([label for _, label in test])
        accuracy = {}
        for each in LABELS_EACH:
            accuracies = []
            for draw in range(DRAWS):
                drawn = numpy.array([n for n, (*_, ranks) in enumerate(pool) if ranks[draw] <= each])
                learned, asked = [], []
                for counts in groups:
                    known = counts[drawn]
                    columns = numpy.flatnonzero(known.getnnz(axis=0))
                    known, others = known[:, columns], counts[len(pool) :, columns]
                    if peer.weigh:
                        weigh = weights().fit(known)
                        known, others = weigh.transform(known), weigh.transform(others)
                    learned.append(known)
                    asked.append(others)
                model = peer.make().fit(hstack(learned, format="csr"), labels[drawn])
                answers = model.predict(hstack(asked, format="csr"))
                accuracies.append(float((answers == truth).mean()))
            accuracy[str(each)] = mean(accuracies)
        return accuracy

    return answer


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


# ---- mail by mail, only mistakes ---------------------------------------------


def sgd_of_mistakes(*vectorizers):
    """The steps of SGDClassifier(loss="log_loss", alpha=1e-5), one label against the others, to
    the last digit: on many labels it takes milliseconds for what takes microseconds here. A label
    that has not been seen is not answered."""
    alpha, slow_intercept = 1e-5, 0.01
    # Its schedule "optimal", so that the first steps are not too long.
    offset = alpha**0.25 / alpha

    def answer(mails):
        texts, truth = zip(*mails)
        labels, truth = numpy.unique(truth, return_inverse=True)
        # A feature of one mail never answers anything.
        found = [vectorizer.transform(texts).tocsc() for vectorizer in vectorizers]
        rows = hstack([counts[:, numpy.flatnonzero(counts.getnnz(axis=0) > 1)] for counts in found], format="csr")
        weight, scale, intercept = numpy.zeros((rows.shape[1], len(labels))), 1.0, numpy.zeros(len(labels))
        seen, steps, is_right = numpy.zeros(len(labels), dtype=bool), 0, []
        start = time.perf_counter()
        for n, label in enumerate(truth):
            of_mail = slice(*rows.indptr[n : n + 2])
            features, values = rows.indices[of_mail], rows.data[of_mail]
            scores = scale * (values @ weight[features]) + intercept
            is_right.append(bool(seen.any() and numpy.where(seen, scores, -numpy.inf).argmax() == label))
            seen[label] = True
            if is_right[-1]:
                continue
            sign = numpy.where(numpy.arange(len(labels)) == label, 1, -1)
            rate = 1 / (alpha * (offset + steps))
            step = rate * sign / (1 + numpy.exp(sign * scores))
            steps += 1
            scale *= 1 - rate * alpha
            weight[features] += numpy.outer(values, step / scale)
            intercept += slow_intercept * step
        return judge_corrections(is_right), time.perf_counter() - start

    return answer


def hashed_words_and_pairs():
    return HashingVectorizer(n_features=2**20, ngram_range=(1, 2), binary=True)


def hashed_characters():
    return HashingVectorizer(n_features=2**20, analyzer="char_wb", ngram_range=(3, 5), binary=True)


SKLEARN = ("multinomial", "complement", "logistic", "svm", "svm_characters", "svm_both")
BATCH_PEERS = {name: sklearn_batch(PEERS[name]) for name in SKLEARN} | {
    "fasttext": fasttext_batch,
    "bogofilter": bogofilter_batch,
}
# Letters from 2 on are dear, and much like those from 3 on.
FEW_PEERS = {name: sklearn_few(peer) for name, peer in PEERS.items() if name != "svm_characters"}
STREAM_PEERS = {
    "sgd": sklearn_stream(sgd),
    "multinomial": sklearn_stream(online_naive_bayes),
    "bogofilter": bogofilter_stream,
}
CORRECTIONS_PEERS = {
    "sgd": sgd_of_mistakes(hashed_words_and_pairs()),
    "sgd_both": sgd_of_mistakes(hashed_words_and_pairs(), hashed_characters()),
}
BY_PART = {"batch": BATCH_PEERS, "few": FEW_PEERS, "stream": STREAM_PEERS, "corrections": CORRECTIONS_PEERS}


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
    return [
        peer
        for peer in BY_PART.get(part, ())
        if peer != "bogofilter" or part == "stream" or name in ("spamassassin", "trec07p_half")
    ]


def main(part, name, peer):
    answer = BY_PART[part][peer]
    if part == "few":
        print(json.dumps(answer(*few(name))))
        return
    mails = {"batch": batch, "stream": stream, "corrections": corrections}[part](name)
    before = resident("VmRSS")
    if part == "batch":
        result, train, classify = answer(*mails)
        result |= {"train": train, "us": classify / result["mails"] * 1e6}
    else:
        result, seconds = answer(mails)
        result["us"] = seconds / result["mails"] * 1e6
    if peer == "bogofilter":
        result["memory"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    else:
        result["memory"] = resident("VmHWM") - before
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
