"""The mistakes of people and tools: a forgotten WHERE, a column that is not theirs, rights that they
do not have. Each is refused, and nothing is written."""

import pytest
from support.desk import DOORS, LABELS, MANY, REVIEW_TABLES
from support.sessions import literal

PROTECTED = {
    "classifier": "'x'",
    "source": "'x'",
    "email_key": "'x'",
    "received_at": "now() + '1 h'",
    "predicted_label": "'sales'",
    "confidence": "0.123",
    "second_label": "'x'",
    "second_confidence": "0.123",
    "margin": "0.123",
    "model_version": "77",
    "reviewed_by": "'x'",
    "reviewed_at": "now()",
    "queue_reason": "'x'",
}
OF_THE_QUEUE_VIEW = {"subject": "'x'", "body": "'x'", "label": "'sales'"}
OF_THE_TABLE = {"decision_id": "NULL"}


# ---- a forgotten WHERE ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mails(desk):
    """More than a statement may change."""
    return desk.new(MANY)


def test_an_update_of_reviews_without_where_is_refused(desk, review_table, mails):
    words = ["50 rows", "pg_triage.max_rows_per_correction", "WHERE"]
    desk.refuses("54000", words, lambda: desk.reviewer.run(f"UPDATE {review_table} SET human_label = ?", "sales"))
    desk.refuses("54000", words, lambda: desk.reviewer.run(f"UPDATE {review_table} SET note = ?", "oops"))


@pytest.mark.parametrize("name, label", list(zip(REVIEW_TABLES, LABELS, strict=True)))
def test_fifty_rows_are_accepted_and_one_more_is_not(desk, mails, name, label):
    sql = f"UPDATE {desk.review_table(name)} SET human_label = ? WHERE review_id BETWEEN ? AND ?"
    first, fiftieth, next_one = (mails[n].review_id for n in (0, 49, 50))
    desk.refuses("54000", ["50 rows"], lambda: desk.reviewer.run(sql, label, first, next_one))
    result = desk.reviewer.run(sql, label, first, fiftieth)
    assert result.count == 50, result
    assert {mail.state().human_label for mail in mails[:50]} == {label}
    assert mails[50].state().human_label is None


def test_the_setting_is_obeyed(desk, mails):
    sql = f"UPDATE {desk.view} SET note = ? WHERE review_id BETWEEN ? AND ?"
    desk.reviewer.run("SET pg_triage.max_rows_per_correction = 2")
    desk.refuses("54000", ["2 rows"], lambda: desk.reviewer.run(sql, "three", mails[0].review_id, mails[2].review_id))
    desk.reviewer.run("RESET pg_triage.max_rows_per_correction")


def whole_table(desk, label):
    """Updates all of the table; the result, and decisions, batches, batch_id."""
    last = desk.database.value("SELECT coalesce(max(decision_id), 0) FROM triage.decision")
    result = desk.app.run(f"UPDATE {desk.table} SET category = ?", label)
    return result, desk.database.row(
        f"SELECT count(*), count(DISTINCT batch_id), min(batch_id) FROM triage.decision WHERE decision_id > {last}"
    )


def test_the_own_table_may_be_updated_without_where_as_one_batch(desk):
    """As wide as it is: also mail that came with a label, or was decided already. One call takes it
    back, all or nothing."""
    decided, *_ = desk.new(MANY)
    desk.database.run(f"SELECT triage.correct({decided.review_id}, '{decided.other}')")
    desk.app.run(f"INSERT INTO {desk.table} (subject, category) VALUES (?, ?)", "came with a label", "support")
    contents = f"""SELECT t.id, t.category, r.human_label FROM {desk.table} t
                     LEFT JOIN triage.review r ON r.source = '{desk.table}' AND r.email_key = t.id::text ORDER BY t.id"""
    before = desk.database.rows(contents)
    rarest = desk.database.value(
        f"""SELECT l FROM unnest(ARRAY{LABELS}) l LEFT JOIN {desk.table} t ON t.category = l
             GROUP BY l ORDER BY count(t.id), l LIMIT 1"""
    )
    rows, differ = desk.database.row(
        f"SELECT count(*), count(*) FILTER (WHERE category <> '{rarest}') FROM {desk.table}"
    )
    assert differ > 50, "more rows change than a review may"

    result, (decisions, batches, batch) = whole_table(desk, rarest)
    assert (result.count, decisions, batches) == (rows, differ, 1), result
    assert desk.database.column(f"SELECT DISTINCT category FROM {desk.table}") == [rarest]
    result = desk.call("triage.undo_batch(?)", batch)
    assert result.rows == [[str(differ)]], result
    assert desk.database.rows(contents) == before

    result, (_, _, batch) = whole_table(desk, rarest)
    one = desk.database.value(f"SELECT max(review_id) FROM triage.decision WHERE batch_id = {batch}")
    another = next(label for label in LABELS if label != rarest)
    later = desk.database.value(f"SELECT triage.correct({one}, '{another}')")
    desk.refuses("55000", [str(later)], lambda: desk.call("triage.undo_batch(?)", batch))


# ---- columns that are not theirs ----------------------------------------------------------------


def test_a_review_keeps_its_key(desk, review_table):
    mail, another = desk.new(2)
    desk.call("triage.correct(?, ?)", mail.review_id, mail.third)
    rekeyed = f"UPDATE {review_table} SET review_id = ?, human_label = ? WHERE review_id = ?"
    for key in (900000000, another.review_id):
        desk.refuses(
            "22023 428C9", ["review_id"], lambda key=key: desk.reviewer.run(rekeyed, key, mail.other, mail.review_id)
        )


@pytest.mark.parametrize(
    "name, column, value",
    [(name, *pair) for name in REVIEW_TABLES for pair in PROTECTED.items()]
    + [("queue view", *pair) for pair in OF_THE_QUEUE_VIEW.items()]
    + [("triage.review", *pair) for pair in OF_THE_TABLE.items()],
)
def test_a_protected_column_is_named(desk, name, column, value):
    (mail,) = desk.new()
    desk.call("triage.correct(?, ?)", mail.review_id, mail.third)
    if value == "'sales'":
        value = literal(mail.other)
    sql = f"UPDATE {desk.review_table(name)} SET {column} = {value} WHERE review_id = ?"
    desk.refuses(
        "22023", [f'"{column}"', "human_label, note and action"], lambda: desk.reviewer.run(sql, mail.review_id)
    )


@pytest.mark.parametrize("version, sqlstates", [("NULL", "22023 40001"), ("77", "40001")])
def test_no_version_opens_a_protected_column(desk, review_table, version, sqlstates):
    """Neither one that is not there nor a stale one."""
    (mail,) = desk.new()
    desk.call("triage.correct(?, ?)", mail.review_id, mail.third)
    sql = f"UPDATE {review_table} SET row_version = {version}, predicted_label = ? WHERE review_id = ?"
    desk.refuses(sqlstates, [], lambda: desk.reviewer.run(sql, mail.other, mail.review_id))


# ---- rights -----------------------------------------------------------------------------------


def denied(desk, session, sql, *params):
    desk.refuses("42501", [], lambda: session.run(sql, *params))


@pytest.mark.parametrize("name", DOORS)
def test_a_reader_cannot_correct(desk, name):
    (mail,) = desk.new()
    door = desk.door(name)
    denied(desk, desk.reader, door.sql, mail.other, door.key(mail))


@pytest.mark.parametrize("name", DOORS)
def test_nor_can_who_has_the_other_half_of_the_rights(desk, name):
    """A reviewer without rights on the table, an application that is no reviewer."""
    (mail,) = desk.new()
    door = desk.door(name)
    denied(desk, desk.reviewer if door.kind == "table" else desk.app, door.sql, mail.other, door.key(mail))


def test_a_reader_cannot_import(desk):
    (mail,) = desk.new()
    sql = f"INSERT INTO {desk.view} (review_id, human_label) VALUES (?, ?)"
    denied(desk, desk.reader, sql, mail.review_id, mail.other)


@pytest.mark.parametrize(
    "call",
    ["triage.accept({id})", "triage.skip({id})", "triage.correct_many('{id}', 'sales')", "triage.undo(1)",
     "triage.undo_batch(1)"],
)  # fmt: skip
def test_a_reader_cannot_call_a_function_that_decides(desk, call):
    (mail,) = desk.new()
    denied(desk, desk.reader, f"SELECT {call.format(id=mail.review_id)}")


def test_a_reviewer_reads_the_table_only_through_the_view(desk):
    (mail,) = desk.new()
    denied(desk, desk.reviewer, f"SELECT * FROM {desk.table}")
    result = desk.reviewer.run(f"SELECT subject, body, label FROM {desk.view} WHERE review_id = ?", mail.review_id)
    assert result.rows == [["unpaid invoice", "please settle the payment 0", mail.predicted]]
