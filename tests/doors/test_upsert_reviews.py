"""INSERT ... ON CONFLICT DO UPDATE on triage.review, as PostgREST, Supabase and ORMs send it, decides
about reviews that are there, and makes none."""

import pytest
from support.desk import MANY, UNKNOWN
from support.sessions import refused

ACTOR = "doors_reviewer"
LABEL = "ON CONFLICT (review_id) DO UPDATE SET human_label = EXCLUDED.human_label"


def test_an_upsert_by_number_decides(desk):
    (mail,) = desk.new()
    result = desk.reviewer.run(
        f"INSERT INTO triage.review (review_id, human_label) VALUES (?, ?) {LABEL} RETURNING human_label, row_version",
        mail.review_id, mail.other.title(),
    )  # fmt: skip
    assert (result.rows, result.count) == ([[mail.other, "2"]], 1), result
    assert mail.state() == mail.decided(mail.other, ACTOR, 2)
    assert mail.ledger() == [("correct", None, mail.other, "review", ACTOR)]


def test_all_columns_of_the_list_may_be_set(desk):
    """As PostgREST does: also the key, a note, a version."""
    (mail,) = desk.new()
    upsert = """INSERT INTO triage.review (review_id, human_label, note, row_version) VALUES (?, ?, ?, ?)
                ON CONFLICT (review_id) DO UPDATE SET review_id = EXCLUDED.review_id,
                human_label = EXCLUDED.human_label, note = EXCLUDED.note, row_version = EXCLUDED.row_version"""
    result = desk.reviewer.run(upsert, mail.review_id, mail.other, "why", 1)
    assert result.count == 1, result
    assert mail.state() == mail.decided(mail.other, ACTOR, 2)
    desk.refuses("40001", ["read it again"], lambda: desk.reviewer.run(upsert, mail.review_id, mail.third, "why", 1))


def test_a_row_that_was_read_can_be_sent_back_whole(desk):
    (mail,) = desk.new()
    columns = desk.database.column(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'triage.review'::regclass AND attnum > 0"
    )
    read = ", ".join(f"'{mail.other}'" if column == "human_label" else column for column in columns)
    sets = ", ".join(f"{column} = EXCLUDED.{column}" for column in columns)
    result = desk.reviewer.run(
        f"""INSERT INTO triage.review ({", ".join(columns)}) SELECT {read} FROM triage.review WHERE review_id = ?
            ON CONFLICT (review_id) DO UPDATE SET {sets}""",
        mail.review_id,
    )
    assert result.count == 1, result
    assert mail.state() == mail.decided(mail.other, ACTOR, 2)


@pytest.mark.parametrize("conflict", ["review_id", "source, email_key, classifier"])
def test_an_upsert_by_the_name_of_the_email_decides(desk, conflict):
    (mail,) = desk.new()
    result = desk.reviewer.run(
        f"""INSERT INTO triage.review (source, email_key, classifier, human_label) VALUES (?, ?, ?, ?)
            ON CONFLICT ({conflict}) DO UPDATE SET human_label = EXCLUDED.human_label""",
        desk.table, str(mail.id), desk.classifier, mail.third,
    )  # fmt: skip
    assert result.count == 1, result
    assert mail.state() == mail.decided(mail.third, ACTOR, 2)


def test_many_rows_are_one_batch_without_a_limit(desk):
    """A list of keys cannot have forgotten its WHERE clause."""
    mails = desk.new(MANY)
    values = ", ".join(f"({mail.review_id}, '{mail.other}')" for mail in mails)
    result = desk.reviewer.run(f"INSERT INTO triage.review (review_id, human_label) VALUES {values} {LABEL}")
    assert result.count == MANY, result
    assert {mail.state() for mail in mails} == {mails[0].decided(mails[0].other, ACTOR, 2)}
    ids = ", ".join(str(mail.review_id) for mail in mails)
    batches = desk.database.column(f"SELECT DISTINCT batch_id FROM triage.decision WHERE review_id IN ({ids})")
    assert len(batches) == 1
    # An update after it is counted again.
    desk.refuses(
        "54000",
        ["50 rows"],
        lambda: desk.reviewer.run(f"UPDATE triage.review SET note = 'x' WHERE review_id IN ({ids})"),
    )


def test_what_is_unknown_is_refused_and_nothing_is_made(desk):
    upsert = f"INSERT INTO triage.review (review_id, human_label) VALUES (?, ?) {LABEL}"
    desk.refuses("P0002", [str(UNKNOWN), "triage.review"], lambda: desk.reviewer.run(upsert, UNKNOWN, "billing"))
    whole = """INSERT INTO triage.review (source, email_key, classifier, human_label) VALUES (?, ?, ?, ?)
                ON CONFLICT (source, email_key, classifier) DO UPDATE SET human_label = EXCLUDED.human_label"""
    desk.refuses(
        "P0002", ['email "nobody"'], lambda: desk.reviewer.run(whole, desk.table, "nobody", desk.classifier, "billing")
    )
    desk.refuses(
        "P0002",
        ['email "nobody"'],
        lambda: desk.reviewer.run(
            "INSERT INTO triage.review (source, email_key, classifier) VALUES (?, ?, ?)",
            desk.table,
            "nobody",
            desk.classifier,
        ),
    )
    with refused("P0002", str(UNKNOWN)):
        desk.database.run(upsert.replace("?, ?", f"{UNKNOWN}, 'billing'"))


def test_protected_columns_stay_protected(desk):
    mail, another = desk.new(2)
    upsert = (
        "INSERT INTO triage.review (review_id, predicted_label) VALUES (?, ?) ON CONFLICT (review_id) DO UPDATE SET"
    )
    for sets, column in [
        ("predicted_label = EXCLUDED.predicted_label", "predicted_label"),
        ("reviewed_by = 'somebody else'", "reviewed_by"),
        (f"email_key = '{another.id}'", "email_key"),
    ]:
        desk.refuses(
            "22023",
            [f'"{column}"'],
            lambda sets=sets: desk.reviewer.run(f"{upsert} {sets}", mail.review_id, mail.third),
        )
    desk.refuses(
        "22023",
        [str(another.review_id), str(mail.review_id)],
        lambda: desk.reviewer.run(
            f"""INSERT INTO triage.review (review_id, source, email_key, classifier, human_label)
                VALUES (?, ?, ?, ?, ?) {LABEL}""",
            another.review_id,
            desk.table,
            str(mail.id),
            desk.classifier,
            mail.other,
        ),  # fmt: skip
    )


def test_a_reader_cannot_upsert(desk):
    (mail,) = desk.new()
    upsert = f"INSERT INTO triage.review (review_id, human_label) VALUES (?, ?) {LABEL}"
    desk.refuses("42501", [], lambda: desk.reader.run(upsert, mail.review_id, mail.other))
