"""Where memory is short, a statement fails and nothing else: a Rust allocation that fails would end
the server, so none may be of a size that the input decides without a check."""

import contextlib
import re
import resource
from pathlib import Path

import psycopg
import pytest
from support.server import Bystander, new_server
from support.sessions import error_of
from support.system import as_server_user

ADDRESS_SPACE = 950_000_000
MEGABYTE = 1_000_000

# With an argument of some hundred megabytes, each takes more than there is, or nearly.
STATEMENTS = {
    "classify_email, body": "SELECT classify_email(repeat('hello ', n / 6)) FROM size",
    "classify_with, body": "SELECT classify_with(model, repeat('hello ', n / 6)) FROM triage_internal.model, size",
    "classify_email, name": "SELECT classify_email('x', repeat('hello ', n / 6)) FROM size",
    "email_tokens": "SELECT count(*) FROM size, email_tokens(repeat('hello ', n / 6))",
    "explain_email": "SELECT count(*) FROM size, explain_email(repeat('hello ', n / 6))",
    "explain_email, label": "SELECT count(*) FROM size, explain_email('x', repeat('hello ', n / 6))",
    "train, body": "SELECT train_classifier(repeat('hello ', n / 6), 'x') IS NULL FROM size",
    "train, label": "SELECT train_classifier('x', repeat('hello ', n / 6)) FROM size",
    "deploy, note": "SELECT triage.deploy('default', model, true, repeat('hello ', n / 6)) FROM triage_internal.model, size",
    "add_label": "SELECT triage.add_label('default', repeat('hello ', n / 6)) FROM size",
    "add_label, description": "SELECT triage.add_label('default', 'new', repeat('hello ', n / 6)) FROM size",
    "parse_email": "SELECT count(*) FROM size, parse_email(convert_to(repeat('hello ', n / 6), 'UTF8'))",
    "ingest": "SELECT triage.ingest(convert_to(repeat('hello ', n / 6), 'UTF8')) > 0 FROM size",
    "a model in text form": "SELECT repeat('AAAA', n / 4)::email_model FROM size",
    "a model in lines": "SELECT repeat(E'AAA\\n', n / 4)::email_model FROM size",
}
# Words of three characters, hardly one twice: what makes a text take the most.
WORDS = "(SELECT string_agg(substr(md5(n::text), 1, 3) || ' ' || substr(md5(n::text), 7, 2), ' ') AS body FROM generate_series(1, 150000) AS n) AS mail"
# The same as HTML, and in pieces.
MESSAGE = r"convert_to(E'Content-Type: text/html\n\n' || replace(body, ' ', '<b>&amp;</b> '), 'UTF8')"
PARTS = r"""convert_to(E'Content-Type: multipart/mixed; boundary=b\n' || repeat(E'\n--b\nContent-Disposition: attachment; filename=a\n\nx', 100000), 'UTF8')"""
# Messages in a message, each with as many fields as are read.
FIELDS = r"""convert_to(E'Content-Type: multipart/digest; boundary=b\n' || repeat(E'To:\n', 60000) || repeat(E'\n--b\n\n' || repeat(E'To:\n', 60000) || E'\nx', 100), 'UTF8')"""
# Run with this much left to a session, in MB.
LEFT = 4, 8, 12, 16, 24, 32, 40, 50, 65, 80, 100, 130, 170, 220, 300, 450, 700, 1200, 2000
SOME_LEFT = 4, 16, 50, 170, 2000
NEAR = {
    "classify_email": f"SELECT classify_email(body) FROM {WORDS}",
    "classify_with": f"SELECT classify_with(model, body) FROM triage_internal.model, {WORDS}",
    "email_tokens": f"SELECT count(*) FROM {WORDS}, email_tokens(body)",
    "explain_email": f"SELECT count(*) FROM {WORDS}, explain_email(body, top => 1000)",
    "train_classifier": f"SELECT train_classifier(body, 'x') IS NULL FROM {WORDS}",
    "fit, few labels": "SELECT fit_email_model(state) IS NULL FROM state WHERE labels = 2",
    "fit, many labels": "SELECT fit_email_model(state) IS NULL FROM state WHERE labels = 1000",
    "text to model": "SELECT (model::text)::email_model IS NULL FROM triage_internal.model",
    # Without memory the row stays without a label, which is an answer, too.
    "insert": f"INSERT INTO triage.email (body) SELECT body FROM {WORDS} RETURNING coalesce(label, 'pending')",
    "parse_email": f"SELECT count(*) FROM {WORDS}, parse_email({MESSAGE})",
    "parse_email, parts": f"SELECT count(*) FROM parse_email({PARTS})",
    "parse_email, fields": f"SELECT count(*) FROM parse_email({FIELDS})",
    "classify_email, raw": f"SELECT classify_email({MESSAGE}) FROM {WORDS}",
    "ingest": f"BEGIN ; SELECT triage.ingest({MESSAGE}) > 0 FROM {WORDS} ; ROLLBACK",
    "correct": "SELECT triage.correct(review_id, (ARRAY['hr', 'sales'])[1 + (random() < .5)::int]) IS NOT NULL FROM large",
    "own label column": "UPDATE triage.email SET label = (ARRAY['hr', 'sales'])[1 + (random() < .5)::int] WHERE email_id IN (SELECT email_key::bigint FROM large) RETURNING 'done'",
    "catching up with decisions": "SELECT classify_email('hello')",
    "learned_state": "SELECT triage.learned_state('default') IS NULL",
    "suspect_labels": "SELECT count(*) >= 0 FROM triage.suspect_labels WHERE classifier = 'default'",
    "compact": "BEGIN ; SELECT triage.compact('default') > 0 ; ROLLBACK",
    "retrain": "BEGIN ; SELECT triage.retrain('default') > 0 ; ROLLBACK",
    "learn_from": "BEGIN ; SELECT triage.learn_from('history', 'history', ARRAY['body'], 'label') > 0 ; ROLLBACK",
}
STATES = """
    CREATE TABLE state AS
        SELECT labels, collect_emails(md5(n::text) || ' ' || md5((n % 50)::text) || ' ' || md5((-n)::text), 'l' || n % labels) AS state
          FROM generate_series(1, 6000) AS n, (VALUES (2), (1000)) AS l (labels) GROUP BY labels"""
# Decisions about emails of some thousand features each, none of them compacted.
DECISIONS = f"""
    CREATE TABLE history (id int PRIMARY KEY, body text, label text);
    INSERT INTO history SELECT j, string_agg(substr(md5(i || '-' || j), 1, 6), ' '), 'l' || j % 7
      FROM generate_series(1, 100) AS j, generate_series(1, 3000) AS i GROUP BY j;
    INSERT INTO triage.email (body) SELECT body FROM history;
    INSERT INTO triage.email (body) SELECT body FROM {WORDS};
    CREATE VIEW large AS SELECT * FROM triage.review ORDER BY review_id DESC LIMIT 1;
    ALTER ROLE CURRENT_USER SET pg_triage.compact_after = 0;
    SET pg_triage.compact_after = 0;
    SELECT triage.correct_many(string_agg(review_id::text, ','), (ARRAY['hr', 'sales'])[1 + review_id % 2]) FROM triage.review GROUP BY review_id % 2;
    SELECT triage.create_classifier('history');
"""
GROWING = {
    "many features": """SELECT train_classifier(body, 'x') FROM (
                         SELECT string_agg(md5(i || '-' || j), ' ') AS body
                           FROM generate_series(1, 5000) AS j, generate_series(1, 3000) AS i GROUP BY j) AS mail""",
    "many emails": "SELECT train_classifier(md5(i::text) || ' ' || md5((-i)::text), 'l' || i % 3) FROM generate_series(1, 20000000) AS i",
    "long labels": "SELECT train_classifier('x', n || repeat(' text', 350)) FROM generate_series(1, 60000) AS n",
    "spellings": "SELECT train_classifier('x', n || repeat(' text', 350)) FROM generate_series(1, 200000) AS n",
}
# Answers; our own limits; and what is refused for what it is.
GOOD_ENDS = {None, "53200", "53400", "54000", "22001", "22P02", "22P03", "42704"}


@pytest.fixture(scope="module")
def database():
    """In a server that was started with so much address space for each process."""
    with contextlib.ExitStack() as servers:
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, resource.RLIM_INFINITY))
        try:
            server = servers.enter_context(new_server("low_memory"))
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        database = servers.enter_context(server.database("low_memory"))
        database.run("SELECT triage.load_sample()")
        database.run("SELECT triage.deploy('default', train_classifier(body, label)) FROM triage.email")
        database.run("CREATE TABLE size (n integer); INSERT INTO size VALUES (1)")
        yield database


@pytest.fixture(scope="module")
def crowded(database):
    """With states, and with decisions about large emails."""
    database.run(STATES)
    for statement in DECISIONS.split(";\n"):
        if statement.strip():
            database.run(statement)
    return database


@pytest.fixture(autouse=True)
def bystander(database):
    """The server never restarts, and no other session notices anything."""
    bystander = Bystander(database)
    yield bystander
    bystander.check()
    bystander.session.close()


def how_it_ends(database, statement):
    """The SQLSTATE; the connection is still there afterwards."""
    with database.connect() as session:
        error = error_of(session, statement)
        assert session.value("SELECT 1") == 1
    return error and error.sqlstate


@pytest.mark.parametrize("megabytes", [*(pytest.param(n, marks=pytest.mark.long) for n in (150, 250, 350)), 450])
@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_large_argument_ends_with_an_answer_or_an_error(database, statement, megabytes):
    database.run(f"UPDATE size SET n = {megabytes * MEGABYTE}")
    assert how_it_ends(database, STATEMENTS[statement]) in GOOD_ENDS


@pytest.mark.long
@pytest.mark.parametrize("statement", GROWING)
def test_what_grows_row_by_row_ends_with_an_answer_or_an_error(database, statement):
    assert how_it_ends(database, GROWING[statement]) in GOOD_ENDS


@pytest.mark.parametrize("statement", GROWING)
def test_what_grows_row_by_row_ends_where_little_is_left(database, statement):
    # Labels have limits of their own, features and emails have not.
    wanted = {"53200"} if statement.startswith("many") else {"works", "53200", "53400", "54000"}
    assert with_left(database, 60, GROWING[statement]) in wanted


@pytest.mark.parametrize(
    "left", [pytest.param(SOME_LEFT, id="some sizes"), pytest.param(LEFT, id="all sizes", marks=pytest.mark.long)]
)
@pytest.mark.parametrize("statement", NEAR)
def test_with_little_memory_left_it_works_or_says_that_memory_is_short(crowded, statement, left):
    ends = {megabytes: with_left(crowded, megabytes, NEAR[statement]) for megabytes in left}
    assert ends[max(left)] == "works", ends
    assert set(ends.values()) == {"works", "53200"}, ends


def with_left(database, megabytes, statement):
    """How it ends where a session has this much left: it works, a SQLSTATE, or the session ended."""
    session = database.connect(settings={"jit": "off"})
    session.run("SELECT count(*) FROM email_tokens('x')")
    status = Path(f"/proc/{session.pid}/status").read_text()
    size = int(re.search(r"VmSize:\s+(\d+) kB", status)[1]) * 1024
    as_server_user("prlimit", f"--pid={session.pid}", f"--as={size + megabytes * MEGABYTE}:")
    ends = "works"
    for part in statement.split(" ; "):
        try:
            assert session.run(part).rowcount != 0, "nothing was done"
        except psycopg.Error as error:
            if session.closed:
                return "ended"
            # What follows fails for being in a transaction that has failed.
            ends = error.sqlstate if ends == "works" else ends
    session.close()
    return ends
