"""What one client alone can do: updatable result sets, pipelines, binary parameters."""

ACTOR = "doors_reviewer"


# ---- JDBC: a grid moves to a row, sets a column, and updates the row ----------------------------


def test_jdbc_update_row_decides_and_the_grid_shows_it(jdbc_desk):
    mails = jdbc_desk.new(3)
    where = f"WHERE review_id BETWEEN {mails[0].review_id} AND {mails[2].review_id} ORDER BY review_id"
    result = jdbc_desk.reviewer.edit(f"SELECT * FROM triage.review {where}", human_label=mails[0].other)
    assert (result.rows, result.count) == ([[mails[0].other, ACTOR, "2"]] * 3, 3), result
    assert {mail.state() for mail in mails} == {mails[0].decided(mails[0].other, ACTOR, 2)}
    assert [mail.ledger() for mail in mails] == [[("correct", None, mails[0].other, "review", ACTOR)]] * 3


def test_jdbc_update_row_is_refused_as_other_updates_are(jdbc_desk):
    (mail,) = jdbc_desk.new()
    one = f"SELECT * FROM triage.review WHERE review_id = {mail.review_id}"
    edit = jdbc_desk.reviewer.edit
    edit(one, human_label=mail.other)
    jdbc_desk.refuses("23503", ["allowed:"], lambda: edit(one, human_label="nonsense"))
    jdbc_desk.refuses("40001", ["read it again"], lambda: edit(one, row_version=1, human_label=mail.third))
    jdbc_desk.refuses("22023", ['"predicted_label"'], lambda: edit(one, predicted_label=mail.third))


def test_jdbc_update_row_with_null_takes_the_decision_back(jdbc_desk):
    (mail,) = jdbc_desk.new()
    one = f"SELECT * FROM triage.review WHERE review_id = {mail.review_id}"
    jdbc_desk.reviewer.edit(one, human_label=mail.other)
    jdbc_desk.reviewer.edit(one, human_label=None)
    assert mail.state() == mail.waiting(3)


# ---- psycopg ------------------------------------------------------------------------------------


def test_psycopg_pipeline_decides_each(psycopg_desk):
    mails = psycopg_desk.new(3)
    db = psycopg_desk.reviewer.db
    with db.pipeline(), db.cursor() as cursor:
        for mail in mails:
            sql = f"UPDATE {psycopg_desk.view} SET human_label = %s WHERE review_id = %s"
            cursor.execute(sql, (mail.other, mail.review_id))
    assert {mail.state() for mail in mails} == {mails[0].decided(mails[0].other, ACTOR, 2)}


def test_psycopg_binary_parameters_and_results(psycopg_desk):
    (mail,) = psycopg_desk.new()
    with psycopg_desk.reviewer.db.cursor(binary=True) as cursor:
        cursor.execute(
            "UPDATE triage.review SET human_label = %b WHERE review_id = %b RETURNING human_label, row_version",
            (mail.third, mail.review_id),
        )
        assert cursor.fetchone() == (mail.third, 2)
    assert mail.state() == mail.decided(mail.third, ACTOR, 2)


def test_psycopg_executemany_with_returning(psycopg_desk):
    mails = psycopg_desk.new(3)
    with psycopg_desk.reviewer.db.cursor() as cursor:
        cursor.executemany(
            f"UPDATE {psycopg_desk.view} SET human_label = %s WHERE review_id = %s RETURNING human_label",
            [(mail.other, mail.review_id) for mail in mails],
            returning=True,
        )
        found = [cursor.fetchone()]
        while cursor.nextset():
            found.append(cursor.fetchone())
    assert found == [(mail.other,) for mail in mails]


def test_a_label_with_quotes_in_it_is_only_a_bad_label(psycopg_desk):
    (mail,) = psycopg_desk.new()
    quoted = "x'); DROP TABLE triage.review; --"
    sql = "UPDATE triage.review SET human_label = ? WHERE review_id = ?"
    psycopg_desk.refuses("23503", [quoted], lambda: psycopg_desk.reviewer.run(sql, quoted, mail.review_id))


def test_a_connection_without_application_name(psycopg_desk):
    """Some tools do not say their name."""
    (mail,) = psycopg_desk.new()
    with psycopg_desk.database.connect("doors_reviewer") as nameless:
        nameless.run("SELECT triage.correct(%s, %s)", mail.review_id, mail.third)
    found = psycopg_desk.database.row(
        f"SELECT actor, coalesce(application_name, '') FROM triage.decision WHERE review_id = {mail.review_id}"
    )
    assert found == (ACTOR, "")
