"""A server with `shared_preload_libraries = pg_triage`: the worker comes by itself and when it is
needed, as its own role, rests when nothing is due, and stands in nobody's way."""

import time
from pathlib import Path

import pytest
from support.server import new_server
from support.sessions import refused
from support.waiting import timed, wait_for
from support.worker import (
    DECIDE,
    HANDLED,
    LAUNCHER,
    LONG_ENOUGH_TO_BE_WOKEN,
    PATIENCE,
    PRELOAD,
    SETUP,
    WORKER,
    Workplace,
    configure,
    processes,
    processor_time,
    status,
    wait_for_process,
    wait_until_idle,
)


@pytest.fixture(scope="module")
def server():
    with new_server("worker", PRELOAD, "autovacuum=off") as server:
        wait_for_process(server, LAUNCHER)
        configure(server, "pg_triage.worker_naptime", "'1h'")
        yield server


@pytest.fixture(scope="module")
def later(server):
    """A database and an extension that were created later than the launcher began."""
    later = Workplace(server, "later").create()
    later.wait(status("served AND last_ended_at IS NOT NULL"))
    return later


@pytest.fixture
def idle(server, later):
    """When the last worker began; all of its work is done."""
    later.wait(HANDLED)

    def settled():
        wait_until_idle(server)
        began = later.value(status("last_started_at"))
        # What was asked for while it worked, a worker looks at a second later.
        time.sleep(LONG_ENOUGH_TO_BE_WOKEN)
        return began if began == later.value(status("last_started_at")) else None

    return wait_for(settled, PATIENCE, "nothing is left to do")


def test_the_launcher_comes_with_the_server_and_looks_at_new_databases(server, later):
    assert len(processes(server, LAUNCHER)) == 1
    assert later.value(status("served"))


def test_a_decision_is_handled_soon_after_its_commit(later, idle):
    later.decide()
    later.wait(HANDLED)


def test_a_decision_that_is_rolled_back_wakes_nobody(later, idle):
    later.run(f"BEGIN; {DECIDE}; ROLLBACK")
    time.sleep(LONG_ENOUGH_TO_BE_WOKEN)
    assert later.value(status("last_started_at")) == idle


def test_an_extension_that_was_dropped_and_created_again_is_served_again(later, idle):
    later.run("DROP EXTENSION pg_triage CASCADE")
    later.run("CREATE EXTENSION pg_triage")
    later.run(SETUP)
    later.decide()
    later.wait(HANDLED)


def test_while_a_session_restores_a_dump_nothing_is_done_with_what_it_has_brought_so_far(server, later, idle):
    with server.connect("later") as restoring:
        restoring.run("SET check_function_bodies = off")
        restoring.run("SET search_path = ''")
        restoring.run("INSERT INTO triage.label (classifier, label) VALUES ('default', 'restored')")
        later.decide()
        time.sleep(LONG_ENOUGH_TO_BE_WOKEN)
        assert not later.value(HANDLED)
    later.decide()
    later.wait(HANDLED)


def test_it_works_as_its_own_role_and_says_what_it_does(server, later, idle):
    pid = later.decide_lingering()
    assert later.row(f"""
        SELECT a.usename, r.rolsuper, a.backend_type, a.query LIKE '%default%'
          FROM pg_stat_activity a JOIN pg_roles r ON r.rolname = a.usename WHERE pid = {pid}""") == (
        "triage_worker",
        False,
        WORKER,
        True,
    )
    assert later.value(status("worker_pid")) == pid
    with server.connect("later", "triage_worker") as role, refused("42501"):
        role.run("SELECT count(*) FROM triage.review")
    later.begin_again()


def test_a_database_where_a_worker_is_at_work_can_be_copied_and_dropped(server):
    dropped = Workplace(server, "dropped").create()
    dropped.decide_lingering()
    # Both fail where a process stays connected for five seconds.
    server.run("CREATE DATABASE copied TEMPLATE dropped")
    dropped.run("SELECT triage.wake_worker()")
    dropped.worker_at_work()
    for name in "dropped", "copied":
        server.run(f"DROP DATABASE {name}")


def test_emails_wake_nobody_until_a_shorter_naptime_is_read(server, later, idle):
    later.run("INSERT INTO triage.email (subject) VALUES ('parcel')")
    time.sleep(LONG_ENOUGH_TO_BE_WOKEN)
    assert later.value(status("last_started_at")) == idle
    configure(server, "pg_triage.worker_naptime", "'1s'")
    later.wait(status(f"last_started_at <> '{idle}'"))
    configure(server, "pg_triage.worker_naptime", "'1h'")


@pytest.mark.parametrize("seconds", [20, pytest.param(60, marks=pytest.mark.long)])
def test_at_rest_it_takes_neither_a_snapshot_nor_a_processor(server, later, idle, seconds):
    """Two databases with the extension and two without, with the default naptime."""
    second = Workplace(server, f"second_{seconds}").create()
    server.run(f"CREATE DATABASE third_{seconds}")
    configure(server, "pg_triage.worker_naptime", "DEFAULT")
    second.run("INSERT INTO triage.email (subject) VALUES ('parcel')")
    second.wait(status("last_ended_at IS NOT NULL"))
    wait_until_idle(server)
    # Its last look, a second after the first one, is over then.
    time.sleep(LONG_ENOUGH_TO_BE_WOKEN)
    launcher = processes(server, LAUNCHER)[0]
    postmaster = int((server.data / "postmaster.pid").read_text().split()[0])

    def spent():
        # Of those that have ended, the postmaster knows.
        return processor_time(launcher, 14, 15) + processor_time(postmaster, 16, 17)

    session = server.connect()
    before, start, saw_worker, saw_snapshot, samples = spent(), time.monotonic(), 0, 0, 0
    while time.monotonic() < start + seconds:
        workers, busy = session.row(f"""
            SELECT count(*) FILTER (WHERE backend_type = '{WORKER}'),
                   count(*) FILTER (WHERE backend_xmin IS NOT NULL OR backend_xid IS NOT NULL OR xact_start IS NOT NULL)
              FROM pg_stat_activity WHERE backend_type LIKE 'pg_triage%'""")
        samples, saw_worker, saw_snapshot = samples + 1, saw_worker + (workers > 0), saw_snapshot + (busy > workers)
        time.sleep(0.1)
    share = (spent() - before) / (time.monotonic() - start)
    session.close()
    configure(server, "pg_triage.worker_naptime", "'1h'")
    assert samples > seconds
    assert saw_snapshot == 0
    assert saw_worker <= max(2, samples / 100)
    assert share < 0.001


def test_the_server_stops_while_a_worker_is_at_work(server, later, idle):
    later.decide_lingering()
    with timed() as stopping:
        server.stop()
    assert stopping.seconds < PATIENCE
    server.start()
    wait_for_process(server, LAUNCHER)
    assert Path(f"/proc/{processes(server, LAUNCHER)[0]}").exists()
