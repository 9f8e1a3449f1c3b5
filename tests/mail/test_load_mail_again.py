"""scripts/load_mail is ended in the middle, refused a message, or started twice: started again it
completes the work, and nothing is there twice."""

import os
import signal
import subprocess
import sys

import pytest
from support.load_mail import Loader, mbox
from support.mails import deploy_demo_model, message
from support.server import new_server
from support.system import folder
from support.waiting import wait_for

MANY = 8000


@pytest.fixture(scope="module")
def loader():
    """Loads into a server that can be stopped."""
    with new_server("loader") as server, server.database() as database:
        deploy_demo_model(database)
        yield Loader(database)


@pytest.fixture(scope="module")
def scratch():
    with folder("pgtload") as path:
        yield path


@pytest.fixture(scope="module")
def many(scratch):
    """An mbox that takes seconds to load."""
    file = scratch / "many"
    file.write_bytes(mbox(map(message, range(MANY))))
    return file


@pytest.fixture(autouse=True)
def empty(loader):
    loader.database.run("TRUNCATE triage.email")


def every_message_is_there_once(loader):
    counts = "SELECT count(*), count(DISTINCT message_id), count(label) FROM triage.email"
    assert loader.database.row(counts) == (MANY, MANY, MANY)
    return True


# ---- it is broken off ------------------------------------------------------------------------------


def stop_server(loader, process):
    loader.database.close()
    loader.database.server.stop()


BREAK_OFF = {
    "Ctrl-C": (lambda _, process: os.killpg(process.pid, signal.SIGINT), 130, "run the same command again"),
    "kill -9": (lambda _, process: process.kill(), -9, ""),
    "server stopped": (stop_server, 1, "run the same command again"),
}


@pytest.mark.parametrize("how", BREAK_OFF)
def test_a_second_run_completes_what_was_broken_off(loader, many, how):
    break_off, code, words = BREAK_OFF[how]
    # A shell makes what it starts in the background deaf to Ctrl-C: these tests, perhaps.
    process = subprocess.Popen(
        ["env", "--default-signal=INT", loader.program, many],
        env=loader.environment(),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for(lambda: loader.stored() > MANY // 20, 20, "some are loaded")
    break_off(loader, process)
    said = process.communicate(timeout=30)[1]
    assert process.returncode == code
    assert words in said
    if how == "server stopped":
        loader.database.server.start()
    sessions = "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'load_mail'"
    wait_for(lambda: loader.database.value(sessions), 20, "its sessions end")
    there = loader.stored()
    assert 0 < there < MANY, "a part is there"
    assert f"{MANY - there:,} new, {there:,} already there" in loader.load(many)
    assert every_message_is_there_once(loader)


def test_two_at_once_share_what_is_new(loader, many, scratch):
    """In opposite order, so that their transactions wait for each other."""
    backwards = scratch / "backwards"
    backwards.write_bytes(mbox(map(message, reversed(range(MANY)))))
    both = [
        subprocess.Popen(
            [loader.program, "--jobs", "4", file],
            env=loader.environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        for file in (many, backwards)
    ]
    said = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert every_message_is_there_once(loader)
    new = [int(text.splitlines()[1].partition(" new")[0].replace(",", "")) for text in said]
    assert sum(new) == MANY


# ---- what is refused -------------------------------------------------------------------------------


def test_a_message_that_the_server_refuses_costs_nobody_else_its_place(loader, scratch):
    loader.database.run(
        """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
               IF NEW.subject LIKE '%17%' THEN RAISE check_violation USING MESSAGE = 'not seventeen'; END IF;
               RETURN NEW; END $$;
           CREATE TRIGGER refuse BEFORE INSERT ON triage.email FOR EACH ROW EXECUTE FUNCTION refuse()"""
    )
    file = scratch / "sixty"
    file.write_bytes(mbox(map(message, range(60))))
    try:
        said = loader.load(file, code=1)
        assert "sixty:18: not seventeen" in said, "it is named"
        assert "59 new" in said and "1 not loaded" in said
    finally:
        loader.database.run("DROP TRIGGER refuse ON triage.email; DROP FUNCTION refuse()")
    assert "1 new, 59 already there" in loader.load(file), "once it is not refused any more, it comes in"


# name: (what is said, options, exit code, variables of the environment)
MISTAKES = {
    "no such path": ("nowhere: No such file or directory", ["nowhere"], 2, {}),
    "no path": ("PATH", [], 2, {}),
    "no jobs": ("--jobs", ["--jobs", "0", "FILE"], 2, {}),
    "no server": ("No such file or directory", ["FILE"], 1, {"PGHOST": "/nonexistent"}),
    "no database": ('database "pt_nowhere" does not exist', ["--database", "pt_nowhere", "FILE"], 1, {}),
    "no extension": ("CREATE EXTENSION pg_triage", ["--database", "postgres", "FILE"], 1, {}),
    "no right": ("GRANT triage_writer TO pt_stranger", ["FILE"], 1, {"PGUSER": "pt_stranger"}),
    "no psql": ("psql not found", ["FILE"], 1, {"PATH": "/nonexistent"}),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_with_what_to_do(loader, scratch, mistake):
    wanted, options, code, variables = MISTAKES[mistake]
    loader.database.role("pt_stranger")
    file = scratch / "one"
    file.write_bytes(message(1))
    done = subprocess.run(
        [sys.executable, loader.program, *(str(file) if word == "FILE" else word for word in options)],
        capture_output=True,
        text=True,
        env=loader.environment() | variables,
    )
    assert done.returncode == code
    assert wanted in done.stderr
    assert loader.stored() == 0


# ---- figures ---------------------------------------------------------------------------------------


def test_at_the_end_it_says_how_fast_it_was(loader, many):
    said = loader.load("--jobs", "2", many, user="postgres")
    assert "a second" in said
    assert "% of it parsing" in said and "% classifying" in said, "who may classify gets the shares"
    assert "parsing" not in loader.load(many), "who may not does without"
