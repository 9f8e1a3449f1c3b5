"""Somebody reads the quality views while others predict, decide, take back and erase: at every
moment each view says what a plain query over triage.review says. So it is after compaction,
after dump and restore, and in another time zone.

PG_TRIAGE_QUALITY_SEED repeats the random choices, not their order in time.
"""

import os
import subprocess
import threading
import time

import pytest
from support.quality_views import QUESTIONS, assert_views_are_right, differences
from support.random_operations import BODY_AND_LABEL, EXPECTED_ERRORS, SETUP, work
from support.sessions import refused

SEED = int(os.environ.get("PG_TRIAGE_QUALITY_SEED", str(time.time_ns() % 1_000_000)))
PEOPLE = 4
CHANGES = "SELECT count(*) FROM triage_internal.review_change"
STATISTICS = "SELECT * FROM triage_internal.review_statistics ORDER BY 1, 2, 3, 4, 5, 6, 7, 8"


@pytest.fixture(scope="module")
def database(module_database):
    module_database.run(BODY_AND_LABEL)
    module_database.run(SETUP)
    # What was set for the database counts in sessions that begin now.
    module_database.session.close()
    return module_database


def test_before_anything_is_decided_every_view_is_right(database):
    assert_views_are_right(database)


@pytest.mark.parametrize("seconds", [15, pytest.param(60, marks=pytest.mark.long)])
def test_every_view_is_right_at_every_moment(database, seconds, record_property):
    record_property("seed", SEED)
    errors, until = [], time.monotonic() + seconds
    people = [
        threading.Thread(target=work, args=(database.connect(), f"{SEED} {number} {seconds}", until, errors))
        for number in range(PEOPLE)
    ]
    for thread in people:
        thread.start()
    wrong, moments, deployed = [], 0, False
    while any(thread.is_alive() for thread in people):
        wrong += differences(database)[0]
        moments += 1
        if not deployed and time.monotonic() > until - seconds / 2:
            deployed = True
            database.run(
                "SELECT triage.deploy('late', train_classifier(body(n), label(n / 2))) FROM generate_series(1, 60) n"
            )
    for thread in people:
        thread.join()
    assert not wrong, f"seed {SEED}:\n" + "\n".join(wrong)
    assert moments > 1
    unexpected = {f"{code}: {message}" for code, message in errors if code not in EXPECTED_ERRORS}
    assert not unexpected, f"seed {SEED}"


def test_there_was_something_to_count(database):
    decisions, audits = database.row(
        "SELECT (SELECT count(*) FROM triage.decision), count(*) FILTER (WHERE audit) FROM triage.review"
    )
    assert decisions > 100
    assert audits > 20


def test_afterwards_every_view_is_right(database):
    assert_views_are_right(database)


def test_open_reviews_of_the_audit_sample_wait_as_audit_and_no_others_do(database):
    assert (
        database.value("""
        SELECT count(*) FROM triage.review
         WHERE audit AND human_label IS NULL AND queue_reason IS DISTINCT FROM 'audit' AND queue_reason IS NOT NULL
            OR queue_reason = 'audit' AND NOT audit OR audit AND predicted_label IS NULL""")
        == 0
    )


# ---- after dump and restore: while there are changes that are not compacted ----------------------


@pytest.mark.parametrize(
    ("dump", "restore"),
    [
        pytest.param(["pg_dump", "-f"], ["psql", "-Xqv", "ON_ERROR_STOP=1", "-f"], id="pg_dump"),
        pytest.param(["pg_dump", "-Fc", "-f"], ["pg_restore", "-j2"], id="pg_restore -j2"),
        pytest.param(["pg_dump", "--inserts", "-f"], ["psql", "-Xqv", "ON_ERROR_STOP=1", "-f"], id="pg_dump --inserts"),
    ],
)
def test_a_restored_dump_has_the_same_figures(database, server, tmp_path, dump, restore):
    # What others did last may have been to compact.
    database.run("INSERT INTO mail (id, body) SELECT max(id) + 1, body(1) FROM mail")
    figures = {name: sorted(database.rows(question), key=repr) for name, question in QUESTIONS.items()}
    changes = database.value(CHANGES)
    assert changes > 0
    subprocess.run([*dump, tmp_path / "dump"], check=True, env=database.environment())
    with server.database(extension=False) as other:
        subprocess.run(
            [*restore, tmp_path / "dump", "-d", other.name],
            check=True,
            stdout=subprocess.DEVNULL,
            env=other.environment(),
        )
        assert {name: sorted(other.rows(question), key=repr) for name, question in QUESTIONS.items()} == figures
        assert other.value(CHANGES) == changes, "something is counted twice"
        other.run("""
            SELECT triage.accept(review_id) FROM triage.review WHERE predicted_label IS NOT NULL AND human_label IS NULL ORDER BY review_id LIMIT 3;
            SELECT triage_internal.compact_review_statistics(1000000)""")
        assert_views_are_right(other)


# ---- compacted, counted anew, renamed --------------------------------------------------------------


def test_compacted_statistics_are_right_and_counting_anew_gives_the_same_to_the_last_bit(database):
    database.run("SELECT triage_internal.compact_review_statistics(1000000)")
    assert database.value(CHANGES) == 0
    assert_views_are_right(database)
    before = database.rows(STATISTICS)
    database.run("SELECT triage_internal.rebuild_review_statistics()")
    assert database.rows(STATISTICS) == before


def test_figures_of_a_renamed_classifier_move_with_its_name(database):
    database.run("UPDATE triage.classifier SET name = 'renamed' WHERE name = 'default'")
    assert_views_are_right(database)
    database.run("UPDATE triage.classifier SET name = 'default' WHERE name = 'renamed'")
    database.run("SELECT triage_internal.compact_review_statistics(10)")


# ---- in another time zone ------------------------------------------------------------------------------


DAYS = "SELECT day, sum(predicted) FROM triage.automation_rate_daily GROUP BY 1 ORDER BY 1"


@pytest.fixture
def report_timezone(database):
    """Sets the time zone of reports as an administrator does, for new sessions; gives one of them."""

    def set_zone(zone):
        database.run(
            f"ALTER DATABASE {database.name} SET pg_triage.report_timezone = '{zone}'"
            if zone
            else f"ALTER DATABASE {database.name} RESET pg_triage.report_timezone"
        )
        return database.connect()

    yield set_zone
    set_zone(None).run("SELECT triage_internal.compact_review_statistics(1)")


def test_another_time_zone_counts_after_maintenance(database, report_timezone):
    before = database.rows(DAYS)
    session = report_timezone("Pacific/Auckland")
    assert session.rows(DAYS) == before
    assert_views_are_right(session)
    session.run("SELECT triage_internal.compact_review_statistics(1)")
    assert session.rows(DAYS) != before
    assert session.value("SELECT zone FROM triage_internal.report_timezone") == "Pacific/Auckland"
    assert_views_are_right(session)
    session = report_timezone(None)
    session.run("SELECT triage_internal.compact_review_statistics(1)")
    assert_views_are_right(session)
    assert session.rows(DAYS) == before


def test_a_time_zone_that_does_not_exist_is_named_and_changes_nothing(database, report_timezone):
    session = report_timezone("Middle/Earth")
    with refused("22023", "Middle/Earth", "pg_timezone_names"):
        session.run("SELECT triage_internal.compact_review_statistics(1)")
    session.run("""
        INSERT INTO ticket VALUES (-1, 'invoice');
        SELECT triage.accept(review_id) FROM triage.review WHERE source = 'public.ticket' AND email_key = '-1' AND predicted_label IS NOT NULL""")
    assert_views_are_right(session)
