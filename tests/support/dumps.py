"""pg_dump, pg_restore and psql, which read back what it wrote."""

import subprocess
from pathlib import Path

from support.psql import PSQL
from support.server import Database


def complaints_of(*command: str | Path, database: Database) -> str:
    """What a program said on stderr, and its exit code if it failed; empty when all went well."""
    done = subprocess.run(
        command,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=database.environment(),
        check=False,
    )
    return done.stderr + (f"exit code {done.returncode}" if done.returncode else "")


def dump(database: Database, file: Path, *options: str) -> Path:
    """pg_dump into a file; it has nothing to complain about but that its data alone may need
    --disable-triggers."""
    complaints = complaints_of("pg_dump", *options, "--file", file, database=database)
    assert "exit code" not in complaints and ("--data-only" in options or not complaints), complaints
    return file


def run_dump(database: Database, file: Path, *options: str) -> None:
    """Runs a plain dump with psql."""
    complaints = complaints_of(*PSQL, "-v", "ON_ERROR_STOP=1", *options, "-f", file, database=database)
    assert not complaints, complaints


def pg_restore(database: Database, file: Path, *options: str) -> None:
    """Restores a custom dump with pg_restore."""
    complaints = complaints_of(
        "pg_restore", "--exit-on-error", *options, f"--dbname={database.name}", file, database=database
    )
    assert not complaints, complaints
