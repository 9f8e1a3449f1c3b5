"""The key of a table is what it is: of any type, of several columns, whatever the session's settings are."""

import pytest
from support.mails import TWO_MAILS

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
