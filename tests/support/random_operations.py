"""Everything that changes what the views of quality count, in an order drawn at random.

`SETUP` makes two attached tables and three classifiers; `operation(choice)` is a statement of
somebody who predicts, decides, takes back, erases or compacts. Some of them fail, which
changes nothing.
"""

import random
import time

import psycopg

from support.sessions import Session, literal

LABELS = ["billing", "logistics", "sales", "spam", 'it\'s "odd"']
WORDS = ["invoice", "parcel", "offer", "prize", "login", "refund", "driver", "today", "please", "thanks"]

# Conflicts, deadlocks among reviewers of one email, and what a rolled back block says.
EXPECTED_ERRORS = {"40001", "40P01", "55000", "25P02", "3B001", "23505", "23502", "21000", "P0002", "02000", "22004"}


def array(texts):
    return "ARRAY[" + ", ".join(map(literal, texts)) + "]"


BODY_AND_LABEL = f"""
CREATE FUNCTION body(n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT string_agg(({array(WORDS)})[1 + (n * i) % {len(WORDS)}], ' ') || ' own' || n % 97 FROM generate_series(1, 3 + n % 4) i $$;
CREATE FUNCTION label(n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT ({array(LABELS)})[1 + n % {len(LABELS)}] $$;
SELECT triage.deploy('default', train_classifier(body(n), label(n / 3))) FROM generate_series(1, 60) n;
"""

SETUP = f"""
SELECT triage.create_classifier('late'), triage.create_classifier('open');
SELECT triage.add_label('late', l), triage.add_label('open', l) FROM unnest({array(LABELS)}) l;
CREATE TABLE mail (id bigint PRIMARY KEY, body text, label text, late text);
CREATE TABLE ticket (id bigint PRIMARY KEY, body text, label text);
SELECT triage.attach('mail', ARRAY['body'], 'label', record_given_labels => true);
SELECT triage.attach('mail', ARRAY['body'], 'late', classifier => 'late');
SELECT triage.attach('ticket', ARRAY['body'], 'label', classifier => 'open');
INSERT INTO mail SELECT n, body(n) FROM generate_series(1, 40) n;
INSERT INTO ticket SELECT n, body(n) FROM generate_series(1, 40) n;
-- Emails of earlier days, near midnight of different zones.
INSERT INTO triage.review (classifier, source, email_key, received_at, predicted_label, confidence, model_version, queue_reason, unknown_share)
SELECT 'default', 'public.gone', n::text, date_trunc('day', now()) - n % 9 * interval '1 day' + (n % 5 - 2) * interval '7 hours', label(n), n % 101 / 100.0, n % 3 + 1,
       CASE WHEN n % 101 < 80 THEN 'uncertain' ELSE 'confident' END, n % 7 / 7.0
  FROM generate_series(1, 120) n;
INSERT INTO triage.cost SELECT c, label(n), label(n + 1), n FROM generate_series(0, 3) n, unnest(ARRAY['default', 'late']) c;
DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET pg_triage.audit_rate = 0.3', current_database());
    EXECUTE format('ALTER DATABASE %I SET pg_triage.compact_after = 20', current_database());
END $$;
"""


def operation(choice):
    label = literal(choice.choice(LABELS))
    n = choice.randrange(1, 10_000_000)
    review = f"(SELECT review_id FROM triage.review ORDER BY (review_id * {n + 7} + {n}) % 1009, review_id LIMIT 1)"
    decision = f"(SELECT max(decision_id) FROM triage.decision WHERE review_id = {review})"
    table = choice.choice(["mail", "ticket"])
    some_row = f"(SELECT id FROM {table} ORDER BY (id * {n + 7}) % 1009, id LIMIT 1)"
    column = choice.choice(["label", "late"]) if table == "mail" else "label"
    return choice.choice(
        [
            f"INSERT INTO {table} (id, body) SELECT {n} + i, body({n} + i) FROM generate_series(1, {choice.randrange(1, 4)}) i",
            f"INSERT INTO {table} (id, body, label) VALUES ({n}, body({n}), {label})",
            f"UPDATE {table} SET {column} = {label} WHERE id = {some_row}",
            f"UPDATE {table} SET {column} = NULL WHERE id = {some_row}",
            f"UPDATE {table} SET id = {n} WHERE id = {some_row}",
            f"INSERT INTO {table} (id, body) VALUES ({some_row}, body({n})) ON CONFLICT (id) DO UPDATE SET body = excluded.body, label = excluded.label",
            f"WITH d AS (DELETE FROM {table} WHERE id = {some_row} RETURNING id) SELECT triage.forget('public.{table}', id::text) FROM d",
            f"DELETE FROM {table} WHERE id = {some_row}",
            f"UPDATE triage.review SET human_label = {label} WHERE review_id = {review}",
            f"UPDATE triage.review_queue SET human_label = NULL WHERE review_id = {review}",
            f"INSERT INTO triage.review_queue (review_id, human_label) VALUES ({review}, {label})",
            f"SELECT triage.correct({review}, {label})",
            f"SELECT triage.accept({review})",
            f"SELECT triage.accept({review})",
            f"SELECT triage.skip({review})",
            f"SELECT triage.undo({decision})",
            f"SELECT triage.undo_batch((SELECT max(batch_id) FROM triage.decision WHERE review_id = {review}))",
            f"SELECT triage.correct_many(ARRAY[{review}, {review} + 1], {label})",
            f"SELECT triage.classify_pending('{table}', 5)",
            f"SELECT triage_internal.compact_review_statistics({choice.choice([1, 5, 50, 1000])})",
            "SELECT triage_internal.rebuild_review_statistics()"
            if choice.random() < 0.1
            else "SELECT triage_internal.compact_review_statistics(10)",
            "SELECT triage_internal.draw_missing_audits()",
            f"UPDATE triage.cost SET cost = {n % 10} WHERE predicted = {label}",
            f"UPDATE triage.classifier SET review_below = {n % 10 / 10} WHERE name = 'default'",
        ]
    )


def in_a_transaction(choice):
    """The statements of one or two operations: alone, rolled back, in one transaction, or in part."""
    one, two = operation(choice), operation(choice)
    return choice.choice(
        [
            [one],
            [one],
            [one],
            [one],
            ["BEGIN", one, "ROLLBACK"],
            ["BEGIN", one, two, "COMMIT"],
            ["BEGIN", one, "SAVEPOINT s", two, "ROLLBACK TO s", "COMMIT"],
            ["BEGIN ISOLATION LEVEL REPEATABLE READ", one, two, "COMMIT"],
        ]
    )


def work(session: Session, seed: str, until: float, errors: list) -> None:
    """Until the monotonic time `until`; what fails is added to `errors` as (SQLSTATE, message)."""
    choice = random.Random(seed)
    while time.monotonic() < until:
        for statement in [*in_a_transaction(choice), "ROLLBACK"]:
            try:
                session.run(statement)
            except psycopg.Error as error:
                errors.append((error.sqlstate, str(error)))
