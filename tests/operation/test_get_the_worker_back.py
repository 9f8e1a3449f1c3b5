"""The background worker is ended, killed, robbed of its role or of a table: it comes back, says
what is wrong, and does not flood the log."""

import time

import pytest
from support.server import new_server
from support.worker import (
    HANDLED,
    LAUNCHER,
    PRELOAD,
    WORKER,
    Workplace,
    configure,
    kill,
    lines_about_the_worker,
    processes,
    status,
    terminate,
    wait_for_process,
    wait_until_gone,
)


@pytest.fixture(scope="module")
def server():
    with new_server("worker_back", PRELOAD, "autovacuum=off") as server:
        wait_for_process(server, LAUNCHER)
        configure(server, "pg_triage.worker_naptime", "'1h'")
        yield server


@pytest.fixture(scope="module")
def workplace(server):
    return Workplace(server, "later").create()


@pytest.fixture
def at_work(workplace):
    """The process of a worker in the middle of its work; it is the first interruption."""
    workplace.forget_interruptions()
    yield workplace.decide_lingering()
    workplace.forget_interruptions()


def test_a_worker_at_work_and_the_launcher_end_when_told_to_and_come_back(server, workplace, at_work):
    terminate(server, at_work)
    wait_until_gone(at_work)
    launcher = processes(server, LAUNCHER)[0]
    terminate(server, launcher)
    wait_until_gone(launcher)
    assert workplace.worker_at_work() != at_work
    assert wait_for_process(server, LAUNCHER) != launcher


def test_a_worker_does_not_outlive_its_launcher(server, workplace, at_work):
    terminate(server, processes(server, LAUNCHER)[0])
    wait_until_gone(at_work)
    assert workplace.worker_at_work() != at_work


@pytest.mark.parametrize("kind", [WORKER, LAUNCHER])
def test_after_kill_9_both_are_back(server, workplace, at_work, kind):
    killed = processes(server, kind)[0]
    kill(killed)
    wait_until_gone(killed)
    assert workplace.worker_at_work() != at_work
    assert wait_for_process(server, LAUNCHER) != killed


def test_nothing_that_was_decided_is_left_over(server, workplace, at_work):
    workplace.begin_again()


# ---- without its role, without its rights ---------------------------------------------------------


@pytest.fixture
def restless(server, workplace):
    """With the shortest naptime; its former work is done."""
    workplace.begin_again()
    configure(server, "pg_triage.worker_naptime", "'1s'")
    yield
    configure(server, "pg_triage.worker_naptime", "'1h'")


def test_without_its_role_and_its_rights_it_says_what_to_do(server, workplace, restless):
    since = server.log.stat().st_size
    workplace.run("DROP OWNED BY triage_worker")
    workplace.run("DROP ROLE triage_worker")
    workplace.decide()
    workplace.wait(status("""problem LIKE '%role "triage_worker" does not exist%CREATE ROLE%' AND NOT served"""))
    # Some naptimes, in which it could say so again.
    time.sleep(5)
    assert len(lines_about_the_worker(server, since)) == 1
    workplace.run("CREATE ROLE triage_worker LOGIN")
    workplace.wait(status("last_error LIKE '%GRANT EXECUTE%'"))
    assert not workplace.value(HANDLED)
    workplace.run("GRANT USAGE ON SCHEMA triage TO triage_worker")
    workplace.run("GRANT EXECUTE ON FUNCTION triage.maintain(integer) TO triage_worker")
    workplace.wait(HANDLED)


def test_a_superuser_is_refused_as_its_role_until_another_is_set(server, workplace, restless):
    configure(server, "pg_triage.worker_role", "'postgres'")
    workplace.wait(status("problem LIKE '%is a superuser%'"))
    configure(server, "pg_triage.worker_role", "DEFAULT")
    workplace.wait(status("served"))


@pytest.mark.parametrize("seconds", [20, pytest.param(60, marks=pytest.mark.long)])
def test_a_worker_that_fails_for_a_minute_leaves_a_line_or_two_in_the_log(server, workplace, restless, seconds):
    """The table that every task begins with is gone, while decisions wake the worker."""
    workplace.run("ALTER TABLE triage_internal.job RENAME TO away")
    since = server.log.stat().st_size
    for _ in range(seconds):
        workplace.decide()
        time.sleep(1)
    assert 1 <= len(lines_about_the_worker(server, since, "LOG|WARNING|ERROR|FATAL|PANIC")) <= 2
    assert workplace.value(status("last_error LIKE '%triage_internal.job%'"))
    workplace.run("ALTER TABLE triage_internal.away RENAME TO job")
    terminate(server, processes(server, LAUNCHER)[0])
    workplace.wait(HANDLED)
    workplace.wait(status("last_error IS NULL"))
