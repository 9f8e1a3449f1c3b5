"""How to write a test.

    from support.sessions import refused

    def test_a_correction_counts_in_the_next_statement(database):
        database.run("SELECT triage.create_classifier('spam')")
        assert database.value("SELECT classify_email('x', 'spam')") is None
        with refused("42704", 'did you mean "spam"?'):
            database.run("SELECT classify_email('x', 'spma')")

`database` is a new database with the extension, `module_database` one that the tests of a file
share (for a state that is dear to make: a module-scoped fixture of yours prepares it). Both ask as
the superuser in one session: `run`, `value`, `row`, `rows`, `column`, `explain`. More people and
sessions:

    database.role("anna", "triage_reviewer")             a login role, dropped afterwards
    anna = database.connect("anna", settings={"pg_triage.actor": "web"})
    anna.value(...), anna.notices, anna.pid              closed afterwards
    database.psql("\\copy ...", "anna").stdout            psql, where it is the client under test
    database.psql_session("anna").ask("SELECT 1;")       a psql that stays connected
    database.environment("anna")                         PGHOST, ... for other client programs

All databases are in one server (`server`). A test that stops, crashes or configures a server makes
its own: `new_cluster("crash", "wal_level=logical")`, or `new_server(...)` of support/server.py in a
module-scoped fixture; `with server.database() as database:` gives databases in it.

Nothing of the caller's environment reaches a test: see `clean_environment`. Each test has the time
limit of pytest.ini, `@pytest.mark.timeout(...)` another one. Marks: `long` is the second tier
(`make test-long`), `corpora("file", ...)` skips where ../shared/corpora ($PG_TRIAGE_CORPORA) does not
have these. `PG_TRIAGE_TEST_SERVER=NAME` uses a server of scripts/cluster that is running already, and
leaves it running; otherwise pytest starts one and removes it. With pytest-xdist each worker has its own.

Beside this file: support/server.py (servers, databases), sessions.py (psycopg, `refused`), psql.py,
mails.py (training sets, raw messages, code in docs/), waiting.py (`wait_for`, `timed`), processor.py (what a
session takes of a processor), system.py
(folders, ports, other users).
"""

import contextlib
import os

import pytest

pytest.register_assert_rewrite("support")

from support import system  # noqa: E402
from support.server import Bystander, Database, Server, new_server  # noqa: E402

system.clean_environment()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips a test whose corpora are not there."""
    for mark in item.iter_markers("corpora"):
        missing = [name for name in mark.args or [""] if not (system.CORPORA / name).exists()]
        if missing:
            pytest.skip(f"no {', '.join(missing)} in {system.CORPORA}".replace("no  in", "no folder"))


@pytest.fixture(scope="session")
def server():
    """The server that all tests share. Examples and tests say themselves when something is drawn
    at random, hence no audit sample."""
    name = os.environ.get("PG_TRIAGE_TEST_SERVER", "test")
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    server = Server(f"{name}_{worker}" if worker else name, "pg_triage.audit_rate=0")
    if server.is_running():
        server.make_template()
        yield server
        server.run(f"DROP DATABASE {server.template}")
        return
    server.remove()
    try:
        server.start()
        server.make_template()
        yield server
    finally:
        server.remove()


@pytest.fixture
def database(server: Server):
    """A new database with the extension, dropped after the test."""
    with server.database() as database:
        yield database


@pytest.fixture(scope="module")
def module_database(server: Server):
    """A new database with the extension that the tests of a file share."""
    with server.database() as database:
        yield database


@pytest.fixture
def empty_database(server: Server):
    """A new database without the extension."""
    with server.database(extension=False) as database:
        yield database


@pytest.fixture
def new_cluster():
    """Makes servers: `new_cluster(name, "setting=value", ...)`, removed after the test."""
    with contextlib.ExitStack() as servers:
        yield lambda name, *settings: servers.enter_context(new_server(name, *settings))


@pytest.fixture
def bystander(database: Database):
    """A session that does nothing; the test fails if a crash of another one ended it."""
    bystander = Bystander(database)
    yield bystander
    bystander.check()
