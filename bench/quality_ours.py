"""How good we are when trained at once, through SQL: with train_classifier() and the default
configuration. Part of quality.py.
"""

import os
import sys
import time
from statistics import mean

import numpy
import psycopg
from judging import DRAWS, LABELS_EACH, batch, few, judge_matrix, judge_scope, resident
from psycopg import sql


def require(holds, what):
    """A figure for work that was not done would be worth nothing."""
    if not holds:
        sys.exit(f"error: {what}")


class Database:
    """A session in a new database, which is dropped at the end."""

    # Serial, as the peers are.
    OPTIONS = "-c max_parallel_workers_per_gather=0 -c jit=off -c client_min_messages=warning -c synchronous_commit=off"

    def __enter__(self):
        self.name = f"quality_{os.getpid()}"
        with psycopg.connect(dbname="postgres", autocommit=True) as session:
            session.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.name)))
        self.connect()
        self.run("CREATE EXTENSION pg_triage")
        return self

    def __exit__(self, *_):
        self.session.close()
        with psycopg.connect(dbname="postgres", autocommit=True) as session:
            session.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(self.name)))

    def connect(self):
        """Anew: a session's memory peak is then that of what follows."""
        self.session = psycopg.connect(dbname=self.name, options=self.OPTIONS, autocommit=True)
        self.run = self.session.execute

    def value(self, query, *parameters):
        return self.run(query, parameters).fetchone()[0]

    def copy(self, into, rows):
        with self.session.cursor().copy(f"COPY {into} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    def memory(self, field):
        """Bytes of the server process; None where that cannot be seen."""
        try:
            return resident(field, self.session.info.backend_pid)
        except OSError:
            return None

    def peak_since(self, before):
        """Without the server's shared memory, which is not the session's."""
        peak = self.memory("VmHWM")
        return None if None in (peak, before) else peak - self.memory("RssShmem") - before

    def private(self):
        now = self.memory("VmRSS")
        return None if now is None else now - self.memory("RssShmem")


def timed(function, *arguments):
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def load(db, table, mails):
    """(text, label, ...) as columns body, label, after their number."""
    db.copy(table, ((n, *mail) for n, mail in enumerate(mails)))


def accuracy_of(db, condition="true"):
    """Of what learns these mails of table `train`, on table `test`."""
    db.run(f"SELECT triage.deploy('default', train_classifier(body, label)) FROM train WHERE {condition}")
    return float(db.value("SELECT avg((classify_email(body) = label)::integer) FROM test"))


def train_and_answer(db, truth):
    """Trains on table `train`, answers table `test`, and says how sure it is of table `others`."""
    db.connect()
    db.run("SELECT count(length(body)) FROM train")
    before = db.private()
    train, _ = timed(db.run, "SELECT triage.deploy('default', train_classifier(body, label)) FROM train")
    memory = db.peak_since(before)
    db.run("SELECT classify_email('a')")
    classify, _ = timed(db.run, "SELECT count(classify_email(body)) FROM test")
    answers = db.run("""
        SELECT array_agg(s.label), array_agg(s.probability)
          FROM test, classify_email_scores(body) AS s GROUP BY n ORDER BY n""").fetchall()
    require(len(answers) == len(truth), f"{len(answers)} answers to {len(truth)} mails")
    labels = sorted(answers[0][0])
    probabilities = numpy.array([[p for _, p in sorted(zip(*answer))] for answer in answers])
    result = judge_matrix(truth, labels, probabilities)
    others = db.run("SELECT max(probability) FROM others, classify_email_scores(body) GROUP BY n").fetchall()
    if others:
        result["scope"] = judge_scope(probabilities.max(axis=1), [confidence for (confidence,) in others])
    return result | {"train": train, "us": classify / len(truth) * 1e6, "memory": memory}


def our_batch(name):
    with Database() as db:
        train, test, others = batch(name)
        for table, mails in (("train", train), ("test", test)):
            db.run(f"CREATE TABLE {table} (n integer, body text NOT NULL, label text NOT NULL)")
            load(db, table, mails)
        db.run("CREATE TABLE others (n integer, body text NOT NULL)")
        load(db, "others", ((text,) for text in others))
        db.run("ANALYZE")
        return train_and_answer(db, [label for _, label in test])


def our_few(name):
    """Mean accuracy of the draws by number of labels."""
    with Database() as db:
        pool, test = few(name)
        db.run("""
            CREATE TABLE train (n integer, body text NOT NULL, label text NOT NULL, ranks integer[] NOT NULL);
            CREATE TABLE test (n integer, body text NOT NULL, label text NOT NULL)""")
        load(db, "train", pool)
        load(db, "test", test)
        db.run("ANALYZE")
        return {
            str(each): mean(accuracy_of(db, f"ranks[{draw + 1}] <= {each}") for draw in range(DRAWS))
            for each in LABELS_EACH
        }


# A word that all mails have says nothing about any. But what is decided by the hash of a mail's
# tokens (samples, the order in which weights are fitted) is decided anew.
SEEDED = "UPDATE {} SET body = mail || E'\\n\\n' || {}"
SEED_WORDS = [f"{a}{b}" for a in "qxzjv" for b in "qxkw"]


def our_seeds(name, seeds):
    """Accuracy by seed."""
    with Database() as db:
        train, test, _ = batch(name)
        for table, mails in (("train", train), ("test", test)):
            db.run(f"CREATE TABLE {table} (n integer, body text, label text NOT NULL, mail text NOT NULL)")
            db.copy(table, ((n, None, label, text) for n, (text, label) in enumerate(mails)))
        accuracies = []
        for word in SEED_WORDS[:seeds]:
            for table in "train", "test":
                db.run(sql.SQL(SEEDED).format(sql.Identifier(table), word))
                db.run(f"VACUUM ANALYZE {table}")
            accuracies.append(accuracy_of(db))
    return accuracies
