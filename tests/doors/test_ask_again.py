"""Skipped and decided mail is put to people again: it waits, keeps its label until somebody decides
anew, and all of that can be undone."""

import pytest
from support.desk import UNKNOWN, State

ACTOR = "doors_reviewer"


def reason(desk, mail):
    return desk.database.value(f"SELECT queue_reason FROM triage.review WHERE review_id = {mail.review_id}")


def asked(desk, *mails) -> int:
    """Asks again; the batch."""
    result = desk.call("triage.ask_again(?)", ", ".join(str(mail.review_id) for mail in mails))
    assert result.sqlstate is None, result
    return int(result.rows[0][0])


def test_skipped_mail_waits_again(desk):
    (mail,) = desk.new()
    desk.call("triage.skip(?)", mail.review_id)
    batch = asked(desk, mail)
    assert mail.state() == State(mail.predicted, None, None, True, 3)
    assert reason(desk, mail) == "reopened"
    assert mail.ledger()[-1] == ("ask", None, None, "function", ACTOR)
    desk.call("triage.correct(?, ?)", mail.review_id, mail.other)
    assert mail.state() == mail.decided(mail.other, ACTOR, 4)
    assert batch > 0


def test_decided_mail_keeps_its_label_until_it_is_decided_anew(desk, door):
    (mail,) = desk.new()
    desk.database.run(f"SELECT triage.correct({mail.review_id}, '{mail.other}', actor => 'anna')")
    asked(desk, mail)
    assert mail.state() == State(mail.other, mail.other, "anna", True, 3)
    assert reason(desk, mail) == "reopened"
    door.set(mail, mail.third)
    assert mail.state() == mail.decided(mail.third, door.actor, 4)
    assert mail.ledger()[-2:] == [
        ("ask", mail.other, mail.other, "function", ACTOR),
        ("correct", mail.other, mail.third, door.kind, door.actor),
    ]


def test_the_same_answer_is_an_answer(desk):
    (mail,) = desk.new()
    desk.call("triage.correct(?, ?)", mail.review_id, mail.other)
    asked(desk, mail)
    desk.call("triage.correct(?, ?)", mail.review_id, mail.other)
    assert mail.state() == mail.decided(mail.other, ACTOR, 4)
    assert mail.ledger()[-1] == ("correct", mail.other, mail.other, "function", ACTOR)


def test_skip_leaves_the_label_as_it_was(desk):
    (mail,) = desk.new()
    desk.database.run(f"SELECT triage.correct({mail.review_id}, '{mail.other}', actor => 'anna')")
    asked(desk, mail)
    desk.call("triage.skip(?)", mail.review_id)
    assert mail.state() == State(mail.other, mail.other, "anna", False, 4)
    assert mail.ledger()[-1] == ("skip", mail.other, mail.other, "function", ACTOR)


@pytest.mark.parametrize("compacted", [False, True])
def test_what_is_learned_stays(desk, compacted):
    (mail,) = desk.new()
    learned = f"SELECT triage.learned_state('{desk.classifier}')::text"
    desk.call("triage.correct(?, ?)", mail.review_id, mail.other)
    before = desk.database.value(learned)
    batch = asked(desk, mail)
    if compacted:
        desk.database.run(f"SELECT triage.compact('{desk.classifier}')")
    assert desk.database.value(learned) == before
    desk.call("triage.skip(?)", mail.review_id)
    assert desk.database.value(learned) == before
    (skip,) = mail.decisions()[-1:]
    desk.call("triage.undo(?)", skip)
    desk.call("triage.undo_batch(?)", batch)
    assert desk.database.value(learned) == before
    desk.everything_agrees()


def test_undone_it_is_as_it_was_before(desk):
    skipped, decided, waiting = desk.new(3)
    desk.call("triage.skip(?)", skipped.review_id)
    desk.call("triage.correct(?, ?)", decided.review_id, decided.other)
    batch = asked(desk, skipped, decided, waiting)
    assert reason(desk, waiting) == "uncertain", "it waited in front already"
    desk.call("triage.undo_batch(?)", batch)
    assert skipped.state() == State(skipped.predicted, None, ACTOR, False, 4), "skipped, by whoever says so now"
    assert decided.state() == decided.decided(decided.other, ACTOR, 4)
    assert reason(desk, waiting) == "uncertain"


def test_an_undone_answer_waits_again(desk):
    (mail,) = desk.new()
    desk.call("triage.correct(?, ?)", mail.review_id, mail.other)
    asked(desk, mail)
    desk.call("triage.correct(?, ?)", mail.review_id, mail.third)
    desk.call("triage.undo(?)", mail.decisions()[-1])
    assert mail.state() == State(mail.other, mail.other, ACTOR, True, 5)
    assert reason(desk, mail) == "reopened"


def test_asked_twice_it_is_asked_once(desk):
    (mail,) = desk.new()
    desk.call("triage.skip(?)", mail.review_id)
    asked(desk, mail)
    desk.ignores(1, lambda: desk.call("triage.ask_again(?)", f"{mail.review_id}, {mail.review_id}"))


def test_the_progress_counts_it(desk):
    (mail,) = desk.new()
    count = f"SELECT skipped, reopened FROM triage.review_progress WHERE source = '{desk.table}'"
    desk.call("triage.skip(?)", mail.review_id)
    skipped, reopened = desk.database.row(count)
    asked(desk, mail)
    assert desk.database.row(count) == (skipped - 1, reopened + 1)


def test_what_is_unknown_is_refused_and_nothing_is_asked(desk):
    (mail,) = desk.new()
    desk.call("triage.skip(?)", mail.review_id)
    words = {
        f"{mail.review_id}, {UNKNOWN}": ("P0002", [str(UNKNOWN)]),
        "seven": ("22P02", ['"seven"', "'7, 8, 12'"]),
        " ": ("22023", ["'7, 8, 12'"]),
    }
    for ids, (sqlstate, said) in words.items():
        desk.refuses(sqlstate, said, lambda ids=ids: desk.call("triage.ask_again(?)", ids))


def test_a_decided_mail_that_is_skipped_is_told_how(desk):
    (mail,) = desk.new()
    desk.call("triage.correct(?, ?)", mail.review_id, mail.other)
    desk.refuses(
        "55000", [f"triage.ask_again('{mail.review_id}')"], lambda: desk.call("triage.skip(?)", mail.review_id)
    )


def test_a_reader_cannot_ask(desk):
    (mail,) = desk.new()
    desk.refuses("42501", [], lambda: desk.reader.run("SELECT triage.ask_again(?)", str(mail.review_id)))
