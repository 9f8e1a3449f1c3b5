"""Rows are deleted, emptied, dropped, or replaced by a program that keeps tables in step: nobody is
asked about what is not there, and what was decided stays."""

import pytest

QUEUE = "SELECT count(*) FROM triage.review WHERE queue_reason IS NOT NULL"
PROGRESS = (
    "SELECT uncertain + confident + unclassified + audit FROM triage.review_progress WHERE source = 'public.mail'"
)


@pytest.fixture
def mail(database):
    """A table with ten rows; the first has been decided."""
    database.run(
        """CREATE TABLE mail (id int PRIMARY KEY, body text, label text);
        SELECT triage.deploy('default', train_classifier(body, label))
           FROM (VALUES ('invoice refund', 'billing'), ('password login', 'support')) AS mail (body, label);
        SELECT triage.attach('mail', ARRAY['body'], 'label');
        INSERT INTO mail (id, body) SELECT n, 'invoice ' || n FROM generate_series(1, 10) n;
        UPDATE mail SET label = 'support' WHERE id = 1"""
    )
    assert database.value(QUEUE) == 9
    return database


def review(database, key):
    return database.row(
        "SELECT human_label, predicted_label, queue_reason, deleted_at IS NOT NULL FROM triage.review"
        " WHERE email_key = %s",
        str(key),
    )


@pytest.mark.parametrize(
    ("statement", "left"),
    [
        ("DELETE FROM mail WHERE id IN (1, 2, 3)", 7),
        ("DELETE FROM mail", 0),
        ("TRUNCATE mail", 0),
        ("DELETE FROM mail USING generate_series(1, 5) n WHERE id = n", 5),
    ],
)
def test_nobody_is_asked_about_deleted_rows(mail, statement, left):
    mail.run(statement)
    assert (mail.value(QUEUE), mail.value(PROGRESS)) == (left, left)
    assert review(mail, 1) == ("support", "billing", None, True)
    assert mail.value("SELECT count(*) FROM triage.decision_history WHERE email_key = '1'") == 1
    assert mail.value("SELECT sum(skipped) FROM triage.review_progress") == 0


def test_a_deletion_that_is_rolled_back_leaves_the_queue_as_it_was(mail):
    mail.run("BEGIN")
    mail.run("DELETE FROM mail WHERE id < 4")
    mail.run("ROLLBACK")
    assert mail.value(QUEUE) == 9


def test_what_is_taken_back_about_a_deleted_row_does_not_wait_for_anybody(mail):
    mail.run("DELETE FROM mail WHERE id = 1")
    mail.run("SELECT triage.undo(max(decision_id)) FROM triage.decision")
    assert review(mail, 1) == (None, "billing", None, True)


@pytest.mark.parametrize(
    "replace",
    [
        "DELETE FROM mail; INSERT INTO mail SELECT * FROM copied",
        "TRUNCATE mail; INSERT INTO mail SELECT * FROM copied",
        "WITH deleted AS (DELETE FROM mail RETURNING *) INSERT INTO mail SELECT * FROM deleted",
    ],
)
def test_rows_that_are_replaced_keep_their_reviews(mail, replace):
    mail.run("CREATE TABLE copied AS SELECT * FROM mail")
    mail.run(f"BEGIN; {replace}; COMMIT")
    assert review(mail, 1) == ("support", "billing", None, False)
    human, predicted, reason, deleted = review(mail, 2)
    assert (human, predicted, deleted) == (None, "billing", False)
    assert reason in ("uncertain", "confident")
    assert (mail.value(QUEUE), mail.value(PROGRESS)) == (9, 9)


def test_a_new_email_with_the_key_of_a_deleted_one_is_another_email(mail):
    mail.run("DELETE FROM mail WHERE id = 1")
    mail.run("INSERT INTO mail VALUES (1, 'parcel van driver', 'support')")
    assert review(mail, 1) == (None, None, None, False)


@pytest.mark.parametrize("statement", ["DROP TABLE shop.mail CASCADE", "DROP SCHEMA shop CASCADE"])
def test_nobody_is_asked_about_a_dropped_table(mail, statement):
    mail.run("CREATE SCHEMA shop; ALTER TABLE mail SET SCHEMA shop")
    mail.run(statement)
    assert mail.value(PROGRESS) == 0
    assert mail.value("SELECT count(*) FROM triage.review_queue WHERE queue_reason IS NOT NULL") == 0
    # Maintenance notices.
    assert "10 emails were gone" in mail.column("SELECT result FROM triage.maintain() WHERE task = 'sweep'")
    assert mail.value(QUEUE) == 0
    assert mail.value("SELECT state FROM triage.sources WHERE source = 'public.mail'") == "dropped"
    assert review(mail, 1)[0] == "support"


def test_rows_that_move_between_partitions_are_not_deleted(database):
    database.run(
        """CREATE TABLE mail (id int, year int, body text, label text, PRIMARY KEY (id, year)) PARTITION BY LIST (year);
        CREATE TABLE mail_1 PARTITION OF mail FOR VALUES IN (1);
        CREATE TABLE mail_2 PARTITION OF mail FOR VALUES IN (2);
        SELECT triage.deploy('default', train_classifier(body, label))
           FROM (VALUES ('invoice refund', 'billing'), ('password login', 'support')) AS mail (body, label);
        SELECT triage.attach('mail', ARRAY['body'], 'label');
        INSERT INTO mail (id, year, body) SELECT n, 1, 'invoice ' || n FROM generate_series(1, 4) n;
        UPDATE mail SET year = 2 WHERE id < 3"""
    )
    assert (database.value(QUEUE), database.value(PROGRESS)) == (4, 4)
    database.run("DELETE FROM mail WHERE year = 2")
    assert database.value(QUEUE) == 2
    # No trigger fires: maintenance looks for itself.
    database.run("DROP TABLE mail_1; UPDATE triage_internal.source SET attached_at = now() - interval '2 days'")
    assert "2 emails were gone" in database.column("SELECT result FROM triage.maintain() WHERE task = 'sweep'")
    assert database.value(QUEUE) == 0


def test_figures_count_what_was_done_whether_the_row_is_there_or_not(mail):
    mail.run("SELECT triage.maintain()")
    before = mail.rows("SELECT * FROM triage.automation_rate_daily")
    mail.run("DELETE FROM mail")
    mail.run("SELECT triage.maintain()")
    assert before and mail.rows("SELECT * FROM triage.automation_rate_daily") == before
