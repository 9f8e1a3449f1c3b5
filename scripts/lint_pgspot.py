"""Has pgspot look for objects of other people's that the extension's SQL, which superusers run, could
be led to. pgspot gives up at what it cannot read, so it gets one statement at a time, and what
it cannot read is a finding, too. Findings that pgspot.toml gives a reason for are none; a reason
without a finding is one.

    lint_pgspot.py        prints what is left, and fails if that is anything
"""

import re
import sys
import tomllib
from argparse import Namespace
from pathlib import Path

import pglast
from pgspot.codes import codes
from pgspot.state import Counter, State
from pgspot.visitors import visit_sql

PROJECT = Path(__file__).resolve().parents[1]


class Findings(Counter):
    """Collects what pgspot would print."""

    def __init__(self):
        super().__init__(Namespace(plpgsql=True, ignore=[], ignore_lang=[], sql_fn=[], proc_without_search_path=[]))
        self.found: list[str] = []

    def print_issue(self, code, context):
        self.found.append(f"{code} {codes[code]['title']}: {context}")

    def unknown(self, message):
        self.found.append(f"unknown: {message}")


def first_line(statement: str) -> str:
    """What a statement is about: its first line that is no comment."""
    lines = (line.strip() for line in statement.splitlines())
    return next((line for line in lines if line and not line.startswith("--")), "")


def findings(state: State, script: str):
    """Yields each finding with the place of its statement."""
    # CREATE EXTENSION puts a name there.
    for statement in pglast.split(script.replace("@extschema@", "extschema")):
        state.counter.found.clear()
        try:
            visit_sql(state, statement, toplevel=True)
        except Exception as error:
            # Of pgspot's or of the parser that it uses, whatever they are.
            state.counter.found.append(f"cannot be read: {error}".strip())
        for finding in state.counter.found:
            yield finding, first_line(statement)


def main():
    exempt = tomllib.loads((PROJECT / "pgspot.toml").read_text())["exempt"]
    used = set()
    complaints = []
    order = (PROJECT / "sql/order.txt").read_text().split()
    # One for all files, because the search_path that the first one sets holds in all.
    state = State(Findings())
    for name in order:
        for finding, statement in findings(state, (PROJECT / "sql" / name).read_text()):
            line = f"{finding} [{statement}]"
            reasons = [n for n, one in enumerate(exempt) if re.search(one["finding"], line)]
            used.update(reasons)
            if not reasons:
                complaints.append(f"sql/{name}: {line}")
    complaints += [
        f"pgspot.toml: nothing is found any more like {one['finding']!r}"
        for n, one in enumerate(exempt)
        if n not in used
    ]
    print(*complaints, sep="\n")
    print(f"{len(order)} files, {len(complaints)} findings")
    sys.exit(bool(complaints or not order))


if __name__ == "__main__":
    main()
