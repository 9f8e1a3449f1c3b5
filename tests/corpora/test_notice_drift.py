"""Drift in a simulated year: mail of the same kind in random order, with quiet weekends and a new
version in mid-year, raises no alarm in ten runs; where one label's mail is worded differently
from some day on, there is one within a week.

Each run is a classifier of one server, and all live through the same year. How thresholds were
chosen, from many more years, is in docs/design.md.
"""

import hashlib
import itertools
import random
import re
from datetime import timedelta

import pytest
from support.corpora import copy_rows, read
from support.simulation import NEW_YEAR, simulated

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(3600),
    pytest.mark.corpora("newsgroups20.jsonl.gz", "tickets_de_synthetic.jsonl.gz"),
]

CORPORA = {"news": "newsgroups20", "ticket": "tickets_de_synthetic"}
DAYS = 365
REWORDED = 200
NEW_VERSION = 150
A_DAY = 40
# Monday to Sunday; of the labels, a random half is rarer at the weekend.
WEEKDAYS = [1.3, 1.25, 1.2, 1.2, 1.1, 0.5, 0.45]
LABELS = 10
UNDISTURBED = 5
DISTURBED = 3
TRAINED = 400
SHARE_OF_WORDS = 0.8


def sha(text):
    return int(hashlib.sha256(text.encode()).hexdigest(), 16)


def other_word(match):
    """The same new word for a word whenever it comes, for most words."""
    number = sha(match[0].lower())
    if number % 1000 >= 1000 * SHARE_OF_WORDS:
        return match[0]
    return "".join(
        "bdfgklmn"[number >> 9 * i & 7] + "aeiou"[(number >> 9 * i + 3) % 5] for i in range(1, 4 + number % 3)
    )


def reworded(text):
    return re.sub(r"[^\W\d_]{2,}", other_word, text)


class Run:
    """A classifier with its table, and the mail that comes."""

    def __init__(self, name, corpus, seed, is_reworded):
        self.name, self.random = name, random.Random(seed)
        labels = self.random.sample(sorted({label for label, _ in corpus}), LABELS)
        self.mails = [mail for mail in corpus if mail[0] in labels]
        self.rare = set(self.random.sample(labels, LABELS // 2))
        self.label = self.random.choice(labels) if is_reworded else None
        self.alarms = []

    def prepare(self, database):
        """Trains a first version."""
        database.run(
            f"CREATE TABLE {self.name} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text, label text)"
        )
        database.run(f"CREATE TABLE {self.name}_known (body text, label text)")
        database.run(f"SELECT triage.create_classifier('{self.name}')")
        self.random.shuffle(self.mails)
        self.train(database, self.mails[:TRAINED])
        database.run(f"SELECT triage.attach('{self.name}', ARRAY['body'], 'label', classifier => '{self.name}')")
        self.known, self.mails = self.mails[TRAINED : 2 * TRAINED], self.mails[TRAINED:]

    def train(self, database, mails):
        """A version of these mails and those that were known."""
        copy_rows(database.session, f"{self.name}_known (label, body)", mails)
        database.run(f"SELECT triage.deploy('{self.name}', train_classifier(body, label)) FROM {self.name}_known")

    def live(self, database, day):
        """The mail of a day."""
        if day == NEW_VERSION and not self.label:
            self.train(database, self.known)
        weekday = day % 7
        count = round(A_DAY * WEEKDAYS[weekday] * self.random.gammavariate(40, 1 / 40))
        weights = [0.5 if weekday > 4 and label in self.rare else 1 for label, _ in self.mails]
        arriving = self.random.choices(self.mails, cum_weights=list(itertools.accumulate(weights)), k=count)
        copy_rows(
            database.session,
            f"{self.name} (body)",
            [(reworded(text) if label == self.label and day >= REWORDED else text,) for label, text in arriving],
        )

    def began(self):
        """The days on which an alarm began."""
        return [day for day, before in zip(self.alarms, [-9, *self.alarms], strict=False) if day > before + 1]


@pytest.fixture(scope="module")
def runs():
    """All of them, after the year."""
    runs = []
    for short, corpus in CORPORA.items():
        mails = [(mail["label"], mail["text"][:4000]) for mail in read(corpus)]
        runs += [Run(f"{short}_{seed}", mails, seed, False) for seed in range(UNDISTURBED)]
        runs += [Run(f"{short}_{seed}_reworded", mails, seed, True) for seed in range(DISTURBED)]
    with simulated("drift") as (database, clock):
        for run in runs:
            run.prepare(database)
        for day in range(DAYS):
            clock.set(NEW_YEAR + timedelta(days=day, hours=8))
            for run in runs:
                run.live(database, day)
            database.run("SELECT triage_internal.compact_review_statistics(1000000)")
            for name in database.column("SELECT DISTINCT classifier FROM triage.drift WHERE drifted"):
                next(run for run in runs if run.name == name).alarms.append(day)
    return {run.name: run for run in runs}


def test_undisturbed_years_raise_one_alarm_at_most(runs):
    assert sum(len(run.began()) for run in runs.values() if not run.label) <= 1


@pytest.mark.parametrize("name", [f"{short}_{seed}_reworded" for short in CORPORA for seed in range(DISTURBED)])
def test_a_label_that_is_worded_differently_raises_an_alarm_within_a_week(runs, name):
    after = [day - REWORDED for day in runs[name].began() if day >= REWORDED]
    assert after, runs[name].label
    assert after[0] < 7
