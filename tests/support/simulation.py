"""Servers that live in simulated time, so that a test can let a year pass in minutes.

simulated_clock.c is compiled and loaded into every process of the server: it adds what a file
says to the time.
"""

import contextlib
import os
import struct
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from support.server import Database, Server
from support.system import as_server_user, output
from support.waiting import wait_for

# Far enough that the server's files are not from the future, and not a leap year.
NEW_YEAR = datetime(2041, 1, 1, tzinfo=UTC)


class Clock:
    """What time it is for the server. It goes on by itself, and only forward."""

    def __init__(self, file: Path):
        self.offset = 0
        self.file = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
        self.set(self.now())

    def set(self, now: datetime) -> None:
        """Jumps there, unless it is later already."""
        self.offset = max(self.offset, int(now.timestamp() - time.time()) + 1)
        os.pwrite(self.file, struct.pack("=q", self.offset), 0)

    def now(self) -> datetime:
        """The time in the server."""
        return datetime.fromtimestamp(time.time() + self.offset, UTC)


@contextlib.contextmanager
def simulated(name: str, start: datetime = NEW_YEAR, **settings: str) -> Iterator[tuple[Database, Clock]]:
    """A server of its own that believes that it is `start`: a database with the extension, and
    the clock. Settings of the extension are written with two underscores for the dot."""
    # Between two days much time passes in which nothing happens.
    settings = {"checkpoint_timeout": "1d"} | {key.replace("__", "."): value for key, value in settings.items()}
    server = Server(name)
    server.remove()
    try:
        server.start()
        # Not with ALTER SYSTEM, which does not know the extension's settings yet.
        with (server.data / "postgresql.auto.conf").open("a") as file:
            file.writelines(f"{key} = '{value}'\n" for key, value in settings.items())
        library, clock_file = server.directory / "clock.so", server.directory / "clock"
        output("cc", "-O2", "-shared", "-fPIC", "-o", library, Path(__file__).with_name("simulated_clock.c"))
        clock = Clock(clock_file)
        clock.set(start)
        as_server_user(
            "env",
            f"LD_PRELOAD={library}",
            f"SIMULATED_CLOCK={clock_file}",
            server.bindir / "pg_ctl",
            "restart",
            "-w",
            "-s",
            "-m",
            "fast",
            "-D",
            server.data,
            "-l",
            server.log,
        )
        with server.database("simulation", drop=False) as database:
            yield database, clock
    finally:
        server.remove()


DUE = "SELECT * FROM triage_internal.due_tasks()"
IDLE = f"SELECT NOT EXISTS ({DUE}) AND NOT EXISTS (SELECT FROM triage.jobs WHERE status = 'running')"


def wait_for_worker(database: Database) -> None:
    """Until the background worker has nothing left to do."""
    wait_for(lambda: database.value(IDLE), 120, "nothing is due")
