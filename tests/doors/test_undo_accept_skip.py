"""A reviewer accepts, skips, corrects many at once, and undoes; somebody asks later who it was."""

from support.desk import UNKNOWN, State

ACTOR = "doors_reviewer"


def test_accept(desk):
    (mail,) = desk.new()
    desk.call("triage.accept(review_id => ?, note => ?)", mail.review_id, "fine")
    assert mail.state() == mail.decided(mail.predicted, ACTOR, 2)
    assert mail.ledger() == [("accept", None, mail.predicted, "function", ACTOR)]


def test_skip(desk):
    (mail,) = desk.new()
    desk.call("triage.skip(?)", mail.review_id)
    assert mail.state() == State(mail.predicted, None, ACTOR, False, 2)
    assert mail.ledger() == [("skip", None, None, "function", ACTOR)]


def test_correct_many_is_one_batch_that_can_be_undone(desk):
    many = desk.new(3)
    ids = ", ".join(str(mail.review_id) for mail in many)
    batch = int(desk.call("triage.correct_many(?, ?)", ids, many[0].other).rows[0][0])
    in_batch = f"SELECT count(*), count(DISTINCT review_id) FROM triage.decision WHERE batch_id = {batch}"
    assert desk.database.row(in_batch) == (3, 3)
    assert {mail.state() for mail in many} == {many[0].decided(many[0].other, ACTOR, 2)}
    result = desk.call("triage.undo_batch(?)", batch)
    assert result.rows == [["3"]], result
    assert {mail.state() for mail in many} == {many[0].waiting(3)}


def test_correct_many_is_all_or_none(desk):
    (mail,) = desk.new()
    ids = f"{mail.review_id},{UNKNOWN}"
    desk.refuses("P0002", [str(UNKNOWN)], lambda: desk.call("triage.correct_many(?, ?)", ids, mail.third))


# ---- undo -----------------------------------------------------------------------------------


def test_undo_goes_back_one_decision_after_the_other(desk, door):
    (mail,) = desk.new()
    door.set(mail, mail.other)
    door.set(mail, mail.third)
    first, second = mail.decisions()
    desk.refuses("55000", [str(second)], lambda: desk.call("triage.undo(?)", first))
    result = desk.call("triage.undo(?)", second)
    third = mail.decisions()[-1]
    assert result.rows == [[str(third)]], result
    assert mail.state() == mail.decided(mail.other, ACTOR, 4), "the decision before is back"
    assert mail.ledger()[-1] == ("undo", mail.third, mail.other, "function", ACTOR)
    desk.refuses("55000", [str(third)], lambda: desk.call("triage.undo(?)", second))
    desk.call("triage.undo(?)", third)
    assert mail.state() == mail.decided(mail.third, ACTOR, 5), "an undo can be undone"


def test_undo_of_the_only_decision_leaves_the_prediction(desk, door):
    (mail,) = desk.new()
    door.set(mail, mail.other)
    desk.call("triage.undo(?)", mail.decisions()[0])
    assert mail.state() == mail.waiting(3)


def test_what_is_unknown_is_not_undone(desk):
    desk.refuses("P0002", [str(UNKNOWN)], lambda: desk.call("triage.undo(?)", UNKNOWN))
    desk.refuses("P0002", [str(UNKNOWN)], lambda: desk.call("triage.undo_batch(?)", UNKNOWN))


# ---- who it was -------------------------------------------------------------------------------


def test_who_it_was(desk, door):
    """Argument, then pg_triage.actor, then the web token, then the role; connection, role that was
    taken and application are noted beside it."""
    (mail,) = desk.new()
    session, role, application = door.session, door.actor, desk.client.application
    labels = iter([mail.other, mail.third] * 5)
    beside = (role, role, application)

    def decided(sql=door.sql):
        """Who it was, as the decision and the review tell, and what is noted beside it."""
        result = session.run(sql, next(labels), door.key(mail))
        assert result.count == 1, result
        actor, *rest, reviewed_by = desk.database.row(
            f"""SELECT d.actor, d.connected_as, d.acting_as, d.application_name, r.reviewed_by
                  FROM triage.decision d JOIN triage.review r USING (review_id)
                 WHERE review_id = {mail.review_id} ORDER BY d.decision_id DESC LIMIT 1"""
        )
        assert tuple(rest) == beside
        assert reviewed_by == actor
        return actor

    def set_config(name, value):
        assert session.run(f"SELECT set_config('{name}', ?, false)", value).sqlstate is None

    assert decided() == role
    set_config("request.jwt.claims", '{"role": "web", "email": "carla@example.org"}')
    assert decided() == "carla@example.org", "the web token's email"
    set_config("pg_triage.actor", "anna")
    assert decided() == "anna", "pg_triage.actor rather than the token"
    if door.kind == "function":
        argument = "SELECT triage.correct(label => ?, review_id => ?, actor => 'berta')"
        assert decided(argument) == "berta", "the argument rather than both"
    set_config("pg_triage.actor", "")
    assert decided() == "carla@example.org", "the token again once pg_triage.actor is empty"
    set_config("request.jwt.claims", "not json")
    assert decided() == role, "the role when the token is none"
    set_config("request.jwt.claims", "")
    if role == ACTOR:
        beside = (role, "triage_reviewer", application)
        session.run("SET ROLE triage_reviewer")
        assert decided() == "triage_reviewer", "the role that was taken"
        session.run("RESET ROLE")
    session.run("SET application_name = 'grid 7'")
    beside = (role, role, "grid 7")
    assert decided() == role, "with application_name as it is by now"
    set_config("application_name", application)
