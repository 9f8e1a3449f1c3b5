"""Which files of sql/ make up the extension is said in sql/order.txt, and a slip there is an error."""

import shutil
import subprocess
from pathlib import Path

import pytest
from support.system import PROJECT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    for script in ("extension_sql", "lib.sh"):
        shutil.copy(PROJECT / "scripts" / script, tmp_path / "scripts")
    (tmp_path / "sql/room").mkdir(parents=True)
    (tmp_path / "sql/first.sql").write_text("SELECT 1;\n")
    (tmp_path / "sql/room/second.sql").write_text("SELECT 2;\n")
    (tmp_path / "sql/order.txt").write_text("first.sql\nroom/second.sql\n")
    return tmp_path


def extension_sql(project: Path) -> subprocess.CompletedProcess:
    return subprocess.run([project / "scripts/extension_sql"], capture_output=True, text=True)


def test_the_order_is_kept(project: Path):
    (project / "sql/order.txt").write_text("room/second.sql\nfirst.sql\n")
    assert extension_sql(project).stdout == "SELECT 2;\nSELECT 1;\n"


@pytest.mark.parametrize(
    ("order", "complaint"),
    [
        ("first.sql\nroom/second.sql\nfirst.sql\n", "lists files twice: first.sql"),
        ("first.sql\nroom/second.sql\nthird.sql\n", "lists files that are not there: third.sql"),
        ("first.sql\n", "does not list all files: room/second.sql"),
        ("", "does not list all files: first.sql room/second.sql"),
    ],
)
def test_a_slip_is_an_error(project: Path, order: str, complaint: str):
    (project / "sql/order.txt").write_text(order)
    done = extension_sql(project)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert done.stdout == ""


def test_lines_can_be_read():
    long = [
        f"{file.relative_to(PROJECT)}:{number}"
        for file in sorted((PROJECT / "sql").rglob("*.sql"))
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if len(line) > 120
    ]
    assert long == []
