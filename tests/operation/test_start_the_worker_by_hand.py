"""A server that does not preload the library: a worker is started for one database, and stopped."""

import time

import pytest
from support.server import new_server
from support.sessions import refused
from support.waiting import wait_for
from support.worker import (
    DECIDE,
    HANDLED,
    HURRY,
    LAUNCHER,
    LONG_ENOUGH_TO_BE_WOKEN,
    PATIENCE,
    Workplace,
    kill,
    processes,
    status,
    wait_until_gone,
    wait_until_idle,
)


@pytest.fixture(scope="module")
def server():
    settings = ["max_worker_processes=2", "max_logical_replication_workers=0", "pg_triage.worker_naptime=1h"]
    with new_server("worker_by_hand", *settings) as server:
        yield server


@pytest.fixture(scope="module")
def alone(server):
    """The only database so far."""
    return Workplace(server, "alone").create()


@pytest.fixture
def started(alone):
    """With a worker that has nothing to do."""
    alone.run(HURRY)
    alone.run("SELECT triage.start_worker()")
    alone.wait(HANDLED)
    wait_until_idle(alone.server)
    return alone


def test_there_is_no_worker_to_stop(alone):
    assert alone.value("SELECT triage.stop_worker()") is False


def test_a_worker_is_started_once(alone):
    with alone.server.connect("alone") as session:
        assert session.value("SELECT triage.start_worker()") is True
    with alone.server.connect("alone") as session:
        assert session.value("SELECT triage.start_worker()") is False
        assert any("already" in notice for notice in session.notices)
    assert alone.row(status("served, preloaded, problem IS NULL")) == (True, False, True)


def test_a_decision_wakes_it_and_one_that_is_rolled_back_does_not(started):
    with started.server.connect("alone") as session:
        session.run(DECIDE)
        started.wait(HANDLED)
        started.wait(status("last_ended_at IS NOT NULL AND last_error IS NULL"))
        # A decision during its work wakes it once more.
        wait_until_idle(started.server)
        time.sleep(LONG_ENOUGH_TO_BE_WOKEN)
        before = started.value(status("last_started_at"))
        session.run(f"BEGIN; {DECIDE}; ROLLBACK")
        time.sleep(LONG_ENOUGH_TO_BE_WOKEN)
        assert started.value(status("last_started_at")) == before


def test_it_comes_back_after_a_crash_and_is_woken_again(started):
    session = started.server.connect("alone")
    kill(session.pid)
    wait_until_gone(session.pid)
    session.close()
    started.wait(status("served"))
    started.decide()
    started.wait(HANDLED)


def test_it_is_stopped_in_the_middle_of_its_work_and_stays_so(started):
    worker = started.decide_lingering()
    assert started.value("SELECT triage.stop_worker()") is True
    wait_until_gone(worker)
    wait_for(lambda: not processes(started.server, LAUNCHER), PATIENCE, "no launcher")
    # An ended launcher would be back after five seconds.
    time.sleep(6)
    assert processes(started.server, LAUNCHER) == []
    assert "start_worker" in started.value(status("problem"))


def test_each_database_has_its_own_and_the_server_as_many_as_it_has_places(started):
    server = started.server
    server.run("CREATE DATABASE other")
    other = Workplace(server, "other")
    other.run("CREATE EXTENSION pg_triage")
    # A worker may have the last place for a moment.
    wait_for(
        lambda: other.value("SELECT triage.start_worker() OR (SELECT served FROM triage.worker_status())"), PATIENCE
    )
    wait_for(lambda: len(processes(server, LAUNCHER)) == 2, PATIENCE, "two launchers")
    third = Workplace(server, "third").create()
    with refused("53400", "max_worker_processes"):
        third.run("SELECT triage.start_worker()")
    # It fails where a process stays connected for five seconds.
    server.run("DROP DATABASE other")
    wait_for(lambda: len(processes(server, LAUNCHER)) == 1, PATIENCE, "one launcher")
    assert started.value("SELECT triage.stop_worker()") is True
