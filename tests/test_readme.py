"""The SQL on the pages prints what they show.

All ```sql blocks of a page run in order, in one psql session and a database of the page's own; each is a test. A ```text or ```output block that
follows one, with only blank lines between, is its output: it has to match line by line, trailing blanks
aside; a line `...` stands for any number of lines. A block below the comment <!-- readme: skip --> is
left out. An error ends the session, and a new one goes on; the block passes only if the page shows the
error.
"""

import contextlib
import difflib
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.psql import Psql, PsqlEnded
from support.system import PROJECT

FENCE = re.compile(r"^( *)(```+|~~~+) *([\w-]*)")
SKIP = re.compile(r"^\s*<!--\s*readme:\s*skip\s*-->\s*$")
PSQL = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-P", "pager=off"]


@dataclass
class Block:
    """SQL on the page, and what the page shows below it."""

    line: int
    sql: list[str]
    expected: list[str] | None = None
    skip: bool = False

    def __str__(self) -> str:
        first = next((text.strip() for text in self.sql if text.strip()), "")
        return f"line {self.line}: {first[:50]}"


def fenced_blocks(lines: list[str]) -> Iterator[tuple[int, str, list[str], list[str]]]:
    """Line number, language, content, and the lines since the previous block."""
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
        yield start + 1, language, [text.removeprefix(indent) for text in lines[start + 1 : number]], between
        between = []
        number += 1


def read_page(text: str) -> list[Block]:
    """The page's blocks of SQL."""
    blocks, previous = [], None
    for line, language, content, between in fenced_blocks(text.splitlines()):
        said = [text for text in between if text.strip()]
        if language == "sql":
            previous = Block(line, content, skip=bool(said) and bool(SKIP.match(said[-1])))
            blocks.append(previous)
            continue
        if language in ("text", "output"):
            # Else the comparison would be gone without a word.
            assert previous and not said, f"line {line}: this output belongs to no statement right above it"
            previous.expected = content
        previous = None
    return blocks


def trimmed(lines: list[str]) -> list[str]:
    """Without trailing blanks, and without empty lines around."""
    return "\n".join(text.rstrip() for text in lines).strip("\n").split("\n")


def matches(expected: list[str], actual: list[str]) -> bool:
    """A line `...` stands for any number of lines, none included."""
    pattern = "".join(r"(?:.*\n)*?" if text.strip() == "..." else re.escape(text) + r"\n" for text in expected)
    return re.fullmatch(pattern, "".join(text + "\n" for text in actual)) is not None


class Reader:
    """Somebody who types the page into psql, and starts it again after an error."""

    def __init__(self, environment: dict[str, str]):
        self.environment, self.psql = environment, None

    def run(self, block: Block) -> tuple[list[str], bool]:
        """The lines printed, and whether psql is still there."""
        if not self.psql:
            self.psql = Psql(self.environment, *PSQL)
            self.psql.ask(f"\\cd {PROJECT}")
        try:
            return self.psql.ask("\n".join(block.sql)).splitlines(), True
        except PsqlEnded as ended:
            self.close()
            return str(ended).splitlines(), False

    def close(self) -> None:
        if self.psql:
            self.psql.close()
        self.psql = None


@pytest.fixture(scope="module")
def readers(server):
    """For each page, in a database as the page finds it."""
    with contextlib.ExitStack() as stack:

        @functools.cache
        def reader(page: str) -> Reader:
            name = f"page_{Path(page).stem.lower()}"
            database = stack.enter_context(server.database(name, extension=page not in THAT_BEGIN))
            reader = Reader(database.environment())
            stack.callback(reader.close)
            return reader

        yield reader


# These begin with CREATE EXTENSION.
THAT_BEGIN = ["README.md", "docs/reference.md"]
PAGES = {
    page: read_page((PROJECT / page).read_text())
    for page in [*THAT_BEGIN, "docs/applications.md", "docs/operations.md"]
}


@pytest.mark.parametrize("page", PAGES)
def test_the_page_has_blocks(page):
    assert len(PAGES[page]) >= (5 if page in THAT_BEGIN else 1)


@pytest.mark.parametrize(
    ("page", "block"),
    [pytest.param(page, block, id=f"{page}, {block}") for page, blocks in PAGES.items() for block in blocks],
)
def test_block(readers, page, block):
    if block.skip:
        pytest.skip("the page says so")
    printed, alive = readers(page).run(block)
    actual = trimmed(printed)
    if block.expected is None:
        assert alive, "\n".join(actual)
        return
    wanted = trimmed(block.expected)
    difference = "\n".join(difflib.unified_diff(wanted, actual, "in the page", "printed", lineterm=""))
    assert matches(wanted, actual), difference


def linked(page: str) -> list[str]:
    """Files of the project that a page links to, relative to its own folder, with the heading after #."""
    return re.findall(r"\]\((?!https?:)([^)\s]+)\)", (PROJECT / page).read_text())


def headings(page: Path) -> set[str]:
    """How the headings of a page are linked to."""
    lines = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


@pytest.mark.parametrize(
    "page", sorted(str(p.relative_to(PROJECT)) for p in [*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md")])
)
def test_links_lead_somewhere(page):
    for link in linked(page):
        path, _, heading = link.partition("#")
        target = (PROJECT / page).parent / path if path else PROJECT / page
        assert target.exists(), f"{page}: {link}"
        assert not heading or heading in headings(target), f"{page}: {link}"


# ---- the reading of pages itself ---------------------------------------------------------------------


def test_output_belongs_to_the_block_above_it():
    page = "```sql\nSELECT 1;\n```\n\n```text\n one\n```\n<!-- readme: skip -->\n```sql\nx\n```\n"
    shown, skipped = read_page(page)
    assert (shown.sql, shown.expected, shown.skip) == (["SELECT 1;"], [" one"], False)
    assert (skipped.expected, skipped.skip) == (None, True)


@pytest.mark.parametrize("between", ["```text\ntwice\n```\n", "It prints:\n"])
def test_output_that_belongs_to_nothing_is_an_error(between):
    with pytest.raises(AssertionError, match="belongs to no statement"):
        read_page(f"```sql\nSELECT 1;\n```\n{between}```text\n one\n```\n```text\n two\n```\n")


def test_dots_stand_for_any_number_of_lines():
    assert matches(["a", "...", "c"], ["a", "b", "b", "c"])
    assert matches(["a", "...", "c"], ["a", "c"])
    assert not matches(["a", "...", "c"], ["a", "b"])
    assert not matches(["a"], ["a", "b"])
