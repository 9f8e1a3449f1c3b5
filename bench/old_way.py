#!/usr/bin/env python3
"""Labels the rows of a table from outside: polls, classifies with scikit-learn, updates.

    old_way.py MAILS TABLE INTERVAL     MAILS is what run.py writes: JSON lines with split, label, text

Prints a line when it has learned the train split. Then each line on stdin, "each" or
"batch", makes it work off all rows whose label is null, and print what it took, as JSON;
"watch" makes it poll every INTERVAL seconds until stdin ends. Connects as psycopg does.
Runs in the virtual environment of requirements.txt.
"""

import json
import selectors
import sys
import time

import psycopg
from peers import PEERS, read

# Rows fetched by one poll, and committed together: a commit each would be slower.
BATCH = 1000


def predict_each(model, texts):
    """A mail at a time, as a program does that handles a row after the other."""
    return [model.predict([text])[0] for text in texts]


def predict_batch(model, texts):
    """As fast as scikit-learn gets."""
    return model.predict(texts)


def poll(connection, table, model, predict):
    """Labels up to BATCH rows; returns how many."""
    with connection.transaction(), connection.cursor() as cursor:
        rows = cursor.execute(
            f"SELECT mail_id, body FROM {table} WHERE label IS NULL ORDER BY mail_id LIMIT {BATCH}"
        ).fetchall()
        if rows:
            labels = predict(model, [body for _, body in rows])
            # Sent in one go, executed row by row.
            cursor.executemany(
                f"UPDATE {table} SET label = %s, labelled_at = clock_timestamp() WHERE mail_id = %s",
                [(str(label), mail_id) for label, (mail_id, _) in zip(labels, rows)],
            )
    return len(rows)


def drain(connection, table, model, predict):
    """Works off everything, without a pause while there is more."""
    start, mails = time.perf_counter(), 0
    while True:
        labelled = poll(connection, table, model, predict)
        mails += labelled
        if labelled < BATCH:
            return {"seconds": time.perf_counter() - start, "mails": mails}


def watch(connection, table, model, interval):
    """Polls at fixed times, until stdin ends."""
    with selectors.DefaultSelector() as stdin:
        stdin.register(sys.stdin, selectors.EVENT_READ)
        due, mails = time.monotonic() + interval, 0
        while not stdin.select(max(0, due - time.monotonic())):
            mails += drain(connection, table, model, predict_batch)["mails"]
            due += interval
    return {"mails": mails}


def main(path, table, interval):
    (texts, labels), _ = read(path)
    model = PEERS["multinomial"]().fit(texts, labels)
    # The first call imports and checks more.
    predict_each(model, texts[:20])
    with psycopg.connect(autocommit=True) as connection:
        print("ready", flush=True)
        for command in sys.stdin:
            if command.strip() == "watch":
                result = watch(connection, table, model, float(interval))
            else:
                predict = {"each": predict_each, "batch": predict_batch}[command.strip()]
                result = drain(connection, table, model, predict)
            print(json.dumps(result), flush=True)


main(*sys.argv[1:])
