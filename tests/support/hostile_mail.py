"""A server to hand hostile mail to, and what that costs its sessions."""

import contextlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import attacks
import psycopg

from support.mails import MAILS
from support.server import Database, Server, new_server
from support.sessions import Session, time_limit
from support.waiting import timed

MEGABYTE = 1 << 20

# A statement has to end this soon after its time is up, in seconds.
OVERSHOOT = 0.25


@contextlib.contextmanager
def hostile_server() -> Iterator[Server]:
    """A server of its own: a crash would end sessions of other tests."""
    settings = "max_wal_size=8GB", "autovacuum=off", "jit=off", "synchronous_commit=off"
    with new_server("hostile_mail", *settings) as server:
        yield server


class HostileMail:
    """Raw messages in table `hostile` of a database that can label them."""

    def __init__(self, database: Database):
        self.database = database
        database.run("SELECT triage.load_sample()")
        database.run(f"SELECT triage.deploy('default', train_classifier(body, label)) FROM {MAILS}")
        database.run(
            """CREATE UNLOGGED TABLE hostile (id int PRIMARY KEY, name text NOT NULL, raw bytea NOT NULL);
               ALTER TABLE hostile ALTER COLUMN raw SET STORAGE EXTERNAL;
               GRANT SELECT ON hostile TO triage_writer;
               CREATE TABLE ticket (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text, category text);
               SELECT triage.attach('ticket', ARRAY['body'], 'category')"""
        )

    def store(self, messages: Iterable[tuple[str, bytes]]) -> range:
        """Replaces what is in the table by these (name, raw message); their ids."""
        self.database.run("TRUNCATE hostile")
        count = 0
        with self.database.session.cursor() as cursor:
            with cursor.copy("COPY hostile FROM STDIN (FORMAT binary)") as copy:
                copy.set_types(["int4", "text", "bytea"])
                for count, (name, raw) in enumerate(messages, 1):
                    copy.write_row((count, name, raw))
        return range(1, count + 1)

    def store_shape(self, shape: str, *sizes: int) -> range:
        """The same with one message of this shape of each size; their ids."""
        return self.store((f"{shape}, {size} bytes", attacks.make(shape, size)) for size in sizes)


# ---- what a session takes ---------------------------------------------------------------------------


def growth(database: Database, sql: str, *params: object) -> int:
    """Most bytes that a new session takes for a statement, besides shared buffers that it looks
    at."""
    with database.connect() as session:
        session.run(
            "SELECT triage.ingest('Subject: hello'), classify_email('hello'), count(*) FROM parse_email('a: b')"
        )
        before = _memory(session.pid)
        session.run(sql, *params)
        after = _memory(session.pid)
    return after["VmHWM"] - before["VmRSS"] - (after["RssShmem"] - before["RssShmem"])


def _memory(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return {name: int(kilobytes) << 10 for name, kilobytes in re.findall(r"(\w+):\s+(\d+) kB", status)}


def seconds_too_late(session: Session, milliseconds: float, sql: str, *params: object) -> float:
    """How long a statement runs on after a time limit; less than nothing if it is done before. The
    least of three, as a busy machine may be the reason."""
    least = float("inf")
    for _ in range(3):
        with time_limit(session, milliseconds):
            with timed() as t, contextlib.suppress(psycopg.errors.QueryCanceled):
                session.run(sql, *params)
        least = min(least, t.seconds - milliseconds / 1000)
        if least <= OVERSHOOT:
            break
    return least
