"""Streaming standbys."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from support.server import Server
from support.system import as_server_user
from support.waiting import wait_for


class Standby(Server):
    """A copy of `primary` that follows it, in a folder of its own."""

    def __init__(self, primary: Server, *settings: str):
        super().__init__(f"standby_of_{primary.name}", *settings)
        self.primary, self.port, self.user = primary, primary.port, primary.user
        self.host = as_server_user("mktemp", "-d", "/tmp/pgts.XXXXXX")

    @property
    def directory(self) -> Path:
        """The folder with everything, socket included."""
        return Path(self.host)

    def read_address(self) -> None:
        """It is known from the beginning."""

    def start(self) -> None:
        """Copies the primary and begins to follow."""
        own = [
            "listen_addresses=''",
            f"port={self.port}",
            f"unix_socket_directories={self.host}",
            "shared_buffers=16MB",
            "fsync=off",
            *self.settings,
        ]
        as_server_user(
            self.bindir / "pg_basebackup",
            "-D",
            self.data,
            "-R",
            "-X",
            "stream",
            "-c",
            "fast",
            "-h",
            self.primary.host,
            "-p",
            self.primary.port,
            "-U",
            self.primary.user,
        )
        self.pg_ctl("start", "-w", "-s", "-l", str(self.log), "-o", " ".join(f"-c {setting}" for setting in own))

    def remove(self) -> None:
        """Stops it and deletes its data."""
        as_server_user(self.bindir / "pg_ctl", "stop", "-s", "-m", "immediate", "-D", self.data, check=False)
        shutil.rmtree(self.host, ignore_errors=True)

    def catch_up(self) -> None:
        """Waits until it has everything that the primary has committed so far."""
        with self.primary.connect() as primary, self.connect() as standby:
            committed = primary.value("SELECT pg_current_wal_flush_lsn()")
            wait_for(
                lambda: standby.value("SELECT pg_last_wal_replay_lsn() >= %s", committed), 60, "the standby catches up"
            )

    def promote(self) -> None:
        """Makes it a primary."""
        self.pg_ctl("promote", "-w", "-s")


@contextlib.contextmanager
def standby_of(primary: Server, *settings: str) -> Iterator[Standby]:
    """A standby, removed afterwards."""
    standby = Standby(primary, *settings)
    try:
        standby.start()
        standby.catch_up()
        yield standby
    finally:
        standby.remove()
