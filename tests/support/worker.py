"""What tests of the background worker do with it, and what they look at: processes, its status,
the server's log."""

import os
import re
from pathlib import Path
from typing import Any

import psycopg

from support.server import Server
from support.system import as_server_user
from support.waiting import wait_for

LAUNCHER, WORKER = "pg_triage launcher", "pg_triage worker"
PRELOAD = "shared_preload_libraries=pg_triage"

# One decision is work for the worker, and a trigger can make this work last.
SETUP = """
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET pg_triage.compact_after = 2', current_database()); END $$;
SELECT triage.deploy('default', train_classifier(b, l))
  FROM (VALUES ('invoice payment', 'billing'), ('parcel driver', 'logistics')) t (b, l);
INSERT INTO triage.email (subject) SELECT 'invoice ' || n FROM generate_series(1, 200) n;
CREATE OR REPLACE FUNCTION public.linger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_catalog.pg_sleep(120); RETURN NEW; END $$;
"""
LINGER = """CREATE TRIGGER linger BEFORE INSERT OR UPDATE ON triage_internal.base
            FOR EACH ROW EXECUTE FUNCTION public.linger()"""
HURRY = "DROP TRIGGER IF EXISTS linger ON triage_internal.base"
DECIDE = "SELECT triage.correct(min(review_id), 'logistics') FROM triage.review WHERE human_label IS NULL"
# A commit wakes the worker at once, or a second after its last work: then this is long enough.
LONG_ENOUGH_TO_BE_WOKEN = 2
# The worker naps for an hour in these tests, a task that ended its process waits for a minute, and work
# that lingers lasts two: what comes within this comes because it was woken, told, or ended. A busy machine
# needs seconds for what usually takes a moment.
PATIENCE = 45
HANDLED = "SELECT count(*) = 0 FROM triage_internal.pending"


def status(columns: str) -> str:
    """A question about the worker of a database."""
    return f"SELECT {columns} FROM triage.worker_status()"


class Workplace:
    """A database with work for the worker. Every question is asked in a session of its own:
    databases are dropped and copied here, and servers restart."""

    def __init__(self, server: Server, name: str):
        self.server, self.name = server, name

    def create(self) -> "Workplace":
        """Makes the database, with the extension and mails to decide about."""
        self.server.run(f"CREATE DATABASE {self.name}")
        self.run("CREATE EXTENSION pg_triage")
        self.run(SETUP)
        return self

    def run(self, sql: str) -> None:
        """Runs SQL, several statements in one transaction."""
        with self.server.connect(self.name) as session:
            session.run(sql)

    def value(self, sql: str) -> Any:
        """The only value."""
        with self.server.connect(self.name) as session:
            return session.value(sql)

    def row(self, sql: str) -> tuple:
        """The only row."""
        with self.server.connect(self.name) as session:
            return session.row(sql)

    def wait(self, sql: str, seconds: float = PATIENCE) -> None:
        """Until the answer is true. A server that restarts is waited for."""

        def answer():
            try:
                return self.value(sql)
            except psycopg.OperationalError:
                return None

        wait_for(answer, seconds, sql)

    def decide(self) -> None:
        """One correction."""
        assert self.value(DECIDE) is not None, "nothing is left to decide about"

    def decide_lingering(self) -> int:
        """A decision whose handling takes two minutes; the process that is at it, which may be at
        it already: it holds a lock on the table with the trigger."""
        if not self.value("SELECT count(*) FROM pg_trigger WHERE tgname = 'linger'"):
            self.run(LINGER)
        if self.value(HANDLED):
            self.decide()
        return self.worker_at_work()

    def worker_at_work(self) -> int:
        """The process of the worker, once it is in the middle of its work."""

        def look():
            try:
                with self.server.connect() as session:
                    return session.column(f"""
                        SELECT pid FROM pg_stat_activity
                         WHERE backend_type = '{WORKER}' AND datname = '{self.name}' AND wait_event = 'PgSleep'""")
            except psycopg.OperationalError:
                return None

        return wait_for(look, PATIENCE, "a worker at work")[0]

    def begin_again(self) -> None:
        """Ends a worker at work, and has its work done without lingering: by a launcher that
        knows nothing of interruptions, which would let a minute pass."""
        for kind in WORKER, LAUNCHER:
            for pid in processes(self.server, kind):
                terminate(self.server, pid)
        self.run(HURRY)
        self.forget_interruptions()
        wait_for_process(self.server, LAUNCHER)
        self.wait(HANDLED)
        self.forget_interruptions()
        wait_until_idle(self.server)

    def forget_interruptions(self) -> None:
        """Makes the next interruption the first one: a task that is interrupted again and again
        waits longer each time."""
        self.run("DELETE FROM triage_internal.job WHERE status = 'interrupted'")


def processes(server: Server, kind: str) -> list[int]:
    """The launchers or the workers there are."""
    with server.connect() as session:
        return session.column(f"SELECT pid FROM pg_stat_activity WHERE backend_type = '{kind}' ORDER BY backend_start")


def wait_for_process(server: Server, kind: str) -> int:
    """The launcher, or a worker, when there is one."""
    return wait_for(lambda: processes(server, kind), PATIENCE, kind)[0]


def wait_until_idle(server: Server) -> None:
    """Until no worker is left from what was done before."""
    wait_for(lambda: not processes(server, WORKER), PATIENCE, "no worker")


def wait_until_gone(pid: int) -> None:
    """Until a process has ended."""
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), PATIENCE, f"process {pid} is gone")


def terminate(server: Server, pid: int) -> None:
    """Ends a process as an administrator does."""
    server.run(f"SELECT pg_terminate_backend({pid})")


def kill(pid: int) -> None:
    """Ends a process as a crash does, or the kernel when memory is short."""
    as_server_user("kill", "-9", str(pid), check=False)


def configure(server: Server, name: str, value: str) -> None:
    """ALTER SYSTEM; holds at once."""
    with server.connect() as session:
        # Without preload the server does not know the setting before the library is loaded.
        session.run("LOAD 'pg_triage'")
        session.run(f"ALTER SYSTEM SET {name} = {value}")
        session.run("SELECT pg_reload_conf()")


def processor_time(pid: int, *fields: int) -> float:
    """Seconds, from fields of /proc/PID/stat."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return sum(int(stat[field - 3]) for field in fields) / os.sysconf("SC_CLK_TCK")


def lines_about_the_worker(server: Server, since: int, levels: str = "WARNING|ERROR|FATAL|PANIC") -> list[str]:
    """Lines of the server's log from a position on."""
    with server.log.open("rb") as file:
        file.seek(since)
        text = file.read().decode(errors="replace")
    return [line for line in text.splitlines() if re.search(levels, line) and re.search("pg_triage|worker", line)]
