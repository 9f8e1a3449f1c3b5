"""What is missing, misspelt or not there yet: a clear error that names the fix, or a sensible answer."""

import pytest
from support.mails import TWO_MAILS
from support.sessions import refused


@pytest.fixture(scope="module")
def database(module_database):
    """Two classifiers beside the default one; none has a model."""
    module_database.run("SELECT triage.create_classifier(name) FROM unnest(ARRAY['department', 'spam', 'empty']) name")
    return module_database


# ---- no model -------------------------------------------------------------------------------------


def test_without_a_model_there_is_no_answer_and_one_notice_per_session(database):
    with database.connect() as session:
        for _ in range(3):
            assert session.value("SELECT classify_email('invoice') IS NULL") is True
        assert session.value("SELECT count(*) FROM classify_email_scores('invoice')") == 0
        assert session.value("SELECT count(classify_email('x' || n)) FROM generate_series(1, 100) AS n") == 0
        (notice,) = session.notices
        assert "train_classifier" in notice, "it says how to train"
        # A second classifier without a model is not worth a second notice.
        assert session.value("SELECT classify_email('invoice', 'empty') IS NULL") is True
        assert len(session.notices) == 1


def test_where_labels_are_declared_one_correction_is_enough(database):
    database.run("SELECT triage.create_classifier('declared')")
    database.run("SELECT triage.add_label('declared', label) FROM unnest(ARRAY['billing', 'support']) label")
    database.run("CREATE TABLE declared (id int PRIMARY KEY, body text, category text)")
    database.run("SELECT triage.attach('declared', ARRAY['body'], 'category', classifier => 'declared')")
    with database.connect() as session:
        session.run("INSERT INTO declared VALUES (1, 'the invoice'), (2, 'the password')")
        (notice,) = session.notices
        assert "first correction makes one" in notice and "deploy" not in notice
        session.run("UPDATE declared SET category = 'billing' WHERE id = 1")
        assert session.value("SELECT classify_email('the invoice', 'declared')") == "billing"


def test_null_in_null_out(database):
    assert database.row("SELECT classify_email(NULL) IS NULL, classify_email('x', NULL) IS NULL") == (True, True)


@pytest.mark.parametrize(
    "statement, sqlstate, words",
    [
        ("SELECT triage.deploy('default', NULL)", "22004", "no model"),
        ("SELECT triage.deploy('default', train_classifier(NULL, 'x'))", "22004", "body and label"),
        (f"SELECT triage.deploy(NULL, train_classifier(body, label)) FROM {TWO_MAILS}", "22004", "classifier"),
        # A note that would not fit into a dump.
        (
            "SELECT triage.deploy('default', train_classifier(body, label), note => repeat('x', 65537))"
            f" FROM {TWO_MAILS}",
            "22001",
            "65536",
        ),
        ("SELECT triage.rollback('default')", "55000", "default"),
        ("SELECT triage.rollback('empty')", "55000", "empty"),
        ("SELECT triage.activate('empty', 7)", "42704", "7"),
    ],
)
def test_nothing_to_deploy_or_to_go_back_to(database, statement, sqlstate, words):
    with refused(sqlstate, words):
        database.run(statement)


# ---- names ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement, words",
    [
        ("SELECT classify_email('x', 'deparment')", ['"deparment"', 'did you mean "department"?', "default", "spam"]),
        # The case of a classifier's name counts.
        ("SELECT * FROM classify_email_scores('x', 'Spam')", ['did you mean "spam"?']),
        # No suggestion for what is like nothing.
        ("SELECT triage.activate('zzzzzz', 1)", ["(known:"]),
        # Deploy does not make a classifier by mistake.
        (
            f"SELECT triage.deploy('spma', train_classifier(body, label)) FROM {TWO_MAILS}",
            ['did you mean "spam"?'],
        ),
    ],
)
def test_an_unknown_classifier_is_an_error_that_lists_the_known_ones(database, statement, words):
    with refused("42704", *words):
        database.run(statement)


def test_a_classifier_is_made_once(database):
    with refused("42710", "already exists"):
        database.run("SELECT triage.create_classifier('spam')")


@pytest.mark.parametrize("name", ["", " x", "x" * 129], ids=["empty", "white space", "long"])
def test_not_a_name_for_a_classifier(database, name):
    with refused("42602"):
        database.run("SELECT triage.create_classifier(%s)", name)


# ---- settings ---------------------------------------------------------------------------------------

# The server knows a setting once the library is loaded.
LOADED = "SELECT count(*) FROM email_tokens('x')"


@pytest.mark.parametrize(
    "setting, sqlstate, word",
    [
        ("trainig_memory = '1MB'", "42602", "trainig_memory"),
        ("training_memory = '1kB'", "22023", "training_memory"),
        ("training_memory = 'much'", "22023", "training_memory"),
    ],
)
def test_a_setting_that_is_misspelt_or_out_of_bounds_is_an_error(database, setting, sqlstate, word):
    with database.connect() as session:
        session.run(LOADED)
        with refused(sqlstate, word):
            session.run(f"SET pg_triage.{setting}")


def test_a_misspelt_setting_is_noticed_in_a_new_session_too(database):
    """Before the library is loaded the server takes any name; it may not stay unnoticed."""
    with database.connect() as session:
        session.run("SET pg_triage.trainig_memory = '1MB'")
        session.run(LOADED)
        assert any("trainig_memory" in notice for notice in session.notices)
