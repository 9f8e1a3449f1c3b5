#!/usr/bin/env python3
"""Labels the rows of a table from outside: polls, classifies with scikit-learn, updates.

    old_way.py MAILS TABLE INTERVAL     MAILS is what loop.py writes: JSON lines with split, label, text

Prints a line when it has learned the train split. Then each line on stdin, "each" or
"batch", makes it work off all rows whose label is null, and print what that took, as JSON;
"watch" makes it poll every INTERVAL seconds until stdin ends. Connects as psycopg does.
Runs in the virtual environment of requirements.txt.
"""

import json
import selectors
import sys
import time

import psycopg
from peers import PEERS, read
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

# Rows fetched by one poll, and committed together: a commit for each would be slower.
BATCH = 1000


class Each:
    """A row after the other: classify, update."""

    def __init__(self, texts, labels):
        # The one that is fastest with single mails: others copy more per call.
        self.model = make_pipeline(CountVectorizer(), MultinomialNB()).fit(texts, labels)

    def work(self, cursor, update, rows):
        for mail_id, body in rows:
            cursor.execute(update, (str(self.model.predict([body])[0]), mail_id))


class Batch:
    """As fast as it gets with UPDATE: classifies all at once, and waits for the server once."""

    def __init__(self, texts, labels):
        self.model = PEERS["multinomial"]().fit(texts, labels)

    def work(self, cursor, update, rows):
        labels = self.model.predict([body for _, body in rows])
        cursor.executemany(update, [(str(label), mail_id) for label, (mail_id, _) in zip(labels, rows)])


def poll(connection, table, worker):
    """Labels up to BATCH rows; returns how many."""
    with connection.transaction(), connection.cursor() as cursor:
        rows = cursor.execute(
            f"SELECT mail_id, body FROM {table} WHERE label IS NULL ORDER BY mail_id LIMIT {BATCH}"
        ).fetchall()
        if rows:
            worker.work(
                cursor, f"UPDATE {table} SET label = %s, labelled_at = clock_timestamp() WHERE mail_id = %s", rows
            )
    return len(rows)


def drain(connection, table, worker):
    """Works off everything, without a pause while there is more."""
    start, mails = time.perf_counter(), 0
    while True:
        labelled = poll(connection, table, worker)
        mails += labelled
        if labelled < BATCH:
            return {"seconds": time.perf_counter() - start, "mails": mails}


def watch(connection, table, worker, interval):
    """Polls at fixed times until stdin ends."""
    with selectors.DefaultSelector() as stdin:
        stdin.register(sys.stdin, selectors.EVENT_READ)
        due, mails = time.monotonic() + interval, 0
        while not stdin.select(max(0, due - time.monotonic())):
            mails += drain(connection, table, worker)["mails"]
            due += interval
    return {"mails": mails}


def main(path, table, interval):
    (texts, labels), _ = read(path)
    workers = {"each": Each(texts, labels), "batch": Batch(texts, labels)}
    # The first call imports and checks more.
    for worker in workers.values():
        worker.model.predict(texts[:20])
    with psycopg.connect(autocommit=True) as connection:
        print("ready", flush=True)
        for command in map(str.strip, sys.stdin):
            if command == "watch":
                result = watch(connection, table, workers["batch"], float(interval))
            else:
                result = drain(connection, table, workers[command])
            print(json.dumps(result), flush=True)


main(*sys.argv[1:])
