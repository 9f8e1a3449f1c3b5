"""Labels from a file or one INSERT after another: an explicit list needs no limit."""

import pytest
from support.desk import MANY

ACTOR = "doors_reviewer"


def test_copy_into_the_queue_view_imports_labels(desk):
    mails = desk.new(MANY)
    csv = "".join(f"{mail.review_id},{mail.other}\n" for mail in mails)
    result = desk.reviewer.copy(desk.view, "review_id, human_label", csv)
    assert result.count == MANY, result
    assert [mail.state() for mail in mails] == [mail.decided(mail.other, ACTOR, 2) for mail in mails]
    assert [mail.ledger() for mail in mails] == [[("correct", None, mail.other, "view", ACTOR)] for mail in mails]


@pytest.mark.parametrize(
    "second, sqlstate, word", [("{id},nonsense", "23503", "allowed:"), (",sales", "23502", "review_id")]
)
def test_a_bad_line_imports_none(desk, second, sqlstate, word):
    """With a label that is none, or without a key."""
    good, bad = desk.new(2)
    csv = f"{good.review_id},{good.other}\n{second.format(id=bad.review_id)}\n"
    desk.refuses(sqlstate, [word], lambda: desk.reviewer.copy(desk.view, "review_id, human_label", csv))


def test_copy_by_source_and_key_with_a_note(desk):
    mails = desk.new(3)
    csv = "".join(f"{desk.table},{mail.id},{desk.classifier},{mail.other},from a file\n" for mail in mails)
    desk.reviewer.copy(desk.view, "source, email_key, classifier, human_label, note", csv)
    notes = f"SELECT count(*) FROM triage.review WHERE source = '{desk.table}' AND note = 'from a file'"
    assert [mail.state() for mail in mails] == [mail.decided(mail.other, ACTOR, 2) for mail in mails]
    assert desk.database.value(notes) == 3


def test_many_inserts_into_the_queue_view(desk):
    mails = desk.new(3)
    sql = f"INSERT INTO {desk.view} (review_id, human_label) VALUES (?, ?)"
    result = desk.reviewer.many(sql, [(mail.review_id, mail.other) for mail in mails])
    assert result.count == 3, result
    assert [mail.state() for mail in mails] == [mail.decided(mail.other, ACTOR, 2) for mail in mails]
