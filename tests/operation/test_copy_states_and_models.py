"""States and models in tables of the user's own go out and come back, as text and in binary, small
and large: the same bytes, or an error that says what is wrong with them."""

import pytest
from support.mails import MAILS
from support.sessions import refused

TYPES = {"email_model": ("pinned", "model"), "email_state": ("shard", "state")}
LARGE = 25 << 20


@pytest.fixture(scope="module")
def database(module_database):
    module_database.run("SELECT triage.load_sample()")
    module_database.run(
        f"CREATE TABLE shard AS SELECT label, collect_emails(body, label) AS state FROM {MAILS} GROUP BY label"
    )
    module_database.run(
        f"CREATE TABLE pinned AS SELECT 1 AS version, train_classifier(body, label) AS model FROM {MAILS}"
    )
    module_database.run("INSERT INTO shard VALUES ('none', NULL); INSERT INTO pinned VALUES (0, NULL)")
    return module_database


@pytest.mark.parametrize("type_name", TYPES)
def test_text_gives_the_same_bytes_back(database, type_name):
    table, column = TYPES[type_name]
    assert database.row(f"""
        SELECT bool_and({type_name}_send({column}::text::{type_name}) = {type_name}_send({column})), count({column}) > 0
          FROM {table}""") == (True, True)


@pytest.mark.parametrize("type_name", TYPES)
def test_binary_copy_gives_the_same_rows_back(database, tmp_path, type_name):
    table, column = TYPES[type_name]
    with (
        (tmp_path / table).open("wb") as file,
        database.session.cursor().copy(f"COPY {table} TO STDOUT (FORMAT binary)") as copy,
    ):
        for block in copy:
            file.write(block)
    database.run(f"CREATE TABLE {table}_copy (LIKE {table})")
    with database.session.cursor().copy(f"COPY {table}_copy FROM STDIN (FORMAT binary)") as copy:
        copy.write((tmp_path / table).read_bytes())
    rows = f"SELECT {type_name}_send({column}) FROM {{}} ORDER BY 1"
    assert len(database.rows(rows.format(table))) > 1
    assert database.rows(rows.format(f"{table}_copy")) == database.rows(rows.format(table))


def test_the_bytes_of_one_type_are_not_those_of_the_other(database):
    with refused("22P03"):
        database.run("SELECT state::text::email_model FROM shard")
    with refused("22P03"):
        database.run("SELECT model::text::email_state FROM pinned WHERE version = 1")


# ---- large values: read, checked and written in pieces of 16 MB; these take several -----------------


@pytest.fixture(scope="module")
def large(database):
    """Two lines a mail: the letters of one would say more than two words that were seen once."""
    database.run("""
        CREATE TABLE large AS
            SELECT collect_emails('word' || n || E'\\nother' || n, 'label ' || n % 3) AS state FROM generate_series(1, 450000) AS n;
        ALTER TABLE large ADD model email_model;
        UPDATE large SET model = fit_email_model(state)""")
    assert (
        database.value("SELECT least(length(email_state_send(state)), length(email_model_send(model))) FROM large")
        > LARGE
    )
    return database


@pytest.mark.parametrize("type_name", TYPES)
def test_large_values_go_through_text(large, type_name):
    column = TYPES[type_name][1]
    assert large.value(f"SELECT {type_name}_send({column}::text::{type_name}) = {type_name}_send({column}) FROM large")


def test_text_in_lines_is_read(large):
    assert large.value("SELECT encode(email_state_send(state), 'base64')::email_state::text = state::text FROM large")


@pytest.mark.parametrize(
    ("sqlstate", "text"),
    [
        ("22P03", "left(state::text, -4)"),
        ("22P02", "state::text || '='"),
        ("22P02", "left(state::text, 16777212) || 'AAA=' || state::text"),
    ],
)
def test_text_that_was_cut_or_lengthened_is_refused(large, sqlstate, text):
    with refused(sqlstate):
        large.run(f"SELECT ({text})::email_state FROM large")


def test_all_of_a_large_model_is_found(large):
    large.run("SELECT triage.create_classifier('large'); SELECT triage.deploy('large', model) FROM large")
    assert (
        large.value("""
        SELECT count(*) FROM (SELECT n FROM generate_series(1, 450000, 450) AS n) AS asked, large
         WHERE classify_email('word' || n || E'\\nother' || n, 'large') = 'label ' || n % 3
           AND classify_with(model, 'word' || n || E'\\nother' || n) = 'label ' || n % 3""")
        == 1000
    )
