"""Sessions of psycopg with short ways to ask, and what is said about errors."""

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg

from support.waiting import wait_for


class Session(psycopg.Connection):
    """A connection that commits each statement, unless told otherwise.

    SQL without parameters may be several statements, which are then one transaction (psql in
    contrast commits each). Parameters are `%s`; without them `%` is an ordinary character.
    Values are Python's: int, float, bool, None.
    """

    notices: list[str]

    @property
    def pid(self) -> int:
        """The process in the server."""
        return self.info.backend_pid

    def run(self, sql: str, *params: Any) -> psycopg.Cursor:
        """Runs it; the cursor stands on the last result."""
        cursor = self.execute(sql, params or None)
        while cursor.nextset():
            pass
        return cursor

    def rows(self, sql: str, *params: Any) -> list[tuple]:
        """The rows of the last result."""
        return self.run(sql, *params).fetchall()

    def row(self, sql: str, *params: Any) -> tuple:
        """The only row."""
        (found,) = self.rows(sql, *params)
        return found

    def value(self, sql: str, *params: Any) -> Any:
        """The only value of the only row."""
        (found,) = self.row(sql, *params)
        return found

    def column(self, sql: str, *params: Any) -> list:
        """The only value of each row."""
        return [value for (value,) in self.rows(sql, *params)]

    def explain(self, sql: str, options: str = "COSTS off") -> str:
        """The plan as text; `options` as EXPLAIN takes them."""
        return "\n".join(self.column(f"EXPLAIN ({options}) {sql}"))


def open_session(*, settings: dict[str, Any] | None = None, autocommit: bool = True, **parameters: Any) -> Session:
    """Connects with libpq's parameters and with these settings of the server. Statements are never
    prepared behind one's back: `prepare_threshold=0` prepares each."""
    if settings:
        parameters["options"] = " ".join(
            f"-c {name}={str(value).replace(' ', chr(92) + ' ')}" for name, value in settings.items()
        )
    parameters.setdefault("prepare_threshold", None)
    session = Session.connect(autocommit=autocommit, **parameters)
    session.notices = notices = []
    session.add_notice_handler(lambda notice: notices.append(notice.message_primary))
    return session


@contextlib.contextmanager
def refused(sqlstate: str, *words: str) -> Iterator[None]:
    """What is done inside has to end with one of these SQLSTATEs ("22023 40001": either) and with
    these words in the primary message."""
    try:
        yield
    except psycopg.Error as error:
        message = error.diag.message_primary or str(error)
        assert error.sqlstate in sqlstate.split(), f"wanted {sqlstate}, found {error.sqlstate}: {message}"
        missing = [word for word in words if word not in message]
        assert not missing, f"not in the message: {missing}; the message: {message}"
    else:
        raise AssertionError(f"it was not refused (wanted {sqlstate} {words})")


def error_of(session: Session, sql: str, *params: Any) -> psycopg.Error | None:
    """The error that the SQL ends with, or None."""
    try:
        session.run(sql, *params)
    except psycopg.Error as error:
        return error
    return None


@contextlib.contextmanager
def time_limit(session: Session, milliseconds: float) -> Iterator[None]:
    """Each statement inside is cancelled after that time; afterwards nothing of it is left."""
    session.run(f"SET statement_timeout = {max(int(milliseconds), 1)}")
    try:
        yield
    finally:
        lift_time_limit(session)


def lift_time_limit(session: Session) -> None:
    """Takes the session's time limit away. A limit that is reached in the last instant of a statement,
    when that can no longer be cancelled, cancels the next one; and this one has the limit itself, of a
    millisecond perhaps. So it is said until it gets through."""

    def lifted():
        error = error_of(session, "RESET statement_timeout")
        assert error is None or error.sqlstate == "57014", error
        return error is None

    wait_for(lifted, 20, "a statement gets through")


def literal(text: str) -> str:
    """A string as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
