"""Forms and grids send every column back, know a version that may be stale, and read what was
stored from RETURNING."""

import pytest
from support.sessions import literal

COLUMNS = "human_label, reviewed_by, queue_reason, row_version, note, reviewed_at::text"


@pytest.fixture(params=["own table", "triage.review", "queue view", "triage.review_queue"])
def form(request, desk):
    """A mail in a form: the relation, its key and label columns, and who edits it."""
    return Form(desk, request.param)


class Form:
    def __init__(self, desk, name):
        (self.mail,) = desk.new()
        self.is_table = name == "own table"
        if self.is_table:
            self.table, self.session, self.actor = desk.table, desk.app, "doors_app"
            self.key, self.number, self.label = "id", self.mail.id, "category"
        else:
            self.table, self.session, self.actor = desk.review_table(name), desk.reviewer, "doors_reviewer"
            self.key, self.number, self.label = "review_id", self.mail.review_id, "human_label"

    def read(self):
        self.session.read(f"SELECT * FROM {self.table} WHERE {self.key} = ?", self.number)

    def write(self, column, value):
        return self.session.write(self.table, self.key, column, value)


def test_sent_back_unchanged_it_changes_nothing(desk, form):
    form.read()
    desk.ignores(1, lambda: form.write(form.label, form.mail.predicted if form.is_table else ""))


def test_with_another_label_it_corrects(desk, form):
    form.read()
    result = form.write(form.label, form.mail.other)
    assert result.count == 1, result
    assert form.mail.state() == form.mail.decided(form.mail.other, form.actor, 2)
    assert len(form.mail.ledger()) == 1


def test_with_another_column_it_decides_nothing(desk, form):
    form.read()
    form.write(form.label, form.mail.other)
    form.read()
    if form.is_table:
        result = form.write("subject", "unpaid invoice, again")
        written = desk.database.value(f"SELECT subject FROM {form.table} WHERE id = {form.mail.id}")
        assert written == "unpaid invoice, again"
        assert form.mail.state() == form.mail.decided(form.mail.other, form.actor, 3), "marked as changed since"
    else:
        result = form.write("note", "seen")
        note = desk.database.value(f"SELECT note FROM triage.review WHERE review_id = {form.mail.review_id}")
        assert note == "seen"
        assert form.mail.state() == form.mail.decided(form.mail.other, form.actor, 3)
    assert result.count == 1, result
    assert len(form.mail.ledger()) == 1


def test_out_of_date_it_is_refused(desk, review_table):
    """It still shows what was there before the first correction."""
    (mail,) = desk.new()
    desk.reviewer.read(f"SELECT * FROM {review_table} WHERE review_id = ?", mail.review_id)
    desk.reviewer.write(review_table, "review_id", "human_label", mail.other)
    desk.refuses(
        "40001", ["read it again"], lambda: desk.reviewer.write(review_table, "review_id", "human_label", mail.third)
    )


# ---- versions -------------------------------------------------------------------------------


def test_a_stale_version_is_refused_and_says_by_whom_it_was_changed(desk, review_table):
    (mail,) = desk.new()
    versioned = f"UPDATE {review_table} SET human_label = ?, row_version = ? WHERE review_id = ?"
    desk.database.run(f"SELECT triage.correct({mail.review_id}, '{mail.other}', actor => 'somebody else')")
    desk.refuses("40001", ["somebody else"], lambda: desk.reviewer.run(versioned, mail.third, 1, mail.review_id))
    result = desk.reviewer.run(versioned, mail.third, 2, mail.review_id)
    assert result.count == 1, result
    assert mail.state() == mail.decided(mail.third, "doors_reviewer", 3)


def test_with_a_stale_version_in_where_it_is_no_row(desk, review_table):
    (mail,) = desk.new()
    desk.database.run(f"SELECT triage.correct({mail.review_id}, '{mail.other}')")
    conditional = f"UPDATE {review_table} SET human_label = ? WHERE review_id = ? AND row_version = ?"
    desk.ignores(0, lambda: desk.reviewer.run(conditional, mail.third, mail.review_id, 1))


@pytest.mark.parametrize(
    "call",
    [
        "triage.correct(review_id => ?, label => 'sales', row_version => ?)",
        "triage.accept(review_id => ?, row_version => ?)",
        "triage.skip(review_id => ?, row_version => ?)",
    ],
)
def test_functions_refuse_a_stale_version(desk, call):
    (mail,) = desk.new()
    desk.database.run(f"SELECT triage.correct({mail.review_id}, '{mail.other}')")
    desk.refuses("40001", ["row_version 1"], lambda: desk.call(call, mail.review_id, 1))


# ---- RETURNING --------------------------------------------------------------------------------


def test_returning_of_the_own_table_shows_what_was_stored(desk):
    (mail,) = desk.new()
    update = f"UPDATE {desk.table} SET category = ? WHERE id = ? RETURNING category"
    result = desk.app.run(update, f" {mail.other.title()} ", mail.id)
    assert (result.rows, result.count) == ([[mail.other]], 1)
    result = desk.app.run(update, "", mail.id)
    assert (result.rows, result.count) == ([[mail.predicted]], 1), "after taking back"


def test_returning_of_a_review_shows_what_was_stored(desk, review_table):
    (mail,) = desk.new()
    columns = COLUMNS + (", label" if review_table == desk.view else "")

    def stored():
        (row,) = desk.database.rows(f"SELECT {columns} FROM {review_table} WHERE review_id = {mail.review_id}")
        return [[None if value is None else str(value) for value in row]]

    result = desk.reviewer.run(
        f"UPDATE {review_table} SET human_label = ?, note = ? WHERE review_id = ? RETURNING {columns}",
        f" {mail.other.title()} ", " why ", mail.review_id,
    )  # fmt: skip
    assert (result.rows, result.count) == (stored(), 1), result
    assert result.rows[0][:5] == [mail.other, "doors_reviewer", None, "2", "why"], "the label's own spelling"
    result = desk.reviewer.run(
        f"UPDATE {review_table} SET human_label = ? WHERE review_id = ? RETURNING {columns}", None, mail.review_id
    )
    assert result.rows == stored(), "after taking back"


def test_returning_of_an_insert_into_the_queue_shows_what_was_stored(desk):
    (mail,) = desk.new()
    result = desk.reviewer.run(
        f"""INSERT INTO {desk.view} (review_id, human_label) VALUES (?, ?)
            RETURNING human_label, row_version, email_key, label""",
        mail.review_id, mail.other.upper(),
    )  # fmt: skip
    assert (result.rows, result.count) == ([[mail.other, "2", str(mail.id), mail.other]], 1), result


# ---- what HTML makes of a text ----------------------------------------------------------------


@pytest.mark.parametrize("line_end", ["\r\n", "\r", " "], ids=["CR LF", "CR", "one line"])
def test_a_form_with_other_line_ends_and_no_null_saves(desk, review_table, line_end):
    """As Adminer sends it: every column, line ends changed, the first one dropped, '' for NULL."""
    (mail,) = desk.new()
    desk.app.run(f"UPDATE {desk.table} SET body = ? WHERE id = ?", "\nDear team,\n\twe paid twice.\n", mail.id)
    desk.database.run(
        "UPDATE triage.review SET note = E'first\\nsecond' WHERE review_id = %s",
        mail.review_id,
    )
    columns = desk.database.column(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0", review_table
    )
    texts = dict(zip(columns, desk.database.row(f"SELECT * FROM {review_table} WHERE review_id = {mail.review_id}")))
    sent = {
        column: ("" if value is None else str(value).removeprefix("\n").replace("\n", line_end))
        for column, value in texts.items()
        if value is not None or column in ("note", "reviewed_by", "human_label", "second_label", "queue_reason")
    }
    sent["human_label"] = mail.other
    # Literals, as Adminer writes them: their type is the column's.
    sets = ", ".join(f"{column} = {literal(value)}" for column, value in sent.items())
    result = desk.reviewer.run(f"UPDATE {review_table} SET {sets} WHERE review_id = ?", mail.review_id)
    assert (result.sqlstate, result.count) == (None, 1), result
    assert mail.state() == mail.decided(mail.other, "doors_reviewer", texts["row_version"] + 1)
    note = desk.database.value(f"SELECT note FROM triage.review WHERE review_id = {mail.review_id}")
    assert note == "first\nsecond", "a note that was not touched stays as it is"


def test_a_note_from_a_form_is_stored_with_line_feeds(desk, review_table):
    (mail,) = desk.new()
    sql = f"UPDATE {review_table} SET note = ? WHERE review_id = ?"
    desk.reviewer.run(sql, "why\r\nnot", mail.review_id)
    stored = desk.database.value(f"SELECT note FROM triage.review WHERE review_id = {mail.review_id}")
    assert stored == "why\nnot"
    desk.ignores(1, lambda: desk.reviewer.run(sql, "why\r\nnot", mail.review_id))


def test_another_word_in_a_text_is_still_refused(desk):
    (mail,) = desk.new()
    sql = f"UPDATE {desk.view} SET body = ?, human_label = ? WHERE review_id = ?"
    desk.refuses("22023", ['"body"'], lambda: desk.reviewer.run(sql, "please\r\nsettle", mail.other, mail.review_id))
