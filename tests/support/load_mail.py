"""Running scripts/load_mail, and files for it to load."""

import subprocess
from collections.abc import Iterable

from support.server import Database
from support.system import PROJECT

FROM_LINE = b"From c@example.net  Mon Mar  2 09:00:00 2026\n"


def mbox(mails: Iterable[bytes]) -> bytes:
    """An mbox of these messages as they stand: nothing is quoted."""
    return b"".join(FROM_LINE + raw + b"\n" for raw in mails)


def of_mailbox(name: str, mails: Iterable[bytes]) -> set[tuple[str, bytes]]:
    """What the inbox holds of them: (mailbox, raw message)."""
    return {(name, raw) for raw in mails}


class Loader:
    """Loads into a database, which from now on keeps raw messages, as a role that may hand in mail
    and nothing else."""

    program = str(PROJECT / "scripts/load_mail")

    def __init__(self, database: Database):
        self.database = database
        self.role = database.role("pt_loader", "triage_writer")
        database.run(f"ALTER DATABASE {database.name} SET pg_triage.keep_raw = on")

    def environment(self) -> dict[str, str]:
        """The connection, for a program that runs beside the test."""
        return self.database.environment(self.role)

    def load(self, *options: object, user: str | None = None, code: int = 0) -> str:
        """Runs it to its end, which has to be this exit code; gives what it printed."""
        done = subprocess.run(
            [self.program, *map(str, options)],
            capture_output=True,
            text=True,
            env=self.database.environment(user or self.role),
            timeout=300,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def stored(self) -> int:
        """How many messages are there."""
        return self.database.value("SELECT count(*) FROM triage.email")
