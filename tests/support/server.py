"""Private servers, as scripts/cluster makes them, and the databases in them."""

import contextlib
import functools
import itertools
import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from support.psql import Psql, PsqlResult, libpq_environment, run_psql
from support.sessions import Session, open_session
from support.system import PROJECT, as_server_user, bindir


class Server:
    """A server of scripts/cluster: `host` is the folder of its socket. Settings are written
    "name=value"; `fsync=off` comes first, so that it can be overruled."""

    def __init__(self, name: str, *settings: str):
        self.name, self.settings = name, ["fsync=off", *settings]
        self.template: str | None = None
        self.numbers = itertools.count(1)

    def __repr__(self) -> str:
        return f"<server {self.name}>"

    def cluster(self, command: str, *settings: str) -> str:
        """One call of scripts/cluster."""
        # Not a pipe, which the server would inherit and keep open.
        with tempfile.TemporaryFile("w+") as out:
            done = subprocess.run(
                [PROJECT / "scripts/cluster", command, self.name, *settings],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
            out.seek(0)
            printed = out.read()
        if done.returncode != 0:
            raise RuntimeError(f"scripts/cluster {command} {self.name}: {printed}")
        return printed.strip()

    # ---- what it is -----------------------------------------------------------------

    @functools.cached_property
    def directory(self) -> Path:
        """The folder with everything."""
        return Path(self.cluster("dir").splitlines()[-1])

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.directory / "data"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.directory / "log"

    def log_text(self) -> str:
        """All of the log."""
        return self.log.read_text(errors="replace")

    @property
    def bindir(self) -> Path:
        """The folder of PostgreSQL's programs."""
        return Path(bindir())

    def is_running(self) -> bool:
        """Whether somebody can connect."""
        if not (self.directory / "data/postmaster.pid").exists():
            return False
        self.read_address()
        try:
            self.connect("postgres").close()
        except Exception:
            return False
        return True

    def read_address(self) -> None:
        """Learns host, port and user."""
        exports = dict(word.split("=", 1) for word in shlex.split(self.cluster("env").splitlines()[-1])[1:])
        self.host, self.port, self.user = exports["PGHOST"], exports["PGPORT"], exports["PGUSER"]

    # ---- starting and stopping ---------------------------------------------------------

    def start(self) -> None:
        """Starts it with its settings; makes it first where that is needed."""
        self.cluster("start", *self.settings)
        self.read_address()

    def stop(self, mode: str = "fast") -> None:
        """Stops it; `immediate` is a crash without killing anything."""
        self.pg_ctl("stop", "-w", "-s", "-m", mode)

    def restart(self, *settings: str, mode: str = "fast") -> None:
        """Stops and starts it, with other settings if there are any."""
        self.stop(mode)
        if settings:
            self.settings = ["fsync=off", *settings]
        self.start()

    def remove(self) -> None:
        """Stops it and deletes its data."""
        self.cluster("remove")

    def pg_ctl(self, *arguments: str) -> str:
        """pg_ctl on its data directory, as the user that owns that."""
        return as_server_user(f"{bindir()}/pg_ctl", *arguments, "-D", self.data)

    # ---- going in ------------------------------------------------------------------

    def address(self, **parameters: Any) -> dict[str, Any]:
        """libpq's parameters for it."""
        return {"host": self.host, "port": self.port, "user": self.user} | {
            k: v for k, v in parameters.items() if v is not None
        }

    def connect(self, dbname: str = "postgres", user: str | None = None, **parameters: Any) -> Session:
        """A session that the caller closes; see `open_session` for the parameters."""
        return open_session(**self.address(dbname=dbname, user=user), **parameters)

    def run(self, sql: str) -> None:
        """Runs one statement in database postgres as the superuser."""
        with self.connect() as session:
            session.run(sql)

    def environment(self, dbname: str = "postgres", user: str | None = None, **parameters: Any) -> dict[str, str]:
        """For client programs that run beside the test."""
        return libpq_environment(**self.address(dbname=dbname, user=user), **parameters)

    def make_template(self) -> None:
        """From now on databases are copies of one that has the extension."""
        name = f"template_{os.getpid()}"
        with self.database(name, drop=False):
            pass
        self.template = name

    @contextlib.contextmanager
    def database(self, name: str | None = None, extension: bool = True, drop: bool = True) -> Iterator["Database"]:
        """A new database, with the extension unless told otherwise; dropped afterwards with the
        roles that were made through it."""
        # Another run of pytest may use this server, too.
        name = name or f"test_{os.getpid()}_{next(self.numbers)}"
        copied = extension and self.template is not None
        self.run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self.run(f'CREATE DATABASE "{name}"' + (f" TEMPLATE {self.template}" if copied else ""))
        database = Database(self, name)
        try:
            if extension and not copied:
                database.run("CREATE EXTENSION pg_triage")
            yield database
        finally:
            database.close()
            if drop:
                self.drop(database)

    def drop(self, database: "Database") -> None:
        """Drops the database and its roles, if the server still runs."""
        try:
            session = self.connect()
        except psycopg.OperationalError:
            return
        with session:
            session.run(f'DROP DATABASE IF EXISTS "{database.name}" WITH (FORCE)')
            for role in reversed(database.roles):
                session.run(f'DROP ROLE IF EXISTS "{role}"')


class Database:
    """A database of a server. Its own `run`, `value`, `row`, `rows`, `column` and `explain` ask in
    one session of the superuser, which is opened when it is first needed."""

    def __init__(self, server: Server, name: str):
        self.server, self.name = server, name
        self.roles: list[str] = []
        self.sessions: list[Session] = []
        self.psqls: list[Psql] = []
        self.own: Session | None = None

    def __repr__(self) -> str:
        return f"<database {self.name}>"

    @property
    def session(self) -> Session:
        """The session behind `run`, `value` and so on."""
        if self.own is None or self.own.closed:
            self.own = self.connect()
        return self.own

    def connect(self, user: str | None = None, **parameters: Any) -> Session:
        """Another session: of this user, with `settings={"name": value}`, `autocommit=False` or
        libpq's parameters. Closed with the database, or by `with`."""
        session = self.server.connect(self.name, user, **parameters)
        self.sessions.append(session)
        return session

    def run(self, sql: str, *params: Any):
        """Runs SQL: `Session.run`."""
        return self.session.run(sql, *params)

    def rows(self, sql: str, *params: Any) -> list[tuple]:
        """The rows: `Session.rows`."""
        return self.session.rows(sql, *params)

    def row(self, sql: str, *params: Any) -> tuple:
        """The only row: `Session.row`."""
        return self.session.row(sql, *params)

    def value(self, sql: str, *params: Any) -> Any:
        """The only value: `Session.value`."""
        return self.session.value(sql, *params)

    def column(self, sql: str, *params: Any) -> list:
        """The only value of each row: `Session.column`."""
        return self.session.column(sql, *params)

    def explain(self, sql: str, options: str = "COSTS off") -> str:
        """The plan: `Session.explain`."""
        return self.session.explain(sql, options)

    def role(self, name: str, *member_of: str) -> str:
        """Makes a role that can log in and is a member of these; dropped after the database."""
        self.run(f'DROP ROLE IF EXISTS "{name}"')
        self.run(f'CREATE ROLE "{name}" LOGIN' + (f" IN ROLE {', '.join(member_of)}" if member_of else ""))
        self.roles.append(name)
        return name

    def psql(
        self, sql: str, user: str | None = None, *options: str, check: bool = True, **parameters: Any
    ) -> PsqlResult:
        """Runs a script in psql, each statement a transaction of its own, up to the first error."""
        return run_psql(sql, self.environment(user, **parameters), *options, check=check)

    def psql_session(self, user: str | None = None, **parameters: Any) -> Psql:
        """A psql that stays connected until the database is dropped."""
        psql = Psql(self.environment(user, **parameters))
        self.psqls.append(psql)
        return psql

    def environment(self, user: str | None = None, **parameters: Any) -> dict[str, str]:
        """PGHOST, PGDATABASE and so on for client programs."""
        return self.server.environment(self.name, user, **parameters)

    def close(self) -> None:
        """Closes all its sessions."""
        for one in [*self.sessions, *self.psqls]:
            with contextlib.suppress(Exception):
                one.close()
        self.sessions.clear()
        self.psqls.clear()


@contextlib.contextmanager
def new_server(name: str, *settings: str) -> Iterator[Server]:
    """A server of its own, removed afterwards."""
    server = Server(name, *settings)
    server.remove()
    try:
        server.start()
        yield server
    finally:
        server.remove()


class Bystander:
    """A session that does nothing. A crash of any session ends it, and all others."""

    def __init__(self, database: Database):
        self.session = database.connect()
        self.started = self.start_time()

    def start_time(self):
        """When the server started."""
        return self.session.value("SELECT pg_postmaster_start_time()")

    def check(self) -> None:
        """Fails unless the session is alive and the server never restarted."""
        assert self.session.value("SELECT pg_backend_pid()") == self.session.pid
        assert self.start_time() == self.started
