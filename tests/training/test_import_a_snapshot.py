"""A transaction under an imported snapshot answers with the model which that snapshot shows.

The case that a comparison of snapshots can get wrong: the session keeps an answer from a
statement that ran beside an activation, under a snapshot which leaves out the session's own
transaction, and then imports one that another session took in the same moment of history.
"""

from support.mails import deploy


def test_it_answers_as_the_snapshot_shows(database):
    for label in ("one", "two"):
        database.run(deploy(label))
    database.run("SELECT triage.activate('default', 1)")
    session, activator, exporter, bystander = (database.connect() for _ in range(4))
    session.run("SELECT classify_email('invoice')")
    for beginner in (bystander, activator, session):
        beginner.run("BEGIN; SELECT pg_current_xact_id()")
    activator.run("SELECT triage.activate('default', 2)")
    # A later transaction completes, so that the others are below the snapshot's limit.
    database.run("SELECT pg_current_xact_id()")
    session.run("DECLARE answers CURSOR FOR SELECT classify_email('invoice') FROM generate_series(1, 2)")
    activator.run("COMMIT")
    assert session.value("FETCH 1 FROM answers") == "one", "a cursor from before the activation: the old model"

    exporter.run("BEGIN ISOLATION LEVEL REPEATABLE READ")
    snapshot = exporter.value("SELECT pg_export_snapshot()")
    session.run("COMMIT")
    session.run("BEGIN ISOLATION LEVEL REPEATABLE READ")
    session.run(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
    shown = session.row("SELECT version, classify_email('invoice') FROM triage.model_versions WHERE status = 'active'")
    session.run("COMMIT")
    assert shown == (2, "two"), "an imported snapshot from after it: the new one"
    assert session.value("SELECT classify_email('invoice')") == "two", "and so does the next statement"
