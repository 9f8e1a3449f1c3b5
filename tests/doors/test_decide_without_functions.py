"""In a tool that rolls every SELECT back, everything is decided by UPDATE or INSERT: accept, skip, undo
and ask again by the column action, batches by the column undone."""

import pytest
from support.desk import MANY, State
from support.sessions import refused

ACTOR = "doors_reviewer"
STORED = "human_label, reviewed_by, queue_reason, row_version, note, action"


@pytest.fixture(params=["UPDATE", "INSERT"])
def act(request, desk, review_table):
    """Sets the action of a mail, and a note or a version with it; returns what RETURNING shows."""
    if request.param == "UPDATE":

        def act(mail, action, **more):
            sets = ", ".join(["action = ?", *(f"{column} = ?" for column in more)])
            sql = f"UPDATE {review_table} SET {sets} WHERE review_id = ? RETURNING {STORED}"
            return desk.reviewer.run(sql, action, *more.values(), mail.review_id)

    else:

        def act(mail, action, **more):
            columns = ["review_id", "action", *more]
            marks = ", ".join("?" for _ in columns)
            sql = f"INSERT INTO {review_table} ({', '.join(columns)}) VALUES ({marks})"
            if review_table == "triage.review":
                sets = ", ".join(f"{column} = EXCLUDED.{column}" for column in columns)
                sql += f" ON CONFLICT (review_id) DO UPDATE SET {sets}"
            return desk.reviewer.run(f"{sql} RETURNING {STORED}", mail.review_id, action, *more.values())

    act.door = "review" if review_table == "triage.review" else "view"
    return act


def stored(desk, mail):
    row = desk.database.row(f"SELECT {STORED} FROM triage.review WHERE review_id = {mail.review_id}")
    return [[None if value is None else str(value) for value in row]]


@pytest.mark.parametrize("written", ["accept", " ACCEPT "])
def test_accept(desk, act, written):
    (mail,) = desk.new()
    result = act(mail, written)
    assert result.rows == stored(desk, mail), result
    assert mail.state() == mail.decided(mail.predicted, ACTOR, 2)
    assert mail.ledger() == [("accept", None, mail.predicted, act.door, ACTOR)]


def test_skip_with_a_note_and_a_version(desk, act):
    (mail,) = desk.new()
    result = act(mail, "skip", note="cannot say", row_version=1)
    assert result.rows == stored(desk, mail), result
    assert result.rows[0][4:] == ["cannot say", None]
    assert mail.state() == State(mail.predicted, None, ACTOR, False, 2)
    desk.refuses("40001", ["read it again"], lambda: act(mail, "accept", row_version=1))
    desk.refuses("40001", ["read it again"], lambda: act(mail, "undo", row_version=1))


@pytest.mark.parametrize("written", ["ask again", "ask_again"])
def test_ask_again(desk, act, written):
    (mail,) = desk.new()
    act(mail, "skip")
    result = act(mail, written)
    assert result.rows == stored(desk, mail), result
    assert result.rows[0][2] == "reopened"
    assert mail.state() == State(mail.predicted, None, None, True, 3)


def test_undo_goes_back_one_decision_after_the_other(desk, act):
    (mail,) = desk.new()
    desk.call("triage.correct(?, ?)", mail.review_id, mail.other)
    desk.call("triage.correct(?, ?)", mail.review_id, mail.third)
    result = act(mail, "undo", note="wrong one")
    assert result.rows == stored(desk, mail), result
    assert mail.state() == mail.decided(mail.other, ACTOR, 4)
    assert mail.ledger()[-1] == ("undo", mail.third, mail.other, act.door, ACTOR)
    act(mail, "undo")
    assert mail.state() == mail.waiting(5)
    desk.refuses("55000", ["no decision to undo"], lambda: act(mail, "undo"))
    desk.call("triage.accept(?)", mail.review_id)
    act(mail, "undo")
    assert mail.state() == mail.waiting(7)


def test_a_cleared_label_is_brought_back(desk, act):
    (mail,) = desk.new()
    desk.call("triage.correct(?, ?)", mail.review_id, mail.other)
    desk.call("triage.correct(?, ?)", mail.review_id, mail.third)
    desk.call("triage.correct(?, NULL)", mail.review_id)
    act(mail, "undo")
    assert mail.state() == mail.decided(mail.third, ACTOR, 5)


def test_no_action_is_none(desk, act):
    (mail,) = desk.new()
    for nothing in (None, "", "  "):
        desk.ignores(1, lambda nothing=nothing: act(mail, nothing))


def test_an_insert_without_a_label_takes_nothing_back(desk):
    decided, open_mail = desk.new(2)
    desk.database.run(f"SELECT triage.correct({decided.review_id}, '{decided.other}', actor => 'anna')")
    for view in ("triage.review_queue", desk.view):
        for columns in ("(review_id, human_label) VALUES (?, NULL)", "(review_id) VALUES (?)"):
            result = desk.reviewer.run(f"INSERT INTO {view} {columns}", decided.review_id)
            assert result.sqlstate == "22004", result
            assert f'review {decided.review_id} has the label "{decided.other}"' in str(result)
            # There is nothing to take back.
            assert desk.reviewer.run(f"INSERT INTO {view} {columns}", open_mail.review_id).sqlstate is None
        result = desk.reviewer.run(f"INSERT INTO {view} (review_id, note) VALUES (?, 'fine')", decided.review_id)
        assert result.sqlstate is None, result
    assert decided.state().human_label == decided.other
    result = desk.reviewer.run("UPDATE triage.review SET human_label = NULL WHERE review_id = ?", decided.review_id)
    assert result.sqlstate is None and decided.state().human_label is None


def test_an_unknown_action_names_those_that_are_known(desk, act):
    (mail,) = desk.new()
    allowed = "allowed: accept, skip, undo, ask again"
    desk.refuses("22023", ['"acept"', 'did you mean "accept"?', allowed], lambda: act(mail, "acept"))
    desk.refuses("22023", [allowed], lambda: act(mail, "x" * 10_000))


def test_a_label_and_an_action_are_two_decisions(desk, act):
    (mail,) = desk.new()
    desk.refuses("22023", ["human_label", "one of them"], lambda: act(mail, "skip", human_label=mail.other))


def test_a_review_that_has_no_action_in_it_is_refused_as_by_function(desk, act):
    (mail,) = desk.new()
    desk.call("triage.correct(?, ?)", mail.review_id, mail.other)
    desk.refuses("55000", ["decided already"], lambda: act(mail, "skip"))


# ---- many ---------------------------------------------------------------------------------------


def test_an_update_counts_its_rows_and_an_insert_does_not(desk, review_table):
    mails = desk.new(MANY)
    first, last = mails[0].review_id, mails[-1].review_id
    where = f"WHERE review_id BETWEEN {first} AND {last}"
    desk.refuses(
        "54000",
        ["50 rows", "INSERT"],
        lambda: desk.reviewer.run(f"UPDATE {review_table} SET action = 'skip' {where}"),
    )
    if review_table == "triage.review":
        return
    result = desk.reviewer.run(
        f"INSERT INTO {review_table} (review_id, action) SELECT review_id, 'accept' FROM {review_table} {where}"
    )
    assert result.count == MANY, result
    batch = desk.database.value(f"SELECT max(batch_id) FROM triage.decision WHERE review_id = {first}")
    # More than a statement may change, and one row of triage.batches.
    desk.refuses(
        "54000",
        ["50 rows", "triage.batches"],
        lambda: desk.reviewer.run("UPDATE triage.decision_history SET undone = true WHERE batch_id = ?", batch),
    )
    result = desk.reviewer.run(
        "UPDATE triage.batches SET undone = true WHERE batch_id = ? RETURNING decisions, undone::int", batch
    )
    assert result.rows == [[str(MANY), "1"]], result
    assert {mail.state() for mail in mails} == {mails[0].waiting(3)}
    assert desk.database.value(f"SELECT undone FROM triage.batches WHERE batch_id = {batch}") is True


# ---- undone -------------------------------------------------------------------------------------


def undo_where(desk, where, *params):
    return desk.reviewer.run(f"UPDATE triage.decision_history SET undone = true WHERE {where}", *params)


def undone(desk, mail):
    return desk.database.column(
        f"SELECT undone FROM triage.decision_history WHERE review_id = {mail.review_id} ORDER BY decision_id"
    )


def test_a_batch_is_undone_as_one_batch(desk):
    mails = desk.new(3)
    ids = ", ".join(str(mail.review_id) for mail in mails)
    batch = int(desk.call("triage.correct_many(?, ?)", ids, mails[0].other).rows[0][0])
    result = undo_where(desk, "batch_id = ?", batch)
    assert result.count == 3, result
    assert {mail.state() for mail in mails} == {mails[0].waiting(3)}
    assert [mail.ledger()[-1] for mail in mails] == [("undo", mails[0].other, None, "view", ACTOR)] * 3
    batches = desk.database.column(
        f"SELECT DISTINCT batch_id FROM triage.decision WHERE review_id IN ({ids}) AND kind = 'undo'"
    )
    assert len(batches) == 1 and batches != [batch]
    desk.ignores(3, lambda: undo_where(desk, "batch_id = ?", batch))
    # The undo is a batch, too.
    result = undo_where(desk, "batch_id = ?", batches[0])
    assert {mail.state() for mail in mails} == {mails[0].decided(mails[0].other, ACTOR, 4)}
    assert [undone(desk, mail) for mail in mails] == [[False, True, False]] * 3


@pytest.mark.parametrize("order", ["", "DESC"])
def test_several_decisions_about_one_mail_are_undone_the_latest_first(desk, order):
    (mail,) = desk.new()
    for label in (mail.other, mail.third, mail.predicted):
        desk.call("triage.correct(?, ?)", mail.review_id, label)
    first, *rest = mail.decisions()
    # Whatever the order in which the rows come.
    result = undo_where(
        desk,
        f"""decision_id IN (SELECT decision_id FROM triage.decision WHERE review_id = ? ORDER BY decision_id {order})
            AND decision_id > ?""",
        mail.review_id,
        first,
    )
    assert result.count == 2, result
    assert mail.state() == mail.decided(mail.other, ACTOR, 6)
    assert undone(desk, mail) == [False, True, True, False, False]
    result = undo_where(desk, "decision_id = ?", first)
    assert mail.state() == mail.waiting(7)
    assert result.count == 1 and len(rest) == 2


def test_what_somebody_decided_later_is_named(desk):
    (mail,) = desk.new()
    desk.call("triage.correct(?, ?)", mail.review_id, mail.other)
    desk.call("triage.correct(?, ?)", mail.review_id, mail.third)
    first, second = mail.decisions()
    desk.refuses("55000", [str(second), "undo that one first"], lambda: undo_where(desk, "decision_id = ?", first))


def test_an_undone_undo_counts_no_more(desk):
    (mail,) = desk.new()
    desk.call("triage.correct(?, ?)", mail.review_id, mail.other)
    for n in range(4):
        assert undo_where(desk, "decision_id = ?", mail.decisions()[-1]).count == 1
        assert undone(desk, mail) == [n % 2 == 0, *([i % 2 != n % 2 for i in range(n)]), False]
    # It stands again, so it can be undone again.
    assert mail.state() == mail.decided(mail.other, ACTOR, 6)
    assert undo_where(desk, "decision_id = ?", mail.decisions()[0]).count == 1
    assert mail.state() == mail.waiting(7)


def test_undone_is_set_to_true_only_and_nothing_else_is(desk):
    (mail,) = desk.new()
    desk.call("triage.correct(?, ?)", mail.review_id, mail.other)
    (decision,) = mail.decisions()
    update = "UPDATE triage.decision_history SET {} WHERE decision_id = ?"
    for column in ("note = 'x'", "new_label = 'x'", "actor = 'x'", "batch_id = 0"):
        desk.refuses(
            "22023",
            [f'"{column.split()[0]}"', "only undone"],
            lambda column=column: desk.reviewer.run(update.format(f"{column}, undone = true"), decision),
        )
    desk.ignores(1, lambda: desk.reviewer.run(update.format("undone = false, actor = actor"), decision))
    undo_where(desk, "decision_id = ?", decision)
    desk.refuses(
        "22023",
        [str(mail.decisions()[-1]), "set undone to true"],
        lambda: desk.reviewer.run(update.format("undone = false"), decision),
    )


def test_what_is_rolled_back_is_not_undone(desk):
    """Not even by the next statement of the transaction."""
    mail, another = desk.new(2)
    for one in (mail, another):
        desk.call("triage.correct(?, ?)", one.review_id, one.other)
    decision, other = mail.decisions()[0], another.decisions()[0]
    body = f"""DO $$ BEGIN
        BEGIN
            UPDATE triage.decision_history SET undone = true
             WHERE decision_id = {decision} AND 1 / (decision_id - {decision}) = 0;
        EXCEPTION WHEN division_by_zero THEN NULL; END;
        BEGIN
            UPDATE triage.decision_history SET undone = true, note = CASE decision_id WHEN {other} THEN 'x' ELSE note END
             WHERE decision_id IN ({decision}, {other});
        EXCEPTION WHEN invalid_parameter_value THEN NULL; END;
        UPDATE triage.decision_history SET undone = true WHERE decision_id = {other};
    END $$"""
    result = desk.reviewer.run(body)
    assert result.sqlstate is None, result
    assert mail.state() == mail.decided(mail.other, ACTOR, 2)
    assert another.state() == another.waiting(3)


def test_a_reader_undoes_nothing(desk):
    (mail,) = desk.new()
    desk.call("triage.correct(?, ?)", mail.review_id, mail.other)
    for view in ("decision_history", "batches"):
        with refused("42501"), desk.database.connect("doors_reader") as reader:
            reader.run(f"UPDATE triage.{view} SET undone = true")


def test_rolled_back_with_the_select_a_decision_is_nowhere(desk):
    """What a tool does that rolls every SELECT back; the history is where that is seen."""
    (mail,) = desk.new()
    history = f"SELECT count(*) FROM triage.decision_history WHERE review_id = {mail.review_id}"
    with desk.reviewer.rolled_back():
        desk.call("triage.correct(?, ?)", mail.review_id, mail.other)
    assert desk.database.value(history) == 0
    assert mail.state() == mail.waiting(1)
    desk.reviewer.run(f"UPDATE {desk.view} SET human_label = ? WHERE review_id = ?", mail.other, mail.review_id)
    assert desk.database.value(history) == 1
