"""psql, where it is the client under test, or where a script has to commit each statement."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

PSQL = ["psql", "-X", "-A", "-t", "-q", "-v", "VERBOSITY=verbose", "-v", "SHOW_CONTEXT=never"]


class PsqlEnded(Exception):
    """psql gave up; the message is what it printed before."""


@dataclass
class PsqlResult:
    """What one run of psql printed."""

    stdout: str
    stderr: str
    returncode: int


class Psql:
    """A psql that stays connected: unaligned, tuples only, verbose errors, errors among the output."""

    MARK = "--- end of answer ---"

    def __init__(self, environment: dict[str, str], *options: str):
        self.process = subprocess.Popen(
            [*(options or PSQL)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            env=environment,
        )

    def ask(self, lines: str) -> str:
        """Everything that psql printed for these lines, which need their own semicolons."""
        try:
            self.process.stdin.write(f"{lines}\n\\echo {self.MARK}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        printed = []
        for line in self.process.stdout:
            if line.rstrip("\n") == self.MARK:
                return "".join(printed).rstrip("\n")
            printed.append(line)
        raise PsqlEnded("".join(printed))

    def close(self) -> None:
        """Ends it, as end of input does."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def libpq_environment(*, settings: dict[str, Any] | None = None, **parameters: Any) -> dict[str, str]:
    """The environment for a client program: this one plus PGHOST, PGPORT, ... from `host=`, ..."""
    names = {"dbname": "PGDATABASE", "application_name": "PGAPPNAME"}
    environment = dict(os.environ) | {
        names.get(key, f"PG{key.upper()}"): str(value) for key, value in parameters.items()
    }
    if settings:
        environment["PGOPTIONS"] = " ".join(
            f"-c {name}={str(value).replace(' ', chr(92) + ' ')}" for name, value in settings.items()
        )
    return environment


def run_psql(sql: str, environment: dict[str, str], *options: str, check: bool = True) -> PsqlResult:
    """Runs psql on a script, each statement a transaction of its own, up to the first error."""
    done = subprocess.run(
        [*PSQL, "-v", "ON_ERROR_STOP=1", *options],
        input=sql,
        text=True,
        encoding="utf-8",
        capture_output=True,
        env=environment,
    )
    if check and done.returncode != 0:
        raise AssertionError(f"psql: {done.stderr}")
    return PsqlResult(done.stdout.rstrip("\n"), done.stderr, done.returncode)


@contextlib.contextmanager
def psql_session(environment: dict[str, str], *options: str) -> Iterator[Psql]:
    """A `Psql` that is closed afterwards."""
    psql = Psql(environment, *options)
    try:
        yield psql
    finally:
        psql.close()
