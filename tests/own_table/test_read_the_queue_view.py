"""The queue view of a table, as a person sees it in a grid: what is needed to decide comes first, the
key is the table's own, long texts come last; what a client sends back as it was is accepted."""

import pytest
from support.mails import TWO_MAILS
from support.sessions import refused


@pytest.fixture
def ticket(database):
    """A table with a customer, a status and a long body."""
    database.run(f"SELECT triage.deploy('default', train_classifier(body, label)) FROM {TWO_MAILS}")
    database.run(
        """CREATE TABLE ticket (id bigint PRIMARY KEY, customer_id int, status text, price float8, sent timestamptz,
            extra jsonb, subject text, body text, category text);
        SELECT triage.attach('ticket', ARRAY['subject', 'body'], 'category',
            show => ARRAY['customer_id', 'status', 'price', 'sent', 'extra']);
        INSERT INTO ticket VALUES (7, 42, 'open', 0.1 + 0.2, '2026-01-05 10:00:00.123456+00', '{"a": [1, 2]}',
            'the invoice', E'Dear all,\\r\\n\\r\\n  the invoice\\tis wrong. ' || repeat('Please look. ', 50))"""
    )
    return database


def columns(database, view="ticket_queue"):
    return dict(
        database.rows(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = ('triage.' || %s)::regclass AND attnum > 0 ORDER BY attnum",
            view,
        )
    )


def test_what_is_needed_comes_first_and_long_text_last(ticket):
    found = columns(ticket)
    names = list(found)
    assert names[:8] == [
        "review_id", "id", "subject", "predicted_label", "confidence", "human_label", "note", "action",
    ]  # fmt: skip
    assert names[8:14] == ["body_excerpt", "customer_id", "status", "price", "sent", "extra"]
    assert names[-1] == "body"
    assert (found["id"], found["customer_id"], found["extra"]) == ("bigint", "integer", "jsonb")
    excerpt = ticket.value("SELECT body_excerpt FROM triage.ticket_queue")
    assert excerpt.startswith("Dear all, the invoice is wrong.") and len(excerpt) <= 200
    missing = ticket.column(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'triage.ticket_queue'::regclass AND attnum > 0"
        " AND col_description(attrelid, attnum) IS NULL"
    )
    assert not missing


def test_the_whole_row_can_be_sent_back(ticket):
    names = [name for name in columns(ticket) if name != "human_label"]
    assignments = ", ".join(f"{name} = q.{name}" for name in names)
    ticket.run(
        f"UPDATE triage.ticket_queue SET human_label = 'support', {assignments}"
        " FROM (SELECT * FROM triage.ticket_queue) q WHERE ticket_queue.review_id = q.review_id"
    )
    assert ticket.value("SELECT category FROM ticket") == "support"


@pytest.mark.parametrize(
    "change", ["customer_id = 1", "status = 'closed'", "id = 8", "body = 'x'", "body_excerpt = 'x'"]
)
def test_what_the_table_says_is_not_written_here(ticket, change):
    with refused("22023", change.split(" ")[0], "cannot be changed"):
        ticket.run(f"UPDATE triage.ticket_queue SET {change}")


def test_columns_that_are_called_like_ours_are_shown_with_a_prefix(database):
    database.run(f"SELECT triage.deploy('default', train_classifier(body, label)) FROM {TWO_MAILS}")
    database.run(
        """CREATE TABLE ticket (review_id int PRIMARY KEY, note text, source text, body_excerpt text, label text);
        SELECT triage.attach('ticket', ARRAY['note', 'body_excerpt'], 'label', show => ARRAY['source', 'note']);
        INSERT INTO ticket VALUES (5, 'the invoice', 'phone', 'it is overdue')"""
    )
    assert database.row(
        "SELECT email_review_id, email_note, email_source, email_body_excerpt, body_excerpt, note, label"
        " FROM triage.ticket_queue"
    ) == (5, "the invoice", "phone", "it is overdue", "it is overdue", None, "billing")
    database.run("UPDATE triage.ticket_queue SET human_label = 'support' WHERE email_review_id = 5")
    assert database.value("SELECT label FROM ticket") == "support"


def test_a_column_that_is_not_there_cannot_be_shown(database):
    database.run("CREATE TABLE ticket (id int PRIMARY KEY, body text, category text)")
    with refused("42703", '"customer"', "id, body, category"):
        database.run("SELECT triage.attach('ticket', ARRAY['body'], 'category', show => ARRAY['customer'])")


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "date"])
def test_mail_is_as_old_as_its_column_says(database, kind):
    database.run(f"SELECT triage.deploy('default', train_classifier(body, label)) FROM {TWO_MAILS}")
    database.run(
        f"""SET TimeZone = 'UTC'; CREATE TABLE ticket (id int PRIMARY KEY, sent {kind}, body text, category text);
        INSERT INTO ticket VALUES (1, '2020-01-05', 'the invoice', NULL), (2, '2020-01-06', 'invoice', 'billing');
        SELECT triage.attach('ticket', ARRAY['body'], 'category', received_at_column => 'sent');
        INSERT INTO ticket VALUES (3, '2021-01-05', 'the invoice'), (4, NULL, 'the invoice'),
            (5, 'infinity', 'the invoice');
        SELECT triage.classify_pending('ticket'); UPDATE ticket SET category = 'support' WHERE id = 2;
        ALTER TABLE ticket RENAME COLUMN sent TO received;
        INSERT INTO ticket VALUES (6, '2022-01-05', 'the invoice')"""
    )
    assert database.rows(
        "SELECT email_key, CASE WHEN received_at > now() - interval '1 hour' THEN 'now'"
        " ELSE to_char(received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') END FROM triage.review ORDER BY 1"
    ) == [
        ("1", "2020-01-05"), ("2", "2020-01-06"), ("3", "2021-01-05"), ("4", "now"), ("5", "now"),
        ("6", "2022-01-05"),
    ]  # fmt: skip


def test_a_part_of_the_key_may_say_when_mail_was_received(database):
    database.run(f"SELECT triage.deploy('default', train_classifier(body, label)) FROM {TWO_MAILS}")
    database.run(
        """CREATE TABLE ticket (id int, day date, body text, category text, PRIMARY KEY (id, day))
            PARTITION BY RANGE (day);
        CREATE TABLE ticket_1 PARTITION OF ticket FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
        SELECT triage.attach('ticket', ARRAY['body'], 'category', received_at_column => 'day');
        INSERT INTO ticket VALUES (1, '2020-05-05', 'the invoice')"""
    )
    assert database.value("SELECT received_at::date::text FROM triage.review") == "2020-05-05"
    with refused("22023", '"body"', "timestamp or date"):
        database.run(
            "SELECT triage.detach('ticket');"
            " SELECT triage.attach('ticket', ARRAY['body'], 'category', received_at_column => 'body')"
        )


@pytest.mark.parametrize("path", ["", "pg_catalog", '"$user", public'])
def test_tables_with_odd_names_in_any_schema(database, path):
    """Names with blanks, quotes and capitals, and of 63 bytes; nothing on the search path."""
    long = "x" * 56 + "_ticket"
    labels = {"Mail Box": "hr", "mail": "sales"}
    database.run(f"SELECT triage.deploy('default', train_classifier(body, label)) FROM {TWO_MAILS}")
    for label in labels.values():
        database.run(f"SELECT triage.add_label('default', '{label}')")
    for schema, table in (("Mail Box", 'Tick"et'), ("mail", long)):
        name = f'"{schema}"."{table.replace(chr(34), chr(34) * 2)}"'
        database.run(
            f"""SET search_path = public; CREATE SCHEMA "{schema}";
            CREATE TABLE {name} ("Id" int PRIMARY KEY, "Sub ject" text, "Bo'dy" text, "Cat ""egory" text)"""
        )
        literal = name.replace("'", "''")
        with database.connect() as session:
            session.run(f"SET search_path = {path or chr(39) * 2}")
            session.run(
                f"SELECT triage.attach('{literal}', ARRAY['Sub ject', 'Bo''dy'], 'Cat \"egory', show => ARRAY['Id'])"
            )
            session.run(f"INSERT INTO {name} VALUES (1, 'the invoice'), (2, 'my password')")
            view = session.value(
                "SELECT queue_view FROM triage.sources WHERE state = 'attached' AND source_id > 0"
                " ORDER BY source_id DESC LIMIT 1"
            )
            assert session.value(f'SELECT "Sub ject" FROM {view} WHERE "Id" = 1') == "the invoice"
            session.run(f'UPDATE {name} SET "Cat ""egory" = \'{labels[schema]}\' WHERE "Id" = 1')
            session.run(f"UPDATE {view} SET human_label = '{labels[schema]}' WHERE \"Id\" = 2")
            source = session.value("SELECT source FROM triage.sources WHERE queue_view = %s", view)
            decided = "SELECT human_label FROM triage.review WHERE source = %s"
            assert session.column(decided, source) == [labels[schema]] * 2
            session.run(f"SELECT triage.detach('{literal}')")
            assert session.value("SELECT triage.adopt(%s::regclass, %s)", name, source) == 2
            session.run(f"DELETE FROM {name}; SELECT triage.detach('{literal}')")
            assert session.value("SELECT count(*) FROM triage.review WHERE deleted_at IS NULL") == 0
