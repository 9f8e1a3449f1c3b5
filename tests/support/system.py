"""The machine: the project's scripts, processes of other users, folders, ports."""

import contextlib
import functools
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
CORPORA = Path(os.environ.get("PG_TRIAGE_CORPORA", PROJECT / "../shared/corpora"))


def clean_environment() -> None:
    """Drops what the caller's environment would change: connection, client options, language and
    time zone. Tests then run as in a fresh login with a locale of UTF-8. PostgreSQL's own programs,
    and those of mail servers, come first on the path."""
    for name in list(os.environ):
        is_libpq = name.startswith("PG") and not name.startswith(("PG_", "PGRX"))
        if (
            is_libpq
            or name.startswith(("LC_", "PSQL", "RUST_BACKTRACE"))
            or name in ("LANG", "LANGUAGE", "TZ", "PAGER")
        ):
            del os.environ[name]
    os.environ["LC_ALL"] = "C.UTF-8"
    os.environ["PATH"] = os.pathsep.join([bindir(), os.environ["PATH"], "/usr/sbin", "/sbin"])


def shell_function(
    name: str, *arguments: str | Path, check: bool = True, daemon: bool = False
) -> subprocess.CompletedProcess:
    """Calls a function of scripts/lib.sh. A daemon would hold the pipes for ever, so that what it
    prints is dropped."""
    output = subprocess.DEVNULL if daemon else subprocess.PIPE
    done = subprocess.run(
        ["bash", "-c", 'source "$0"; "$@"', str(PROJECT / "scripts/lib.sh"), name, *map(str, arguments)],
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
    )
    if check and done.returncode != 0:
        raise RuntimeError(f"{name} {arguments}: {done.stdout}{done.stderr}")
    return done


@functools.cache
def bindir() -> str:
    """The folder of PostgreSQL's programs."""
    return shell_function("bindir").stdout.strip()


def as_server_user(*command: str | Path, check: bool = True) -> str:
    """Runs a program as the user that servers run as (postgres when this is root), and returns
    what it printed."""
    return shell_function("as_server_user", *command, check=check).stdout.strip()


def as_root(*command: str | Path, check: bool = True, daemon: bool = False) -> str:
    """Runs a program as root, with sudo where that needs no password, and returns what it printed."""
    return shell_function("as_root", *command, check=check, daemon=daemon).stdout or ""


def can_be_root() -> bool:
    """Whether `as_root` would work."""
    return shell_function("can_be_root", check=False).returncode == 0


def output(*command: str | Path) -> str:
    """What a program printed, which has to succeed."""
    return subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout.strip()


def free_port() -> int:
    """A TCP port of localhost that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextlib.contextmanager
def folder(prefix: str, owner: str | None = None) -> Iterator[Path]:
    """A folder in /tmp, so that its path is short, that everybody may enter; removed afterwards
    whoever owns what is in it. `owner="server"` gives it to the user that servers run as."""
    if owner == "server":
        path = Path(as_server_user("mktemp", "-d", f"/tmp/{prefix}.XXXXXX"))
    else:
        path = Path(tempfile.mkdtemp(prefix=f"{prefix}.", dir="/tmp"))
        path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        if path.exists():
            as_root("rm", "-rf", path)
