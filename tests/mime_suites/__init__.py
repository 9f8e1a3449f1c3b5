"""The test messages of a dozen mail parsers (mime_suites.tar.gz), read with parse_email and with
Python's `email`.

Each disagreement has to have a verdict in verdicts.tsv: file, field, who is right (ours, python,
both), why. docs/mime_suites.md shows them; `python -m mime_suites --write` makes it."""

import json
import os
import re
import tarfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from support.server import Database
from support.system import CORPORA, PROJECT

from .python_email import python_reading

ARCHIVE = CORPORA / "mime_suites.tar.gz"
VERDICTS = Path(__file__).parent / "verdicts.tsv"
PAGE = PROJECT / "docs/mime_suites.md"
FIELDS = "subject", "sender", "date", "text"


class Disagreement(NamedTuple):
    """What both read of a field of a message; without what does not count."""

    file: str
    field: str
    python: str
    ours: str

    def __str__(self) -> str:
        at = max(len(os.path.commonprefix([self.python, self.ours])) - 60, 0)
        python, ours = self.python[at : at + 300], self.ours[at : at + 300]
        return f"{self.file}\t{self.field}, from {at}\npython: {python!r}\nours:   {ours!r}"


def messages() -> dict[str, bytes]:
    """File name and raw message of those that are well-formed for Python."""
    with tarfile.open(ARCHIVE) as archive:
        files = {m.name.removeprefix("mime_suites/"): archive.extractfile(m).read() for m in archive if m.isfile()}
    listed = [json.loads(line) for line in files["MANIFEST.jsonl"].decode().splitlines()]
    return {m["file"]: files[m["file"]] for m in listed if m["ref_defects"] == 0 and not m["nul"]}


def verdicts() -> dict[tuple[str, str], tuple[str, str]]:
    """Who is right, and why, of a file and field."""
    lines = [line.split("\t") for line in VERDICTS.read_text().splitlines() if line and not line.startswith("#")]
    return {(file, field): (right, why) for file, field, right, why in lines}


def our_readings(database: Database, files: dict[str, bytes]) -> list[tuple[dict, bool]]:
    """What parse_email reads of each, and whether it was cut."""
    rows = database.rows(
        """SELECT subject, sender, extract(epoch FROM sent_at)::bigint, body, truncated
             FROM unnest(%s::bytea[]) WITH ORDINALITY AS m (raw, i), parse_email(raw) ORDER BY i""",
        list(files.values()),
    )
    return [(dict(zip(FIELDS, fields)), truncated) for *fields, truncated in rows]


def disagreements(database: Database, files: dict[str, bytes]) -> Iterator[Disagreement]:
    """Where the two read something else."""
    for (file, raw), (ours, truncated) in zip(files.items(), our_readings(database, files), strict=True):
        python = python_reading(raw)
        for field in FIELDS:
            if not _agree(field, python[field], ours[field], truncated, python["told"]):
                yield Disagreement(file, field, _counted(python[field]), _counted(ours[field]))


def _agree(field, python, ours, truncated, told):
    if field == "text" and told:
        return _has_lines(_counted(ours), map(_counted, python.splitlines()))
    if field == "date":
        return python is None or python == ours  # ours may be of a Received field
    python, ours = _counted(python), _counted(ours)
    return python == ours or truncated and ours and python.startswith(ours)


def _has_lines(text, lines):
    """Whether the lines are in the text, one behind the other."""
    at = 0
    for line in lines:
        at = text.find(line, at)
        if at < 0:
            return False
        at += len(line)
    return True


def _counted(value):
    """Without white space, control characters, and the hosts of links."""
    value = re.sub(r"\((?:https?|ftp)://[^\s()/]+\)", "", "" if value is None else str(value))
    return "".join(c for c in value if not c.isspace() and unicodedata.category(c) != "Cc")


def share_of_agreement(files: dict[str, bytes], found: list[Disagreement]) -> float:
    """The part of the messages that both read alike."""
    return 1 - len({one.file for one in found}) / len(files)


def page(files: dict[str, bytes], found: list[Disagreement]) -> str:
    """The text of PAGE."""
    known = verdicts()
    lines = [f"| {file} | {field} | {' | '.join(known[file, field])} |" for file, field, *_ in sorted(found)]
    return f"""# parse_email beside Python's email

`PYTHONPATH=tests target/tools/bin/python -m mime_suites --write` made this page: {len(files)} messages from the test suites of a dozen mail parsers, in which Python's `email` finds no defect, read with both. On {100 * share_of_agreement(files, found):.1f} % of them subject, sender, date and text are the same. The rest is below, with who is right; the verdicts are kept in `tests/mime_suites/verdicts.tsv`.

How it is compared: Python decodes (`email.policy.default`), and from its parts a mail program's text is put together: of alternatives the plain one, or the HTML if that is blank, of related parts the first that is text, all others that are text (`text/*`, but calendars and cards) and no attachment, then messages within and headers of returned ones, with subject and sender. HTML is stripped of its tags and unescaped. White space, control characters and the hosts that parse_email tells behind links do not count, nor what is beyond a limit; a date counts where Python finds one.

Where Python leaves to its caller what any mail program does, the comparison does it for Python, so that what is left are readings and no lacks:

- Bytes that Python leaves undecoded, in a header or under a charset that it does not know, are UTF-8 or else windows-1252. Bytes that are UTF-8 are that under other labels, too; GB2312, KS C 5601, Shift_JIS and ISO-8859-1 are the wider charsets that browsers take them for.
- A comment in a date is left out before Python reads it (RFC 5322 allows it anywhere; Python stops there).
- An address as unquoted name before the address in angle brackets is a name. Python takes it for the address.
- Where a message has no other text, its attached text is its text. A document without any header is HTML if it begins as such.
- Files that are encoded in a text (uuencode, Base64) are attachments: they are cut from it.
- Of a message with a calendar or delivery status, all lines that Python reads have to be there, in order; what parse_email tells of the calendar or status besides, which Python has no reader for, does not count.

| file | field | right | why |
|---|---|---|---|
{chr(10).join(lines)}
"""
