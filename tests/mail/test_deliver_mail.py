"""A mail server hands each message to scripts/deliver_mail: exit code 0 if and only if the message
is committed, 64 for a wrong command line, 75 for everything else, so that the mail server keeps
what it could not hand over."""

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess

import pytest
from support.mails import deploy_demo_model, message
from support.server import new_server
from support.system import PROJECT, folder, output
from support.waiting import timed, wait_for

PROGRAM = str(PROJECT / "scripts/deliver_mail")
DONE, WRONG_USAGE, TRY_AGAIN = 0, 64, 75

ROLE = "pt_deliver"


@pytest.fixture(scope="module")
def admin():
    """A database in a server that can be stopped; raw messages are kept in it."""
    with new_server("deliver") as server, server.database() as database:
        deploy_demo_model(database)
        database.run(f"ALTER DATABASE {database.name} SET pg_triage.keep_raw = on")
        database.role(ROLE, "triage_writer")
        yield database


@pytest.fixture(scope="module")
def scratch():
    with folder("pgtdeliver") as path:
        yield path


@pytest.fixture(autouse=True)
def empty(admin):
    admin.run("DELETE FROM triage.email")


@pytest.fixture
def deliver(admin):
    """Delivers a message; gives the exit code, and what was said."""

    def deliver(raw, *options, **variables):
        done = subprocess.run(
            [PROGRAM, *options], input=raw, capture_output=True, env=admin.environment(ROLE) | variables
        )
        return done.returncode, done.stderr.decode(errors="replace")

    return deliver


def delivers(answer):
    """Whether it was delivered; what was said is shown if not."""
    code, said = answer
    assert code == DONE, said
    return True


def try_again(answer):
    """Whether the mail server has to keep the message; what was said is shown if not."""
    code, said = answer
    assert code == TRY_AGAIN, said
    return True


def stored(admin):
    return admin.value("SELECT count(*) FROM triage.email")


# ---- where it goes --------------------------------------------------------------------


def test_a_message_gets_into_the_inbox_once(admin, deliver):
    assert delivers(deliver(message(1)))
    assert admin.row("SELECT mailbox, message_id, label IS NOT NULL FROM triage.email") == (
        "inbox",
        "m1@example.net",
        True,
    )
    assert delivers(deliver(message(1)))
    assert stored(admin) == 1


def test_a_mailbox_has_any_name(admin, deliver):
    assert delivers(deliver(message(1)))
    assert delivers(deliver(message(1), "--mailbox", "o'neill\\süd :x"))
    assert delivers(deliver(message(1), "--mailbox=b", f"--database={admin.name}", PGDATABASE="postgres"))
    assert admin.column("SELECT mailbox FROM triage.email ORDER BY email_id") == [
        "inbox",
        "o'neill\\süd :x",
        "b",
    ]
    assert admin.value("SELECT count(*) FROM triage.email WHERE body LIKE 'The app%'") == 3


@pytest.mark.parametrize(
    "options, mailbox",
    [
        (["--mailbox", ""], "inbox"),
        (["--mailbox="], "inbox"),
        (["--mailbox", b"caf\xe9"], "caf?"),
        (["--mailbox", b"\xed\xa0\x80x"], "???x"),
        (["--mailbox", b"\xf4\x90\x80\x80x"], "????x"),
    ],
)
def test_what_stands_in_an_address_may_be_anything(admin, deliver, options, mailbox):
    assert delivers(deliver(message(1), *options))
    assert admin.column("SELECT mailbox FROM triage.email") == [mailbox]


# ---- what comes through ---------------------------------------------------------------------

EVERY_BYTE = bytes(range(256)) * 256
BYTES = {
    "every byte": message(2) + EVERY_BYTE,
    "no line end": message(3)[:-1] + b"\\.",
    "NULs at the end": message(4) + bytes(9),
    "a line that psql would obey": message(5) + b"\n\\.\n\\q\nCOMMIT;\n",
    "no header": EVERY_BYTE,
    "64 MB": message(6) + b"a line of a very long message\r\n" * 2_100_000,
}


@pytest.fixture
def in_latin_1(admin):
    """Where the role's clients get another encoding than the message may be in."""
    admin.run(f"ALTER ROLE {ROLE} SET client_encoding = 'latin1'")
    yield
    admin.run(f"ALTER ROLE {ROLE} RESET client_encoding")


@pytest.mark.parametrize("case", BYTES)
def test_every_byte_comes_through(admin, deliver, in_latin_1, case):
    with timed() as t:
        assert delivers(deliver(BYTES[case]))
    assert t.seconds < 180
    wanted = (len(BYTES[case]), hashlib.sha256(BYTES[case]).digest())
    assert admin.row("SELECT octet_length(raw), sha256(raw) FROM triage.email") == wanted
    assert admin.value("SELECT count(*) FROM pg_largeobject_metadata") == 0, "nothing is left behind"


# ---- what is wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [["--mailbox"], ["--database"], ["--mailbx", "x"], ["inbox"], ["--help"]])
def test_a_wrong_command_line_is_said_to_be_one(admin, deliver, options):
    assert deliver(message(7), *options)[0] == WRONG_USAGE
    assert stored(admin) == 0


# Each of these ends one day, and the message is still in the queue then.
UNREACHABLE = {
    "no such host": ([], {"PGHOST": "/nonexistent"}),
    "nobody listens": ([], {"PGHOST": "127.0.0.1", "PGPORT": "1"}),
    "no such database": (["--database", "pt_nowhere"], {}),
    "no extension in it": (["--database", "postgres"], {}),
    "no such role": ([], {"PGUSER": "pt_nobody"}),
    "a connection string with a mistake": (["--database", "host="], {}),
    "no such service": ([], {"PGSERVICE": "pt_nowhere"}),
    "no room for the message": ([], {"TMPDIR": "/nonexistent"}),
}


@pytest.mark.parametrize("case", UNREACHABLE)
def test_while_something_is_missing_the_message_is_kept(admin, deliver, case):
    options, variables = UNREACHABLE[case]
    assert try_again(deliver(message(8), *options, **variables))
    assert stored(admin) == 0
    assert delivers(deliver(message(8)))
    assert stored(admin) == 1


def test_an_empty_message_is_none(deliver):
    code, said = deliver(b"")
    assert code == TRY_AGAIN and "is empty" in said


def test_without_the_right_the_message_is_kept(admin, deliver):
    stranger = admin.role("pt_stranger")
    assert try_again(deliver(message(8), PGUSER=stranger))
    assert stored(admin) == 0


def test_without_a_psql_that_works_the_message_is_kept(deliver, scratch):
    bare = scratch / "bin"
    bare.mkdir()
    for name in "bash", "env", "mktemp", "rm", "cat", "timeout":
        (bare / name).symlink_to(shutil.which(name))
    assert try_again(deliver(message(8), PATH=str(bare)))
    (bare / "psql").write_text("#!/bin/sh\ncat >/dev/null\n")
    (bare / "psql").chmod(0o755)
    assert try_again(deliver(message(8), PATH=str(bare))), "a psql that says nothing"


@pytest.mark.parametrize("shell", [f"ulimit -f 1; {PROGRAM}", f"{PROGRAM} <&-"], ids=["full disk", "no input"])
def test_without_the_whole_message_nothing_is_handed_over(admin, shell):
    done = subprocess.run(
        ["bash", "-c", shell],
        input=message(8) + bytes(100_000),
        capture_output=True,
        env=admin.environment(ROLE),
    )
    assert done.returncode == TRY_AGAIN, done.stderr
    assert stored(admin) == 0


def test_too_many_connections_are_no_loss(admin, deliver):
    admin.run(f"ALTER ROLE {ROLE} CONNECTION LIMIT 0")
    try:
        assert try_again(deliver(message(8)))
    finally:
        admin.run(f"ALTER ROLE {ROLE} CONNECTION LIMIT -1")
    assert stored(admin) == 0


# ---- what breaks off -----------------------------------------------------------------------------


@contextlib.contextmanager
def locked(admin):
    """Nobody can write the inbox."""
    with admin.connect(autocommit=False) as session:
        session.run("LOCK TABLE triage.email IN SHARE MODE")
        yield
        with contextlib.suppress(Exception):
            session.rollback()


WAITING = "FROM pg_stat_activity WHERE application_name = 'deliver_mail' AND wait_event_type = 'Lock'"


@contextlib.contextmanager
def delivering(admin, raw):
    """While a delivery waits for a lock."""
    with locked(admin):
        process = subprocess.Popen(
            [PROGRAM],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=admin.environment(ROLE),
            start_new_session=True,
        )
        process.stdin.write(raw)
        process.stdin.close()
        wait_for(lambda: admin.column(f"SELECT pid {WAITING}"), 10, "the delivery waits for the lock")
        yield process


def test_a_lock_that_is_not_given_in_time(admin, deliver):
    with locked(admin):
        assert try_again(deliver(message(8), PGOPTIONS="-c lock_timeout=500ms"))
    assert stored(admin) == 0


def test_nobody_else_sees_the_message_on_its_way(admin):
    with delivering(admin, message(9)) as process:
        assert "after the update" not in output("ps", "axww", "-o", "args"), "no command line has it"
        assert "after the update" not in admin.value(f"SELECT query {WAITING}"), "nor has a statement"
        os.killpg(process.pid, signal.SIGINT)
        process.wait(20)


@pytest.mark.parametrize("function", ["pg_terminate_backend", "pg_cancel_backend"])
def test_a_session_that_is_ended_stores_nothing(admin, deliver, function):
    with delivering(admin, message(9)) as process:
        admin.run(f"SELECT {function}(pid) {WAITING}")
        assert process.wait(20) == TRY_AGAIN
    assert stored(admin) == 0
    assert delivers(deliver(message(9)))
    assert stored(admin) == 1, "once"


def test_an_interrupt_stores_nothing(admin):
    with delivering(admin, message(9)) as process:
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(20) == TRY_AGAIN
    assert stored(admin) == 0


def test_when_only_the_script_is_ended_its_sender_may_try_again(admin, deliver):
    with delivering(admin, message(10)) as process:
        process.terminate()
        assert process.wait(20) == TRY_AGAIN
    wait_for(lambda: stored(admin) == 1, 10, "the message is committed after all: psql was not ended")
    assert delivers(deliver(message(10)))
    assert stored(admin) == 1, "it is there once"


def test_a_server_that_is_stopped_stores_nothing(admin, deliver):
    with delivering(admin, message(9)) as process:
        admin.server.stop()
        assert process.wait(20) == TRY_AGAIN
    assert try_again(deliver(message(9))), "the server is down"
    admin.close()
    admin.server.start()
    assert stored(admin) == 0
    assert delivers(deliver(message(9)))
    assert stored(admin) == 1


def test_the_servers_log_has_nothing_of_a_message(admin):
    log = admin.server.log_text()
    assert "pt_nowhere" in log, "it is the log of these tests"
    assert "charged twice" not in log and "after the update" not in log
