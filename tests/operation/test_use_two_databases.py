"""Two databases of one server with a classifier, a version and labels of the same names."""

from support.mails import deploy

QUESTION = "SELECT classify_email('invoice')"


def test_two_databases_answer_with_a_model_each_and_activate_on_their_own(server, database):
    with server.database() as neighbour:
        database.run(deploy("here"))
        neighbour.run(deploy("there"))
        here, there = database.connect(), neighbour.connect()
        assert [session.value(QUESTION) for session in (here, there, here, there)] == ["here", "there"] * 2
        database.run(deploy("changed"))
        assert [session.value(QUESTION) for session in (here, there)] == ["changed", "there"]
