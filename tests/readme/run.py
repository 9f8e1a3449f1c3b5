#!/usr/bin/env python3
"""Runs the SQL in a Markdown page and compares what it prints with what the page shows.

    run.py PAGE.md        connects as psql does (PGHOST, PGDATABASE, ...)

All ```sql blocks run in order, in one psql session. A ```text or ```output block
that follows one, with only blank lines between, is its output: it has to match line
by line, trailing blanks aside; a line `...` stands for any number of lines. A block
below the comment <!-- readme: skip --> is left out. One test per block. An error ends
the session, and a new one goes on; the block passes only if the page shows the error.
"""

import difflib
import re
import subprocess
import sys
from dataclasses import dataclass

FENCE = re.compile(r"^( *)(```+|~~~+) *([\w-]*)")
SKIP = re.compile(r"^\s*<!--\s*readme:\s*skip\s*-->\s*$")
MARK = "--- end of block ---"


@dataclass
class Block:
    line: int
    sql: list
    expected: list | None = None
    skip: bool = False

    def title(self, page):
        first = next((text.strip() for text in self.sql if text.strip()), "")
        return f"{page}:{self.line} {first[:60]}"


def fenced_blocks(lines):
    """Yields (line number, language, content, lines since the previous block)."""
    between, number = [], 0
    while number < len(lines):
        fence = FENCE.match(lines[number])
        if not fence:
            between.append(lines[number])
            number += 1
            continue
        indent, mark, language = fence.groups()
        start = number
        number += 1
        while number < len(lines) and lines[number].strip() != mark:
            number += 1
        content = [text[len(indent):] if text.startswith(indent) else text for text in lines[start + 1:number]]
        yield start + 1, language, content, between
        between = []
        number += 1


def read_page(lines):
    blocks, previous = [], None
    for line, language, content, between in fenced_blocks(lines):
        said = [text for text in between if text.strip()]
        if language == "sql":
            previous = Block(line, content, skip=bool(said) and bool(SKIP.match(said[-1])))
            blocks.append(previous)
            continue
        if language in ("text", "output") and previous and not said:
            previous.expected = content
        previous = None
    return blocks


def trimmed(lines):
    """Without trailing blanks, and without empty lines around."""
    return "\n".join(text.rstrip() for text in lines).strip("\n").split("\n")


def matches(expected, actual):
    """A line `...` stands for any number of lines, none included."""
    pattern = "".join(r"(?:.*\n)*?" if text.strip() == "..." else re.escape(text) + r"\n" for text in expected)
    return re.fullmatch(pattern, "".join(text + "\n" for text in actual)) is not None


class Session:
    """One psql, fed block by block; its errors come in the same stream as its output."""

    def __init__(self):
        self.psql = subprocess.Popen(
            ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-P", "pager=off"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8")

    def run(self, sql):
        """Returns the lines printed, and whether the session is still alive."""
        try:
            self.psql.stdin.write("\n".join(sql) + f"\n\\echo '{MARK}'\n")
            self.psql.stdin.flush()
        except BrokenPipeError:
            pass
        printed = []
        for text in self.psql.stdout:
            if text.rstrip("\n") == MARK:
                return printed, True
            printed.append(text.rstrip("\n"))
        return printed, False


def check(block, title, session):
    """Runs one block and prints its test line; returns (passed, session alive)."""
    printed, alive = session.run(block.sql)
    actual = trimmed(printed)
    if matches(trimmed(block.expected), actual) if block.expected is not None else alive:
        print(f"ok - {title}", flush=True)
        return True, alive
    print(f"not ok - {title}")
    wanted = trimmed(block.expected or [])
    for text in difflib.unified_diff(wanted, actual, "in the page", "printed", lineterm=""):
        print("    " + text, flush=True)
    return False, alive


def main():
    page = sys.argv[1]
    with open(page, encoding="utf-8") as file:
        blocks = read_page(file.read().splitlines())
    if not blocks:
        sys.exit(f"{page} has no sql block")

    session, failed = Session(), False
    for block in blocks:
        title = block.title(page)
        if block.skip:
            print(f"skip - {title}: the page says so")
            continue
        passed, alive = check(block, title, session)
        failed = failed or not passed
        if not alive:
            session = Session()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
