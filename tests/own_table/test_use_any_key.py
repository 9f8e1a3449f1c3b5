"""The key of a table is what it is: of any type, of several columns, whatever the session's settings are."""

import pytest
from support.mails import TWO_MAILS
from support.own_table import TEXTS, OwnTable
from support.sessions import refused

# Type and three values, as SQL.
KEYS = {
    "bigint": ("bigint", ["1", "9223372036854775807", "-5"]),
    "numeric": ("numeric(12, 2)", ["1", "2.50", "-3.25"]),
    "numeric without scale": ("numeric", ["1.0", "2.50", "10000000000000000000000"]),
    "date": ("date", ["'2026-01-05'", "'1999-12-31'", "'infinity'"]),
    "timestamp": ("timestamp", ["'2026-01-05 10:00'", "'2026-01-05 10:00:00.5'", "'0044-03-15 BC'"]),
    "timestamptz": ("timestamptz", ["'2026-01-05 10:00+00'", "'2026-07-05 10:00:00.123456+05:30'", "'1900-01-01Z'"]),
    "uuid": ("uuid", ["gen_random_uuid()", "gen_random_uuid()", "gen_random_uuid()"]),
    "char": ("char(6)", ["'a'", "'b b'", "' c'"]),
    "varchar": ("varchar(20)", ["'a'", "'it''s'", "'\"q\"'"]),
    "text": ("text", ["'a,b'", "'[1]'", "E'two\\nlines \\\\'"]),
    "domain": ("positive", ["1", "2", "3"]),
    "time": ("time", ["'10:00'", "'10:00:00.25'", "'23:59:59'"]),
}
SETTINGS = [
    "SET DateStyle = 'SQL, DMY'; SET TimeZone = 'Asia/Kolkata'",
    "SET DateStyle = 'German'; SET TimeZone = 'PST8PDT'",
]


def create(database, columns, key, values, rows):
    database.run("CREATE DOMAIN positive AS int CHECK (VALUE > 0)")
    database.run(f"SELECT triage.deploy('default', train_classifier(body, label)) FROM {TWO_MAILS}")
    database.run(f"CREATE TABLE ticket ({columns}, body text, category text, PRIMARY KEY ({key}))")
    database.run("SELECT triage.attach('ticket', ARRAY['body'], 'category')")
    for number, row in enumerate(rows):
        database.run(f"{SETTINGS[number % 2]}; INSERT INTO ticket ({key}, body) VALUES ({row}, 'the invoice')")


def check_doors(database, key, same):
    """Every row is found and decided about through each door, in sessions with other settings."""
    assert database.value("SELECT count(*) FROM triage.review") == 3
    anna = database.connect()
    anna.run(SETTINGS[1])
    assert anna.value("SELECT count(*) FROM triage.ticket_queue") == 3
    assert anna.value(f"SELECT count(*) FROM triage.ticket_queue q JOIN ticket t ON {same}") == 3
    database.run(f"{SETTINGS[0]}; UPDATE ticket SET category = 'support'")
    assert database.value("SELECT count(human_label) FROM triage.review") == 3
    anna.run("UPDATE triage.ticket_queue SET human_label = 'billing'")
    assert anna.value("SELECT count(*) FROM ticket WHERE category = 'billing'") == 3
    anna.run(f"INSERT INTO triage.ticket_queue ({key}, human_label) SELECT {key}, 'support' FROM ticket")
    assert database.value("SELECT count(*) FROM ticket WHERE category = 'support'") == 3
    assert database.value("SELECT count(*) FROM triage.review") == 3
    database.run("DELETE FROM ticket")
    assert database.value("SELECT count(*) FROM triage.review WHERE deleted_at IS NOT NULL") == 3


@pytest.mark.parametrize("name", KEYS)
def test_one_column(database, name):
    kind, values = KEYS[name]
    create(database, f"id {kind}", "id", values, values)
    check_doors(database, "id", "q.id = t.id")


@pytest.mark.parametrize("other", ["date", "timestamptz", "text", "uuid", "numeric"])
def test_two_columns(database, other):
    kind, values = KEYS[other]
    rows = [f"{number}, {value}" for number, value in zip((1, 1, 2), values, strict=True)]
    create(database, f"id bigint, part {kind}", "id, part", values, rows)
    check_doors(database, "id, part", "q.id = t.id AND q.part = t.part")


@pytest.mark.parametrize(
    ("columns", "key", "condition"),
    [
        ("id int", "id", "id = 500"),
        ("id uuid", "id", "id = (SELECT id FROM ticket LIMIT 1)"),
        ("id text", "id", "id = '500'"),
        ("id timestamptz", "id", "id = timestamptz '2026-01-01' + interval '500 minutes'"),
        ("id bigint, day date", "id, day", "id = 500 AND day = '2026-01-01'"),
    ],
)
def test_the_queue_is_asked_for_one_key_through_indexes(database, columns, key, condition):
    database.run(f"SELECT triage.deploy('default', train_classifier(body, label)) FROM {TWO_MAILS}")
    database.run(f"CREATE TABLE ticket ({columns}, body text, category text, PRIMARY KEY ({key}))")
    database.run("SELECT triage.attach('ticket', ARRAY['body'], 'category')")
    value = {
        "id int": "n",
        "id uuid": "gen_random_uuid()",
        "id text": "n::text",
        "id timestamptz": "timestamptz '2026-01-01' + n * interval '1 minute'",
    }.get(columns, "n, '2026-01-01'")
    database.run(f"INSERT INTO ticket ({key}, body) SELECT {value}, 'the invoice' FROM generate_series(1, 5000) n")
    database.run("ANALYZE ticket; ANALYZE triage.review")
    query = f"SELECT review_id FROM triage.ticket_queue WHERE {condition}"
    assert len(database.rows(query)) == 1
    plan = database.explain(query)
    assert "review_email" in plan and "ticket_pkey" in plan, plan
    assert "Seq Scan on review" not in plan, plan


@pytest.mark.parametrize(("given", "missing"), [("id", "part"), ("part", "id")])
def test_a_part_of_the_key_that_is_missing_is_named(database, given, missing):
    create(database, "id int, part int", "id, part", None, ["1, 1", "1, 2"])
    with refused("23502", f"{missing} is missing", "public.ticket"):
        database.run(f"INSERT INTO triage.ticket_queue ({given}, human_label) VALUES (1, 'support')")


@pytest.mark.parametrize("columns", ["id bigint UNIQUE", "id bigint UNIQUE, other int PRIMARY KEY DEFAULT 1"])
def test_a_row_without_a_key_is_left_alone_and_said_so(database, columns):
    session = database.connect()
    database.run(f"SELECT triage.deploy('default', train_classifier(body, label)) FROM {TWO_MAILS}")
    database.run(f"CREATE TABLE ticket ({columns}, body text, category text)")
    session.run("SELECT triage.attach('ticket', ARRAY['body'], 'category', key_column => 'id')")
    assert [notice for notice in session.notices if "key (id) is null" in notice and "NOT NULL" in notice]
    session.notices.clear()
    session.run("INSERT INTO ticket (id, body) VALUES (NULL, 'the invoice')")
    assert len(session.notices) == 1 and "whose key is null" in session.notices[0]
    assert database.row("SELECT id, category FROM ticket") == (None, None)
    session.notices.clear()
    session.run("UPDATE ticket SET category = 'support'")
    assert len(session.notices) == 1 and "whose key is null" in session.notices[0]
    assert database.value("SELECT count(*) FROM triage.review") == 0
    session.run("UPDATE ticket SET category = NULL; UPDATE ticket SET id = 7")
    assert session.value("SELECT triage.classify_pending('ticket')") == 1
    assert database.value("SELECT predicted_label FROM triage.review WHERE email_key = '7'") == "billing"


def test_many_rows_without_a_key_are_one_warning(database):
    table = OwnTable(database, "id bigint UNIQUE, body text, category text", attach="key_column => 'id'")
    session = database.connect()
    session.run(f"INSERT INTO ticket SELECT NULL, '{TEXTS['billing']}' FROM generate_series(1, 50)")
    assert len(session.notices) == 1
    table.new(1, session=session)
    assert table.label(1) == "billing"


@pytest.mark.parametrize("not_null", [True, False])
def test_attach_warns_of_a_key_that_may_be_null_alone(database, not_null):
    session = database.connect()
    session.run(f"CREATE TABLE ticket (id int UNIQUE {'NOT NULL' if not_null else ''}, body text, category text)")
    session.run("SELECT triage.attach('ticket', ARRAY['body'], 'category', key_column => 'id')")
    assert len([notice for notice in session.notices if "is null" in notice]) == (not not_null)


@pytest.mark.parametrize(
    ("key", "words"), [("body", "is not unique"), ("subject", "is used twice")], ids=["not unique", "unique"]
)
def test_a_text_column_as_the_key(database, key, words):
    database.run("CREATE TABLE ticket (id int, subject text UNIQUE, body text, category text)")
    with refused("22023", f'"{key}"', words):
        database.run(f"SELECT triage.attach('ticket', ARRAY['subject', 'body'], 'category', key_column => '{key}')")


PARTITIONED = """CREATE TABLE ticket (id int PRIMARY KEY, body text, category text) PARTITION BY RANGE (id);
    CREATE TABLE low PARTITION OF ticket FOR VALUES FROM (0) TO (10) PARTITION BY RANGE (id);
    CREATE TABLE lowest PARTITION OF low FOR VALUES FROM (0) TO (5);
    CREATE TABLE high PARTITION OF ticket FOR VALUES FROM (10) TO (20)"""


@pytest.mark.parametrize(
    ("first", "second"), [("ticket", "low"), ("low", "ticket"), ("ticket", "lowest"), ("lowest", "ticket")]
)
def test_a_partition_and_what_it_is_part_of_are_not_both_attached(database, first, second):
    database.run(PARTITIONED)
    database.run(f"SELECT triage.attach('{first}', ARRAY['body'], 'category')")
    with refused("55000", f"{second} has rows of table public.{first}", f"triage.detach('public.{first}')"):
        database.run(f"SELECT triage.attach('{second}', ARRAY['body'], 'category')")
    database.run(f"SELECT triage.detach('{first}'); SELECT triage.attach('{second}', ARRAY['body'], 'category')")


def test_partitions_beside_each_other_are(database):
    database.run(PARTITIONED)
    for name in ("lowest", "high"):
        database.run(f"SELECT triage.attach('{name}', ARRAY['body'], 'category')")
