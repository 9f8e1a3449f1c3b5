"""docs/reference.md says what the database says about itself, and nothing is missing there."""

import subprocess

import pytest
from support.system import PROJECT


def made(database, *options) -> subprocess.CompletedProcess:
    """What scripts/reference prints."""
    return subprocess.run(
        [PROJECT / "scripts/reference", "--print", *options],
        env=database.environment(),
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


def test_the_page_is_what_the_catalogue_says(database):
    done = made(database)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (PROJECT / "docs/reference.md").read_text(), (
        "docs/reference.md is out of date: make reference"
    )


def test_another_comment_makes_another_page(database):
    database.run("COMMENT ON VIEW triage.status IS 'whether all is well | see triage.alerts'")
    assert "View. Whether all is well \\| see `triage.alerts`." in made(database).stdout


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        (
            "triage.status triage.alerts",
            "triage.alerts",
            "triage.status is missing: put it below the heading where users look for it",
        ),
        ("triage.status triage.alerts", "triage.status triage.alerts triage.state", "nothing is called triage.state"),
        ("triage.status triage.alerts", "triage.status triage.alerts triage.jobs", "triage.jobs is there twice"),
    ],
)
def test_each_object_has_one_place(database, tmp_path, before, after, complaint):
    prose = (PROJECT / "scripts/reference.md").read_text()
    assert before in prose
    (tmp_path / "prose.md").write_text(prose.replace(before, after, 1))
    done = made(database, "--prose", tmp_path / "prose.md")
    assert (done.returncode, done.stderr) == (1, f"prose.md: {complaint}\n")
