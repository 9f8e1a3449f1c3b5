#!/usr/bin/env python3
"""Trains one scikit-learn classifier and prints what it took, as JSON.

    peers.py MAILS PEER     MAILS is what run.py writes: JSON lines with split, label, text

One process per measurement, so that memory peaks do not add up. Runs in the virtual
environment of requirements.txt.
"""

import json
import sys
import time

import sklearn
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.naive_bayes import ComplementNB, MultinomialNB
from sklearn.pipeline import make_pipeline

# Counts must not be negative, hence no alternating sign; the rest are the defaults. The
# second one sees what pg_triage sees: words and pairs, each once per mail.
PEERS = {
    "multinomial": lambda: make_pipeline(HashingVectorizer(alternate_sign=False), MultinomialNB()),
    "pairs": lambda: make_pipeline(
        HashingVectorizer(alternate_sign=False, ngram_range=(1, 2), binary=True, norm=None),
        MultinomialNB(alpha=0.05),
    ),
    "complement": lambda: make_pipeline(HashingVectorizer(alternate_sign=False), ComplementNB()),
}


def read(path):
    """Texts and labels per split."""
    splits = {"train": ([], []), "test": ([], [])}
    with open(path, encoding="utf-8") as lines:
        for mail in map(json.loads, lines):
            texts, labels = splits[mail["split"]]
            texts.append(mail["text"])
            labels.append(mail["label"])
    return splits["train"], splits["test"]


def resident(field):
    """Bytes: VmRSS is now, VmHWM the most so far."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field))


def timed(function, *arguments):
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def main(path, peer):
    (texts, labels), (test_texts, test_labels) = read(path)
    # The first call of anything in scikit-learn imports and checks more.
    PEERS[peer]().fit(texts[:20], labels[:20])
    before = resident("VmRSS")
    model = PEERS[peer]()
    train, _ = timed(model.fit, texts, labels)
    memory = resident("VmHWM") - before
    classify, answers = timed(model.predict, test_texts)
    right = sum(answer == label for answer, label in zip(answers, test_labels))
    print(
        json.dumps(
            {
                "version": sklearn.__version__,
                "train": train * 1000,
                "classify": classify * 1000,
                "accuracy": right / len(test_labels),
                "memory": memory,
                "model": model[-1].feature_log_prob_.nbytes,
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
