"""Servers that live in simulated time, so that a test can let a year pass in minutes.

simulated_clock.c is compiled and loaded into every process of the server: it adds what a file
says to the time. Needs the path of lib/harness.py.
"""

import os
import struct
import subprocess
import time
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

from harness import PROJECT, as_server_user, ask, connected_to, server

CORPORA = Path(os.environ.get("PG_TRIAGE_CORPORA", PROJECT / "../shared/corpora"))

# Far enough that the server's files are not from the future, and not a leap year.
NEW_YEAR = datetime(2041, 1, 1, tzinfo=timezone.utc)


class Clock:
    """What time it is for the server. It goes on by itself, and only forward."""

    def __init__(self, file):
        self.offset = 0
        self.file = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
        self.set(self.now())

    def set(self, now):
        """Jumps there, unless it is later already."""
        self.offset = max(self.offset, int(now.timestamp() - time.time()) + 1)
        os.pwrite(self.file, struct.pack("=q", self.offset), 0)

    def now(self):
        return datetime.fromtimestamp(time.time() + self.offset, timezone.utc)


@contextmanager
def simulated(name, start=NEW_YEAR, database="simulation", **settings):
    """A server of its own that believes that it is `start`, with the extension in a database
    of its own, to which everything connects; gives its clock."""
    folder = Path(output(PROJECT / "scripts/cluster", "dir", name))
    # Between two days much time passes in which nothing happens.
    settings = dict(checkpoint_timeout="1d", **settings)
    with server(name) as variables, connected_to(**variables, PGDATABASE=database):
        # Not with ALTER SYSTEM, which does not know the extension's settings yet.
        with open(folder / "data/postgresql.auto.conf", "a") as file:
            file.writelines(f"{key} = '{value}'\n" for key, value in settings.items())
        output(
            "cc", "-O2", "-shared", "-fPIC", "-o", folder / "clock.so", Path(__file__).with_name("simulated_clock.c")
        )
        clock = Clock(folder / "clock")
        clock.set(start)
        as_server_user(
            "env",
            f"LD_PRELOAD={folder / 'clock.so'}",
            f"SIMULATED_CLOCK={folder / 'clock'}",
            output("pg_config", "--bindir") + "/pg_ctl",
            "restart",
            "-w",
            "-s",
            "-m",
            "fast",
            "-D",
            str(folder / "data"),
            "-l",
            str(folder / "log"),
        )
        ask(f"CREATE DATABASE {database}", database="postgres")
        ask("CREATE EXTENSION pg_triage")
        yield clock


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def days(start, count):
    return [start + timedelta(days=day) for day in range(count)]


def escaped(text):
    """For COPY's text format."""
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")


def copy(session, into, mails):
    """COPY in a session that stays connected: `into` is a table with columns, the mails are
    tuples of strings."""
    lines = ("\t".join(map(escaped, fields)) for fields in mails)
    # Psql takes no empty statement after the end of the data.
    return session.ask(f"COPY {into} FROM STDIN;\n" + "\n".join(lines) + "\n\\.\nSELECT WHERE false")


IDLE = """SELECT NOT EXISTS (SELECT FROM triage_internal.due_tasks())
             AND NOT EXISTS (SELECT FROM triage.jobs WHERE status = 'running')"""


def wait_for_worker(session, seconds=120):
    """Until the background worker has nothing left to do."""
    until = time.monotonic() + seconds
    while session.ask(IDLE) != "t":
        if time.monotonic() > until:
            raise RuntimeError(
                f"after {seconds} s is still due: " + session.ask("SELECT * FROM triage_internal.due_tasks()")
            )
        time.sleep(0.05)
