"""Logical replication: rows arrive with their label and are not labelled or reviewed again, and a
session over there follows corrections."""

import subprocess

import pytest
from support.dumps import complaints_of
from support.odd_and_even import ASKED, OTHER_LABEL, assert_same_answers, fill
from support.server import new_server
from support.waiting import wait_for

PUBLICATIONS = [
    "CREATE PUBLICATION of_mail FOR TABLE mail",
    # Without the table that has no rows and no columns.
    """CREATE PUBLICATION of_triage FOR TABLE triage.classifier, triage.label, triage_internal.model, triage_internal.activation,
           triage_internal.source, triage.review, triage.decision, triage_internal.pending, triage_internal.base""",
]
ROWS = {"mail": "SELECT * FROM mail ORDER BY id"}
EVERYTHING = ROWS | {
    "reviews": "SELECT * FROM triage.review ORDER BY review_id",
    "decisions": "SELECT * FROM triage.decision ORDER BY decision_id",
    "pending decisions": "SELECT * FROM triage_internal.pending ORDER BY 1, 2",
    "attachments": "SELECT * FROM triage_internal.source ORDER BY 1",
    "bases": "SELECT classifier, version, decisions, md5(serving::text), md5(learned::text) FROM triage_internal.base ORDER BY 1",
}


@pytest.fixture(scope="module")
def publisher():
    with new_server("publisher", "wal_level=logical") as server, server.database("mails", drop=False) as publisher:
        fill(publisher)
        for statement in PUBLICATIONS:
            publisher.run(statement)
        yield publisher


@pytest.fixture(scope="module")
def subscriber(publisher, tmp_path_factory):
    """With the user's table and the triggers of its attachment; nothing is replicated so far."""
    file = tmp_path_factory.mktemp("schema") / "schema"
    assert not complaints_of("pg_dump", "--schema-only", "--no-publications", "--file", file, database=publisher)
    with new_server("subscriber") as server, server.database("mails", extension=False, drop=False) as subscriber:
        subprocess.run(
            ["psql", "-Xqv", "ON_ERROR_STOP=1", "-f", file],
            check=True,
            env=subscriber.environment(),
            stdout=subprocess.DEVNULL,
        )
        assert subscriber.value("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'mail'::regclass") == 9
        subscribe(subscriber, publisher, "of_mail")
        yield subscriber


def subscribe(subscriber, publisher, name):
    server = publisher.server
    subscriber.run(
        f"CREATE SUBSCRIPTION {name} CONNECTION "
        f"'host={server.host} port={server.port} user={server.user} dbname={publisher.name}' PUBLICATION {name}"
    )


def wait_for_the_same(publisher, subscriber, questions):
    wanted = {name: publisher.rows(question) for name, question in questions.items()}
    wait_for(
        lambda: {name: subscriber.rows(question) for name, question in questions.items()} == wanted, 60, "the same rows"
    )


def test_rows_arrive_with_their_labels(publisher, subscriber):
    wait_for_the_same(publisher, subscriber, ROWS)
    assert publisher.value("SELECT count(*) FROM mail WHERE label IS NOT NULL") == 20


def test_rows_that_come_change_and_go_are_followed_and_neither_reviewed_nor_decided_about(publisher, subscriber):
    publisher.run("INSERT INTO mail (body) VALUES ('w1 w2'), (NULL)")
    publisher.run("UPDATE mail SET label = NULL WHERE id = 4")
    publisher.run("DELETE FROM mail WHERE id = 20")
    wait_for_the_same(publisher, subscriber, ROWS)
    assert (
        subscriber.row("""
        SELECT (SELECT count(*) FROM triage.review), (SELECT count(*) FROM triage.decision), (SELECT count(*) FROM triage_internal.pending)""")
        == (0, 0, 0)
    )


@pytest.fixture(scope="module")
def session(publisher, subscriber):
    """A session of the subscriber that was open before it had a classifier."""
    session = subscriber.connect()
    assert session.value(ASKED) is None
    assert session.value("SELECT count(*) FROM triage.classifier") == 0
    subscribe(subscriber, publisher, "of_triage")
    wait_for_the_same(publisher, subscriber, EVERYTHING)
    return session


def test_models_reviews_and_decisions_arrive_and_an_open_session_answers_with_them(publisher, session):
    assert_same_answers(publisher, session)


# One after another, each of them a change at the publisher: whether it changes an answer there, too.
CHANGES = {
    "a correction": (
        True,
        [
            "INSERT INTO mail (id, body) VALUES (100, 'neverseen')",
            f"UPDATE mail SET label = {OTHER_LABEL} WHERE id = 100",
        ],
    ),
    "another label": (True, [f"UPDATE mail SET label = {OTHER_LABEL} WHERE id = 100"]),
    "a correction in a queue view": (
        True,
        [f"UPDATE triage.mail_queue SET human_label = {OTHER_LABEL} WHERE email_key = '100'"],
    ),
    "a decision taken back": (None, ["UPDATE mail SET label = NULL WHERE id = 100"]),
    "compaction": (None, ["UPDATE mail SET label = 'even' WHERE id = 101", "SELECT triage.compact('default')"]),
    "a forgotten mail": (None, ["SELECT triage.forget('public.mail', '5')"]),
    "a retrained version": (None, ["SELECT triage.retrain('default')"]),
    "a rollback": (None, ["SELECT triage.rollback('default')"]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_open_session_follows(publisher, subscriber, session, change):
    changes_the_answer, statements = CHANGES[change]
    before = publisher.value(ASKED)
    for statement in statements:
        publisher.run(statement)
    after = publisher.value(ASKED)
    assert not changes_the_answer or before != after
    wait_for_the_same(publisher, subscriber, EVERYTHING)
    assert session.value(ASKED) == after
    assert_same_answers(publisher, session)


def test_no_mail_was_reviewed_twice(subscriber, session):
    assert subscriber.rows("SELECT FROM triage.review GROUP BY source, email_key, classifier HAVING count(*) > 1") == []
