"""The demo's SQL runs and shows what it is there to show."""

import re

import pytest
from support.psql import run_psql
from support.system import PROJECT

LABELS = {"billing", "hr", "logistics", "sales", "spam", "support"}


@pytest.fixture(scope="module")
def demo(server):
    """What the demo printed, and the database that it leaves."""
    with server.database(extension=False) as database:
        # As scripts/demo calls it: aligned, and with what psql says by itself.
        done = run_psql(
            "", database.environment(), "-P", "format=aligned", "-P", "tuples_only=off", "-f", PROJECT / "demo/run.sql"
        )
        yield done.stdout, database


def shows(demo, pattern):
    assert re.search(pattern, demo[0], re.MULTILINE), demo[0][-3000:]


def test_most_of_the_unseen_mails_are_right(demo):
    rows = re.findall(r"^\| (\w+) +\| +(\d+) \| +(\d+) \| +[\d.]+ % +\|$", demo[0], re.MULTILINE)
    accuracy = {label: int(right) / int(mails) for label, mails, right in rows if label not in ("before", "after")}
    assert set(accuracy) == LABELS | {"all"}
    assert 0.6 < accuracy["all"] < 1


def test_ten_corrections_make_the_answers_to_later_mails_better(demo):
    rows = re.findall(r"^\| (before|after) +\| +(\d+) \| +(\d+) \|", demo[0], re.MULTILINE)
    loop = {when: (int(mails), int(right)) for when, mails, right in rows}
    assert loop["after"][1] > loop["before"][1] + 5
    assert loop["after"][0] == loop["before"][0]


def test_the_ten_are_decisions_of_one_batch(demo):
    ten = """SELECT count(*) FROM triage.decision WHERE kind = 'correct'
                AND batch_id = (SELECT min(batch_id) FROM triage.batches WHERE decisions > 1)"""
    assert demo[1].value(ten) == 10


def test_a_new_version_is_compared_and_activated(demo):
    shows(
        demo,
        r"^\| train \| done +\| version 2 activated: \d+ new decisions; \d+ of \d+ decided emails right, \d+ before \|$",
    )


def test_accuracy_of_the_day_with_its_interval(demo):
    shows(demo, r"^\| +\d{4}-\d\d-\d\d \| +1 \| +36 \| +36 \| +\d+ \| +0\.\d\d \| +0\.\d\d \| +0\.\d\d \|$")


def test_all_is_well(demo):
    shows(demo, r"^\| default +\| t +\| all is well \| +2 \| +0 \|$")


def test_a_raw_message_is_read_and_labelled(demo):
    shows(demo, r"^\| support +\| billing +\| Jörg Müller <joerg@example.org> +\| Doppelte Rechnung für März +\|$")


def test_it_fits_into_a_terminal(demo):
    assert max(map(len, demo[0].splitlines())) <= 115
