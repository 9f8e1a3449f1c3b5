"""Each role does what it is for and nothing more, and what it does is written down under its name."""

import pytest
from support.mails import MAILS, TWO_MAILS
from support.sessions import error_of

EVERYBODY = "analyst reader reviewer trainer admin writer nobody"
ANALYSTS = "analyst reader reviewer trainer admin"
READERS = "reader reviewer trainer admin"
REVIEWERS = "reviewer trainer admin"
WRITERS = "reviewer trainer admin writer"
TRAINERS = "trainer admin"
ADMINS = "admin"
NOBODY = ""

# A setting is known, and protected, once the library is loaded.
LOADED = "SELECT email_text('')"

# What is done, and who may; everything is rolled back afterwards.
MATRIX = [
    # Pure functions.
    ("SELECT classify_with(model, 'invoice') FROM given", EVERYBODY),
    ("SELECT count(*) FROM email_tokens('an invoice')", EVERYBODY),
    (f"SELECT train_classifier(body, label) FROM {TWO_MAILS}", EVERYBODY),
    ("SELECT fit_email_model(merge_states(state)) FROM given", EVERYBODY),
    ("SELECT model::text::email_model FROM given", EVERYBODY),
    # The active model: its answers, but not the model.
    ("SELECT classify_email('invoice')", READERS),
    ("SELECT * FROM classify_email_scores('invoice')", READERS),
    ("SELECT * FROM explain_email('invoice', 'billing')", READERS),
    ("SELECT * FROM triage.classifier", READERS),
    ("SELECT * FROM triage.label", READERS),
    ("SELECT * FROM triage.cost", READERS),
    # Figures, without text.
    ("SELECT * FROM triage.model_versions", ANALYSTS),
    ("SELECT * FROM triage.activations", ANALYSTS),
    ("SELECT * FROM triage.sources", ANALYSTS),
    ("SELECT * FROM triage.label_choices", ANALYSTS),
    ("SELECT * FROM triage.status", ANALYSTS),
    ("SELECT * FROM triage.accuracy_daily", ANALYSTS),
    ("SELECT * FROM triage.worker_status()", ANALYSTS),
    # With text: mails, notes, names that clients give themselves.
    ("SELECT * FROM triage.review", REVIEWERS),
    ("SELECT * FROM triage.review_queue", REVIEWERS),
    ("SELECT * FROM triage.email_queue", REVIEWERS),
    ("SELECT * FROM triage.decision_history", REVIEWERS),
    ("SELECT * FROM triage.batches", REVIEWERS),
    ("SELECT decision_id, note FROM triage.decision", REVIEWERS),
    ("SELECT features FROM triage.decision", ADMINS),
    ("SELECT classifier, version FROM triage_internal.model", ADMINS),
    ("SELECT model FROM triage_internal.model", ADMINS),
    ("SELECT * FROM triage_internal.activation", ADMINS),
    # Mail.
    ("SELECT body FROM triage.email", REVIEWERS),
    ("INSERT INTO triage.email (subject) VALUES ('x')", REVIEWERS),
    ("UPDATE triage.email SET label = 'spam' WHERE email_id = 1", REVIEWERS),
    ("DELETE FROM triage.email", ADMINS),
    ("TRUNCATE triage.email", ADMINS),
    # Raw mail: whoever hands it in can do nothing else.
    ("SELECT subject FROM parse_email('Subject: x')", EVERYBODY),
    ("SELECT email_text('Subject: x')", EVERYBODY),
    ("SELECT classify_email('Subject: x'::bytea)", READERS),
    ("SELECT triage.ingest('Subject: x')", WRITERS),
    ("SELECT triage.ingest_json(jsonb_build_object('subject', 'x'))", WRITERS),
    ("SELECT * FROM triage.labelled_email", REVIEWERS),
    ("SELECT triage_internal.notify_label()", NOBODY),
    (f"{LOADED}; SET pg_triage.keep_raw = on", NOBODY),
    (f"{LOADED}; SET pg_triage.max_message_bytes = '1GB'", NOBODY),
    (f"{LOADED}; SET pg_triage.notify = off", NOBODY),
    # Decisions.
    ("SELECT * FROM triage.suspect_labels", REVIEWERS),
    ("SELECT * FROM triage_internal.find_suspects('default')", ADMINS),
    ("UPDATE triage.classifier SET review_below = 0.9", TRAINERS),
    ("UPDATE triage.classifier SET open_labels = true", NOBODY),
    ("SELECT triage.create_classifier('new')", TRAINERS),
    ("SELECT triage.add_label('default', 'new')", TRAINERS),
    ("SELECT triage.deploy('default', model) FROM given", TRAINERS),
    ("SELECT triage.activate('default', 1)", TRAINERS),
    ("SELECT triage.rollback('default')", TRAINERS),
    ("SELECT triage.load_sample()", TRAINERS),
    # Past the functions: nobody, so that history stays what it is.
    ("INSERT INTO triage.classifier (name) VALUES ('x')", NOBODY),
    ("UPDATE triage_internal.model SET note = 'x'", NOBODY),
    ("DELETE FROM triage_internal.model", NOBODY),
    (
        "INSERT INTO triage_internal.activation (classifier, version, kind, activated_by) VALUES ('default', 1, 'activate', 'x')",
        NOBODY,
    ),
    ("DELETE FROM triage_internal.activation", NOBODY),
    ("TRUNCATE triage_internal.activation", NOBODY),
    ("DELETE FROM triage.label", NOBODY),
    ("CREATE TABLE triage.mine ()", NOBODY),
    ("CREATE TRIGGER t BEFORE INSERT ON triage.email EXECUTE FUNCTION suppress_redundant_updates_trigger()", NOBODY),
    (
        "CREATE TEMP TABLE t (); CREATE TRIGGER t AFTER TRUNCATE ON t EXECUTE FUNCTION triage_internal.signal_change()",
        NOBODY,
    ),
    ("LOCK TABLE triage_internal.model", NOBODY),
]


@pytest.fixture(scope="module")
def sessions(module_database):
    """A session for each role: a member of it, and one of none. There are mails, two versions of a
    model, and a table that everybody may read with a model and a state."""
    database = module_database
    database.run("SELECT triage.load_sample()")
    database.run(f"SELECT triage.deploy('default', train_classifier(body, label)) FROM {MAILS}")
    database.run(f"SELECT triage.deploy('default', train_classifier(body, label)) FROM {TWO_MAILS}")
    database.run(
        f"""CREATE TABLE public.given AS
            SELECT train_classifier(body, label) AS model, collect_emails(body, label) AS state FROM {TWO_MAILS};
            GRANT SELECT ON public.given TO PUBLIC"""
    )
    for name in EVERYBODY.split():
        database.role(f"pt_{name}", *([] if name == "nobody" else [f"triage_{name}"]))
    return {name: database.connect(f"pt_{name}") for name in EVERYBODY.split()}


@pytest.mark.parametrize("sql, allowed", MATRIX, ids=[sql[:70] for sql, _ in MATRIX])
def test_who_may_do_what(sessions, sql, allowed):
    """Everybody is tried, and everything rolled back."""
    wrong = []
    for name, session in sessions.items():
        with session.transaction(force_rollback=True):
            error = attempt(session, sql)
        if name in allowed.split() and error:
            wrong.append(f"{name} is refused: {error}")
        if name not in allowed.split() and (error is None or error.sqlstate != "42501"):
            wrong.append(f"{name} is not refused: {error}")
    assert wrong == []


def attempt(session, sql):
    """The error that it ends with, after which the transaction goes on."""
    session.run("SAVEPOINT attempt")
    error = error_of(session, sql)
    session.run("ROLLBACK TO attempt")
    return error


LAST_ACTIVATION = "SELECT activated_by FROM triage.activations ORDER BY activation_id DESC LIMIT 1"


def test_the_caller_is_recorded_and_not_the_owner_of_the_tables(module_database, sessions):
    sessions["trainer"].run("SELECT triage.activate('default', 1)")
    assert module_database.value(LAST_ACTIVATION) == "pt_trainer"


def test_after_set_role_the_role_is_recorded(module_database, sessions):
    module_database.run("SET ROLE pt_admin; SELECT triage.activate('default', 2); RESET ROLE")
    assert module_database.value(LAST_ACTIVATION) == "pt_admin"


WHO_AND_WHERE = "SELECT current_user, current_setting('search_path')"


def test_rights_end_with_the_call(module_database, sessions):
    with module_database.connect() as session:
        session.run("SET ROLE pt_reader")
        assert session.value("SELECT classify_email('x') IS NULL") is False
        assert session.row(WHO_AND_WHERE) == ("pt_reader", '"$user", public')


def test_rights_end_with_a_call_that_fails(module_database, sessions):
    with module_database.connect() as session:
        session.run("SET ROLE pt_reader")
        session.run(
            """DO $$ BEGIN PERFORM classify_email('x', 'unknown'); EXCEPTION WHEN undefined_object THEN NULL; END $$"""
        )
        assert session.row(WHO_AND_WHERE) == ("pt_reader", '"$user", public')
