"""Statements that name a partition of an attached table, and partitions that come and go: rows leave
the queue, and labels set there are decisions of one batch, as by statements that name the table."""

import pytest

QUEUE = "SELECT count(*) FROM triage.review WHERE queue_reason IS NOT NULL"
CREATE = {
    # The attached table is divided itself,
    "parent": """CREATE TABLE mail (id int, year int, body text, label text, PRIMARY KEY (id, year))
                    PARTITION BY LIST (year);
        CREATE TABLE mail_1 PARTITION OF mail FOR VALUES IN (1);
        CREATE TABLE mail_2 PARTITION OF mail FOR VALUES IN (2)""",
    # or a part of another one, too, which statements name.
    "middle": """CREATE TABLE top (id int, year int, body text, label text, PRIMARY KEY (id, year))
                    PARTITION BY LIST (year);
        CREATE TABLE mail PARTITION OF top FOR VALUES IN (1, 2) PARTITION BY LIST (year);
        CREATE TABLE mail_1 PARTITION OF mail FOR VALUES IN (1);
        CREATE TABLE mail_2 PARTITION OF mail FOR VALUES IN (2)""",
}


def create(database, kind):
    database.run(
        f"""{CREATE[kind]};
        SELECT triage.deploy('default', train_classifier(body, label))
           FROM (VALUES ('invoice refund', 'billing'), ('password login', 'support')) AS mail (body, label);
        SELECT triage.attach('mail', ARRAY['body'], 'label');
        INSERT INTO mail (id, year, body) SELECT n, 1, 'invoice ' || n FROM generate_series(1, 10) n;
        INSERT INTO mail (id, year, body) SELECT n, 2, 'invoice ' || n FROM generate_series(11, 20) n"""
    )
    assert database.value(QUEUE) == 20
    return database


@pytest.fixture
def mail(database):
    """Two partitions with ten rows each."""
    return create(database, "parent")


@pytest.fixture(params=["mail_1", "top"])
def named(request, database):
    """A statement names this table, and not the attached one."""
    create(database, {"mail_1": "parent", "top": "middle"}[request.param])
    return database, request.param


def swept(database):
    return database.column("SELECT result FROM triage.maintain() WHERE task = 'sweep'")


@pytest.mark.parametrize(
    ("statement", "left"),
    [
        ("DELETE FROM {} WHERE id IN (1, 2, 3)", 17),
        ("DELETE FROM {} WHERE year = 1", 10),
        ("WITH gone AS (DELETE FROM {0} WHERE id < 4 RETURNING *) INSERT INTO {0} SELECT * FROM gone", 20),
        ("DO $$ BEGIN UPDATE {0} SET body = body || '.' WHERE id < 4; DELETE FROM {0} WHERE id < 4; END $$", 17),
    ],
)
def test_deleted_rows_leave_the_queue_at_once(named, statement, left):
    database, table = named
    database.run(statement.format(table))
    assert database.value(QUEUE) == left


def test_a_deletion_that_is_rolled_back_leaves_the_queue_as_it_was(named):
    database, table = named
    database.run(f"BEGIN; DELETE FROM {table} WHERE id < 4")
    assert database.value(QUEUE) == 17
    database.run("ROLLBACK")
    assert database.value(QUEUE) == 20


@pytest.mark.parametrize("change", ["year = 2", "year = 2, id = id + 100"])
def test_rows_that_move_are_not_deleted(database, change):
    create(database, "middle")
    for table, key in (("top", 1), ("mail", 2)):
        database.run(f"UPDATE {table} SET {change} WHERE id = {key}")
    database.run("UPDATE mail SET label = 'support' WHERE year = 2 AND id NOT BETWEEN 3 AND 20")
    assert database.value("SELECT count(*) FROM triage.review WHERE deleted_at IS NOT NULL") == 0
    assert (database.value(QUEUE), database.value("SELECT count(*) FROM triage.decision")) == (18, 2)
    assert swept(database) in ([], ["0 emails were gone"])


def test_labels_set_in_a_partition_are_one_batch(named):
    database, table = named
    database.run(f"UPDATE {table} SET label = 'support' WHERE id IN (1, 2)")
    database.run(f"UPDATE {table} SET label = 'support' WHERE id IN (3, 4)")
    assert database.column("SELECT count(*) FROM triage.decision GROUP BY batch_id") == [2, 2]
    assert database.column("SELECT id FROM mail WHERE label = 'support' ORDER BY 1") == [1, 2, 3, 4]
    database.run("SELECT triage.undo_batch(max(batch_id)) FROM triage.decision")
    assert database.column("SELECT id FROM mail WHERE label = 'support' ORDER BY 1") == [1, 2]
    assert database.value("SELECT count(*) FROM triage.review WHERE human_label IS NOT NULL") == 2


def test_statements_of_a_function_are_batches_of_their_own(named):
    database, table = named
    database.run(
        f"""DO $$ BEGIN
            UPDATE {table} SET label = 'support' WHERE id IN (1, 2);
            UPDATE mail SET label = 'support' WHERE id IN (11, 12);
            UPDATE {table} SET label = 'support' WHERE id IN (3, 4, 5);
        END $$"""
    )
    assert sorted(database.column("SELECT count(*) FROM triage.decision GROUP BY batch_id")) == [2, 2, 3]


def test_new_rows_are_labelled_and_a_mistake_is_announced(named):
    database, table = named
    session = database.connect(settings={"pg_triage.max_rows_per_correction": "5"})
    session.run(f"INSERT INTO {table} (id, year, body) SELECT n, 1, 'login ' || n FROM generate_series(30, 39) n")
    assert session.value("SELECT count(*) FROM mail WHERE label = 'support'") == 10
    assert session.notices == []
    session.run(f"UPDATE {table} SET label = 'support' WHERE year = 1")
    [notice] = session.notices
    assert "more than 5 emails in public.mail" in notice
    batch = notice.split("triage.undo_batch(")[1].split(")")[0]
    assert session.value("SELECT count(*) FROM triage.decision") == 10
    session.run(f"SELECT triage.undo_batch({batch})")
    assert session.value("SELECT count(*) FROM mail WHERE label = 'support'") == 10


@pytest.mark.parametrize("other", ["SELECT triage.rename_label('default', 'billing', 'money')"])
def test_a_change_of_labels_waits_for_a_statement_on_a_partition(named, other):
    database, table = named
    first, second = database.connect(), database.connect()
    first.run("BEGIN")
    first.run(f"UPDATE {table} SET label = 'support' WHERE id = 1")
    second.run("SET lock_timeout = '200ms'")
    with pytest.raises(Exception, match="lock timeout"):
        second.run(other)
    first.run("COMMIT")
    second.run(other)
    assert database.column("SELECT DISTINCT label FROM mail ORDER BY 1") == ["money", "support"]


@pytest.mark.parametrize(
    ("statement", "gone"),
    [
        ("TRUNCATE mail_1", 10),
        ("DROP TABLE mail_1", 10),
        ("ALTER TABLE mail DETACH PARTITION mail_1", 10),
        ("CREATE TABLE mail_3 PARTITION OF mail FOR VALUES IN (3)", 0),
        ("VACUUM FULL mail_1", 0),
    ],
)
def test_maintenance_notices_partitions_that_are_gone_or_empty(mail, statement, gone):
    assert swept(mail) == []
    mail.run(statement)
    assert swept(mail) == [f"{gone} emails were gone"]
    assert mail.value(QUEUE) == 20 - gone
    assert mail.value("SELECT count(*) FROM triage.mail_queue WHERE queue_reason IS NOT NULL") == 20 - gone
    assert swept(mail) == []


def test_a_partition_that_comes_back_has_its_reviews(mail):
    mail.run("UPDATE mail SET label = 'support' WHERE id = 1")
    mail.run("ALTER TABLE mail DETACH PARTITION mail_1")
    assert swept(mail) == ["9 emails were gone"]
    mail.run("ALTER TABLE mail ATTACH PARTITION mail_1 FOR VALUES IN (1)")
    assert swept(mail) == ["0 emails were gone"]
    assert mail.value(QUEUE) == 19
    mail.run("UPDATE mail_1 SET label = 'support' WHERE id = 2")
    assert mail.value("SELECT count(*) FROM triage.review WHERE human_label = 'support'") == 2


def test_labels_that_a_partition_got_while_it_was_away_are_announced(mail):
    mail.run("UPDATE mail SET label = 'support' WHERE id = 1")
    mail.run("ALTER TABLE mail DETACH PARTITION mail_1; UPDATE mail_1 SET label = 'billing' WHERE id = 1")
    assert swept(mail) == ["9 emails were gone"]
    mail.run("ALTER TABLE mail ATTACH PARTITION mail_1 FOR VALUES IN (1)")
    anna = mail.connect()
    found = anna.column("SELECT result FROM triage.maintain() WHERE task = 'sweep'")
    assert found == ["0 emails were gone; 1 rows have another label than their review says"]
    (warning,) = [notice for notice in anna.notices if "another label" in notice]
    anna.run(warning[warning.index("INSERT INTO") : warning.index(" makes decisions")])
    assert mail.value("SELECT human_label FROM triage.review WHERE human_label IS NOT NULL") == "billing"
