"""Imports go one way, as docs/architecture.md says, and a change that breaks that is refused."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.system import PROJECT


def lint(root: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, PROJECT / "scripts/lint_layers", root], capture_output=True, text=True, check=False
    )
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what the lint reads."""
    for folder in ("src", "crates"):
        shutil.copytree(PROJECT / folder, tmp_path / folder)
    (tmp_path / "docs").mkdir()
    shutil.copy(PROJECT / "docs/architecture.md", tmp_path / "docs")
    return tmp_path


def append(file: Path, text: str) -> None:
    file.write_text(file.read_text() + text)


def test_the_code_keeps_its_layers(tree: Path):
    assert lint(tree) == (0, "")


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("src/store/mod.rs", "use crate::review::decide;\n", "store must not import review"),
        (
            "src/store/mod.rs",
            "use crate::{error::{report as r}, training::{self}};\n",
            "store must not import training",
        ),
        ("src/pg/mod.rs", "fn f() { crate::session::Actor::new(None); }\n", "pg must not import session"),
        ("src/mail/mod.rs", "use super::review;\n", "mail must not import review"),
    ],
)
def test_an_import_against_the_order_is_refused(tree: Path, file: str, text: str, complaint: str):
    append(tree / file, text)
    status, said = lint(tree)
    assert (status, complaint in said) == (1, True), said


@pytest.mark.parametrize("folder", ["src/pg", "crates/classifier/src", "crates/mail/src"])
def test_a_circle_within_a_folder_is_refused(tree: Path, folder: str):
    here = tree / folder
    front = here / ("mod.rs" if (here / "mod.rs").exists() else "lib.rs")
    append(front, "mod one;\nmod two;\n")
    (here / "one.rs").write_text("use super::two::B;\npub struct A;\n")
    (here / "two.rs").write_text("pub struct B;\n")
    assert "circle" not in lint(tree)[1]
    append(here / "two.rs", "use super::one::A;\n")
    status, said = lint(tree)
    assert status == 1
    assert "a circle of imports" in said


def test_a_file_that_uses_its_folder_is_a_circle(tree: Path):
    append(tree / "src/pg/mod.rs", "mod one;\npub use one::A;\npub struct Front;\n")
    (tree / "src/pg/one.rs").write_text("use super::Front;\npub struct A;\n")
    assert "a circle of imports: pg, pg::one" in lint(tree)[1]


def test_a_new_module_has_to_be_placed(tree: Path):
    append(tree / "src/lib.rs", "mod attic;\n")
    (tree / "src/attic.rs").write_text("")
    assert lint(tree) == (1, "src: module attic is in no row of docs/architecture.md\n")


def test_comments_strings_and_unit_tests_are_no_imports(tree: Path):
    append(
        tree / "src/error.rs",
        '// use crate::pg;\nconst S: &str = "use crate::pg;"; /* crate::pg */\n#[cfg(test)]\nmod tests {\n    use crate::pg;\n}\n',
    )
    assert lint(tree) == (0, "")
