"""Real mail from ../shared/corpora, and how it gets into tables."""

import gzip
import json
from collections.abc import Iterable, Iterator

from support.sessions import Session
from support.system import CORPORA


def read(corpus: str) -> Iterator[dict]:
    """The mails of NAME.jsonl.gz: {"id": ..., "split": "train" | "test" | null, "label": ..., "text": ...}."""
    with gzip.open(CORPORA / f"{corpus}.jsonl.gz", "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def copy_rows(session: Session, into: str, rows: Iterable[tuple]) -> None:
    """COPY; `into` is a table with columns."""
    with session.cursor().copy(f"COPY {into} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
