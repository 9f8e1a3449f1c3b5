"""A table that is attached becomes a partition of another one, or a parent of others: each row is
labelled through one table only, and it is said what to do."""

import pytest

TABLE = "(id int, year int, body text, label text, PRIMARY KEY (id, year))"


@pytest.fixture
def mail(database):
    """A partitioned table, and another one that is attached and has two rows, one of them decided."""
    database.run(
        f"""CREATE TABLE mail {TABLE} PARTITION BY LIST (year);
        CREATE TABLE mail_1 PARTITION OF mail FOR VALUES IN (1);
        CREATE TABLE old {TABLE};
        SELECT triage.deploy('default', train_classifier(body, label))
           FROM (VALUES ('invoice refund', 'billing'), ('password login', 'support')) AS mail (body, label);
        SELECT triage.attach('old', ARRAY['body'], 'label');
        INSERT INTO old VALUES (1, 2, 'invoice'), (2, 2, 'invoice');
        UPDATE old SET label = 'support' WHERE id = 1"""
    )
    return database


def become_partition(database):
    database.run("ALTER TABLE mail ATTACH PARTITION old FOR VALUES IN (2)")


def source(database, name="public.old"):
    return database.row("SELECT state, what_to_do FROM triage.sources WHERE source = %s", name)


def learned_once(database):
    assert database.value("SELECT count(*) FROM triage.decision WHERE kind <> 'undo'") == database.value(
        "SELECT count(*) FROM triage.review WHERE human_label IS NOT NULL"
    )
    assert database.value("SELECT triage.learned_state('default')::text = triage.replayed_state('default')::text")


def use(session, table):
    """New rows, a decision, a deletion."""
    session.run(f"INSERT INTO {table} VALUES (3, 2, 'password'), (4, 2, 'password')")
    session.run(f"UPDATE {table} SET label = 'billing' WHERE id = 3")
    session.run(f"DELETE FROM {table} WHERE id = 4")


@pytest.mark.parametrize("table", ["mail", "old"])
def test_a_partition_that_is_attached_keeps_its_attachment(mail, table):
    become_partition(mail)
    state, what_to_do = source(mail)
    assert state == "broken" and what_to_do.startswith("SELECT triage.detach('public.old')")
    mail.run("SELECT triage.detach('old'); SELECT triage.attach('old', ARRAY['body'], 'label')")
    assert source(mail) == ("attached", "nothing")
    use(mail, table)
    assert mail.rows("SELECT email_key, human_label, deleted_at IS NOT NULL FROM triage.review ORDER BY 1") == [
        ('["1","2"]', "support", False),
        ('["2","2"]', None, False),
        ('["3","2"]', "billing", False),
        ('["4","2"]', None, True),
    ]
    learned_once(mail)


@pytest.mark.parametrize("table", ["mail", "old"])
def test_where_both_are_attached_each_row_is_labelled_once(mail, table):
    mail.run("SELECT triage.attach('mail', ARRAY['body'], 'label')")
    become_partition(mail)
    session = mail.connect()
    use(session, table)
    [notice] = session.notices
    assert "labelled through public.old alone" in notice and "triage.detach('public.old')" in notice
    assert session.column("SELECT DISTINCT source FROM triage.review") == ["public.old"]
    assert session.rows("SELECT id, label FROM mail ORDER BY id") == [(1, "support"), (2, "billing"), (3, "billing")]
    learned_once(session)
    # Other partitions are as before.
    session.run("INSERT INTO mail VALUES (1, 1, 'password')")
    assert session.value("SELECT count(predicted_label) FROM triage.review WHERE source = 'public.mail'") == 1
    # What it says to do mends it.
    state, what_to_do = source(mail)
    assert state == "broken" and "labelled through public.mail" in what_to_do
    session.run("SELECT triage.detach('old')")
    session.run(f"INSERT INTO {table} VALUES (5, 2, 'invoice', 'sales')")
    session.run(f"UPDATE {table} SET label = 'support' WHERE id = 5")
    assert session.value(
        "SELECT human_label FROM triage.review WHERE source = 'public.mail' AND email_key = '[\"5\",\"2\"]'"
    ) == ("support")
    learned_once(session)


def test_attachments_for_other_labels_go_on_side_by_side(mail):
    mail.run(
        """ALTER TABLE mail ADD urgency text; ALTER TABLE old ADD urgency text;
        SELECT triage.create_classifier('urgency');
        SELECT triage.add_label('urgency', label) FROM unnest(ARRAY['high', 'low']) label;
        SELECT triage.attach('mail', ARRAY['body'], 'urgency', classifier => 'urgency')"""
    )
    become_partition(mail)
    mail.run(
        "INSERT INTO mail VALUES (3, 2, 'password'); UPDATE old SET urgency = 'high', label = 'billing' WHERE id = 3"
    )
    assert mail.rows(
        'SELECT source, classifier, new_label FROM triage.decision WHERE email_key = \'["3","2"]\' ORDER BY 1'
    ) == [
        ("public.mail", "urgency", "high"),
        ("public.old", "default", "billing"),
    ]


@pytest.mark.parametrize("own", [True, False])
def test_rows_of_a_child_are_its_own(mail, own):
    mail.run("CREATE TABLE child () INHERITS (old); ALTER TABLE child ADD PRIMARY KEY (id, year)")
    assert "attach each of them" in source(mail)[1]
    if own:
        mail.run("SELECT triage.attach('child', ARRAY['body'], 'label')")
    session = mail.connect()
    # The key is one that the parent has, too.
    session.run("INSERT INTO child VALUES (2, 2, 'password'), (7, 2, 'password')")
    session.run("UPDATE child SET label = 'support' WHERE id = 7")
    assert session.value("SELECT triage.classify_pending('old')") == 0
    session.run("UPDATE triage.old_queue SET human_label = 'support' WHERE id = 2")
    assert session.value("SELECT count(*) FROM triage.old_queue") == 2
    assert session.rows("SELECT id, label FROM child ORDER BY 1") == [(2, "support" if own else None), (7, "support")]
    assert session.rows("SELECT id, label FROM ONLY old ORDER BY 1") == [(1, "support"), (2, "support")]
    session.run("DELETE FROM child WHERE id = 2")
    assert session.value("SELECT count(*) FROM triage.review WHERE source = 'public.old' AND deleted_at IS NULL") == 2
    assert session.notices == []
    session.run("INSERT INTO old VALUES (8, 2, 'password')")
    assert ["inherit from public.old are not labelled" in notice for notice in session.notices] == [True]
    learned_once(session)
