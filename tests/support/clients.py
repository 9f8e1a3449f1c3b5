"""psql, psycopg and JDBC behind the same few verbs, each as its users write it.

`run` one statement with `?` for parameters; `many` runs it for each row of parameters in one
transaction; `read` a row into a form and `write` all its columns back with one changed; `copy` a CSV
file in; `rolled_back` around what shall not stay. What a client says is a `Result`.
"""

import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from support.server import Database
from support.sessions import literal
from support.system import PROJECT

JDBC_DRIVERS = [Path("/usr/share/java/postgresql.jar"), Path("/usr/share/java/postgresql-jdbc.jar")]


class Result:
    """What the client says: rows of strings, how many it changed or returned, its error."""

    def __init__(self, rows=(), count: int | None = None, sqlstate: str | None = None, message: str = ""):
        self.rows = [list(row) for row in rows]
        self.count, self.sqlstate, self.message = count, sqlstate, message

    def __repr__(self) -> str:
        return f"<rows {self.rows[:3]}, count {self.count}, {self.sqlstate}: {self.message}>"


class PsqlClient:
    """Parameters are written as literals, and many statements are a script."""

    name, application = "psql", "psql"

    def __init__(self, database: Database, user: str):
        self.psql = database.psql_session(user)
        self.psql.ask("\\pset null '\\\\N'")

    def run(self, sql: str, *params: Any) -> Result:
        texts = iter("NULL" if p is None else literal(str(p)) for p in params)
        return self.ask("".join(next(texts) if c == "?" else c for c in sql) + ";")

    def ask(self, line: str) -> Result:
        """An SQL statement or a psql command, complete."""
        mark = "--- result "
        answer = self.psql.ask(f"{line}\n\\echo '{mark}':ROW_COUNT")
        lines, _, count = answer.rpartition(mark)
        # Not psql's variable SQLSTATE: after a \copy that failed it tells of success.
        error = re.search(r"(?:ERROR|FATAL|PANIC):  (\w{5}): (.*)", lines)
        if error:
            return Result(sqlstate=error[1], message=error[2])
        return Result([[None if v == "\\N" else v for v in row.split("|")] for row in lines.splitlines()], int(count))

    def many(self, sql: str, params) -> Result:
        self.ask("BEGIN;")
        count = 0
        for row in params:
            result = self.run(sql, *row)
            if result.sqlstate:
                self.ask("ROLLBACK;")
                return result
            count += result.count
        self.ask("COMMIT;")
        return Result(count=count)

    def read(self, sql: str, *params: Any) -> None:
        self.psql.ask(r"\pset tuples_only off")
        names, *values = self.run(sql, *params).rows
        self.psql.ask(r"\pset tuples_only on")
        self.form = dict(zip(names, values[0], strict=True))

    def write(self, table: str, key: str, column: str, value: Any) -> Result:
        sent = {**self.form, column: value}
        columns = ", ".join(f"{c} = ?" for c in sent)
        return self.run(f"UPDATE {table} SET {columns} WHERE {key} = ?", *sent.values(), self.form[key])

    def copy(self, table: str, columns: str, csv: str) -> Result:
        with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
            file.write(csv)
            file.flush()
            return self.ask(f"\\copy {table} ({columns}) FROM '{file.name}' WITH (FORMAT csv)")

    @contextmanager
    def rolled_back(self) -> Iterator[None]:
        self.ask("BEGIN;")
        yield
        self.ask("ROLLBACK;")

    def close(self) -> None:
        self.psql.close()


class PsycopgClient:
    """Prepared in the server from the first time on."""

    name, application = "psycopg", "doors desk"

    def __init__(self, database: Database, user: str):
        self.db = database.connect(user, application_name=self.application, prepare_threshold=0)

    def attempt(self, work) -> Result:
        try:
            with self.db.cursor() as cursor:
                work(cursor)
                found = cursor.fetchall() if cursor.description else []
                return Result([[None if v is None else str(v) for v in row] for row in found], cursor.rowcount)
        except psycopg.Error as error:
            return Result(sqlstate=error.sqlstate, message=error.diag.message_primary or str(error))

    def run(self, sql: str, *params: Any) -> Result:
        return self.attempt(lambda cursor: cursor.execute(sql.replace("?", "%s"), params))

    def many(self, sql: str, params) -> Result:
        def work(cursor):
            with self.db.transaction():
                cursor.executemany(sql.replace("?", "%s"), params)

        return self.attempt(work)

    def read(self, sql: str, *params: Any) -> None:
        with self.db.cursor() as cursor:
            cursor.execute(sql.replace("?", "%s"), params)
            self.form = dict(zip([column.name for column in cursor.description], cursor.fetchone(), strict=True))

    write = PsqlClient.write

    def copy(self, table: str, columns: str, csv: str) -> Result:
        def work(cursor):
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN WITH (FORMAT csv)") as copy:
                copy.write(csv)

        return self.attempt(work)

    @contextmanager
    def rolled_back(self) -> Iterator[None]:
        with self.db.transaction(force_rollback=True):
            yield

    def close(self) -> None:
        self.db.close()


class JdbcClient:
    """A connection in a program of its own, Doors.java."""

    name, application = "JDBC", "PostgreSQL JDBC Driver"
    class_path: str | None = None

    def __init__(self, database: Database, user: str):
        socket = f"{database.server.host}/.s.PGSQL.{database.server.port}"
        self.program = subprocess.Popen(
            ["java", "-XX:TieredStopAtLevel=1", "-cp", self.class_path, "Doors", socket, user, database.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def request(self, kind: str, *fields: Any) -> Result:
        def escape(field):
            if field is None:
                return "\\N"
            return str(field).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")

        self.program.stdin.write("\t".join([kind, *map(escape, fields)]) + "\n")
        self.program.stdin.flush()
        found = []
        for line in self.program.stdout:
            answer, *values = [None if v == "\\N" else v for v in line.rstrip("\n").split("\t")]
            if answer == "row":
                found.append(values)
            elif answer == "done":
                return Result(found, int(values[0]))
            else:
                return Result(sqlstate=values[0], message=values[1])
        raise RuntimeError("the JDBC program ended")

    @staticmethod
    def typed(params) -> list[str | None]:
        return [None if p is None else f"{'i' if isinstance(p, int) else 's'}{p}" for p in params]

    def run(self, sql: str, *params: Any) -> Result:
        return self.request("run", sql, *self.typed(params))

    def many(self, sql: str, params) -> Result:
        return self.request("batch", sql, len(params[0]), *(v for row in params for v in self.typed(row)))

    def edit(self, sql: str, **values: Any) -> Result:
        """An updatable result set: sets these columns of each row."""
        return self.request("edit", sql, *(f for column, v in values.items() for f in (column, *self.typed([v]))))

    def read(self, sql: str, *params: Any) -> None:
        self.request("read", sql, *self.typed(params))

    def write(self, table: str, key: str, column: str, value: Any) -> Result:
        return self.request("write", table, key, column, value)

    def copy(self, table: str, columns: str, csv: str) -> Result:
        return self.request("copy", f"COPY {table} ({columns}) FROM STDIN WITH (FORMAT csv)", csv)

    @contextmanager
    def rolled_back(self) -> Iterator[None]:
        self.request("begin", "")
        yield
        self.request("rollback", "")

    def close(self) -> None:
        self.program.stdin.close()
        self.program.stdout.close()
        self.program.wait()

    @classmethod
    def compile(cls, folder: Path) -> str | None:
        """Compiles the program; says why JDBC cannot be used, if that is so."""
        driver = next((path for path in JDBC_DRIVERS if path.exists()), None)
        if not driver:
            return "JDBC: the driver is missing (Debian: libpostgresql-jdbc-java)"
        # The compiler is a module of the runtime, which comes without the command javac.
        compiler = ["java", "-m", "jdk.compiler/com.sun.tools.javac.Main"]
        try:
            version = subprocess.run([*compiler, "-version"], capture_output=True, text=True)
        except FileNotFoundError:
            return "JDBC: java is missing (Debian: default-jre-headless)"
        if version.returncode != 0:
            return "JDBC: this java cannot compile"
        major = int(re.search(r"\d+", version.stdout + version.stderr)[0])
        if major < 16:
            return f"JDBC: java {major} knows no Unix sockets, 16 does"
        source = PROJECT / "tests/support/Doors.java"
        subprocess.run([*compiler, "-encoding", "UTF-8", "-d", folder, "-cp", driver, source], check=True)
        cls.class_path = f"{folder}:{driver}"
        return None
