"""What a session takes of a processor: what else the machine does is not in it."""

from pathlib import Path

import pytest

from support.sessions import Session


def has_proc() -> bool:
    """Whether the system tells what a process takes."""
    return Path("/proc/self/schedstat").exists()


needs_proc = pytest.mark.skipif(not has_proc(), reason="no /proc to see a session's time in")


def processor_seconds(session: Session) -> float:
    """What the session's process has taken since it began, in user and kernel mode; processes that help
    it with a parallel query are not in it."""
    return int(Path(f"/proc/{session.pid}/schedstat").read_text().split()[0]) / 1e9


def processor_milliseconds(session: Session, sql: str, *params: object) -> float:
    """What a statement takes. The busier a machine, the more of a long statement is not in it: so
    figures of long and short ones can be compared."""
    before = processor_seconds(session)
    session.run(sql, *params)
    return 1000 * (processor_seconds(session) - before)
