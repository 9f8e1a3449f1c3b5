"""What a client is told when something goes wrong, on a server that was started with RUST_BACKTRACE=1
in its environment: PostgreSQL's own words, and nothing about the inside of the library."""

import psycopg
import pytest
from support.server import Database, Server, new_server
from support.sessions import Session, error_of
from support.system import as_server_user, bindir

# Of the library, called with an argument fewer than its code expects: there is no other way to make
# it panic than a mistake in the SQL that declares it.
PANIC = """CREATE FUNCTION one_argument(text) RETURNS text
    LANGUAGE c AS '$libdir/pg_triage', 'classify_email_wrapper'"""

# How an error comes about, the statement, its SQLSTATE, words of its message.
ERRORS = {
    "said by a function": ("SELECT classify_email('hello', 'spma')", "42704", 'classifier "spma" does not exist'),
    "said by another function": ("SELECT triage.correct(999999, 'billing')", "P0002 42704 22023", "999999"),
    "said by a trigger": ("UPDATE ticket SET category = 'biling' WHERE id = 1", "23503", 'label "biling"'),
    "of a type": ("SELECT 'nonsense'::email_model", "22P02 22P03", ""),
    "of a query that a function runs": (
        "SELECT triage.learn_from('default', 'broken', ARRAY['body'], 'label')",
        "22012",
        "division by zero",
    ),
    "of a server's function": (
        "SELECT triage.attach('ticket', ARRAY['nothing'], 'category', 'id')",
        "42703",
        "nothing",
    ),
    "of a trigger of the user's": ("DELETE FROM ticket", "P0001", "tickets are kept"),
    "a timeout": (
        "SET statement_timeout = 20; SELECT count(classify_email(repeat('a b c ', 1000))) FROM generate_series(1, 100000)",
        "57014",
        "statement timeout",
    ),
    "a panic": ("SELECT one_argument('hello')", "XX000", "argument failed"),
}
TRACES = ("backtrace", "std::panic", "pgrx", "/rustc/", ".rs:")


@pytest.fixture(scope="module")
def server_with_backtraces():
    with new_server("backtraces", "pg_triage.audit_rate=0") as server:
        server.stop()
        as_server_user(
            "env", "RUST_BACKTRACE=1", "RUST_LIB_BACKTRACE=1",
            f"{bindir()}/pg_ctl", "start", "-w", "-s", "-D", server.data, "-l", server.log,
            "-o", f"-c listen_addresses='' -c unix_socket_directories='{server.host}' -c port={server.port} -c fsync=off",
        )  # fmt: skip
        yield server


@pytest.fixture(scope="module")
def tickets(server_with_backtraces: Server):
    with server_with_backtraces.database() as database:
        database.run("""
            SELECT triage.add_label('default', 'billing');
            CREATE TABLE ticket (id bigint PRIMARY KEY, body text, category text);
            SELECT triage.attach('ticket', ARRAY['body'], 'category', 'id');
            INSERT INTO ticket (id, body) VALUES (1, 'hello'), (2, 'invoice');
            CREATE VIEW broken AS SELECT 'hello' || 1 / (id - 1) AS body, 'billing' AS label FROM ticket;
            CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql
                AS $$ BEGIN RAISE 'tickets are kept'; END $$;
            CREATE TRIGGER keep BEFORE DELETE ON ticket FOR EACH ROW EXECUTE FUNCTION keep();
        """)
        database.run(PANIC)
        yield database


def told(error: psycopg.Error) -> str:
    """All that a client can show of it."""
    diag = error.diag
    parts = (diag.message_primary, diag.message_detail, diag.message_hint, diag.context)
    return "\n".join(part for part in parts if part)


@pytest.fixture
def session(tickets: Database):
    with tickets.connect() as session:
        yield session


def test_the_environment_has_arrived(server_with_backtraces: Server):
    pid = (server_with_backtraces.data / "postmaster.pid").read_text().split()[0]
    assert "RUST_BACKTRACE=1" in as_server_user("cat", f"/proc/{pid}/environ").split("\0")


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_is_told_without_a_backtrace(session: Session, kind: str):
    sql, sqlstates, words = ERRORS[kind]
    error = error_of(session, sql)
    assert error is not None
    assert error.sqlstate in sqlstates.split(), told(error)
    assert words in error.diag.message_primary
    assert not error.diag.message_detail or "\n" not in error.diag.message_detail
    assert not [trace for trace in TRACES if trace in told(error)], told(error)


def test_a_panic_is_in_the_log_with_its_place(session: Session, server_with_backtraces: Server):
    pid = session.pid
    assert error_of(session, "SELECT one_argument('hello')") is not None
    log = server_with_backtraces.log_text()
    assert "panicked at src/" in log
    assert "stack backtrace:" in log
    assert session.value("SELECT pg_backend_pid()") == pid, "the session goes on"


def test_an_error_is_in_the_log_without_a_backtrace(session: Session, server_with_backtraces: Server):
    before = len(server_with_backtraces.log_text())
    assert error_of(session, "SELECT classify_email('hello', 'spma')") is not None
    log = server_with_backtraces.log_text()[before:]
    assert 'classifier "spma" does not exist' in log
    assert "backtrace" not in log
