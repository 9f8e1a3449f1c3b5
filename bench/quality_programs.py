"""fastText and bogofilter, as peers of quality_peers.py."""

import os
import random
import re
import subprocess
import tempfile
import time
from pathlib import Path

import numpy
from judging import judge, judge_matrix

# ---- fastText ----------------------------------------------------------------

# The usual prefix is in some mails, too; nothing in capitals is left in them.
FASTTEXT_LABEL = "__LABEL__"


def fasttext_batch(train, test, _):
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


def bogofilter_batch(train, test, _):
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
