"""A dump restored into an empty server gives the same models and the same answers, in every
format of a dump."""

import pytest
from support.dumps import dump, pg_restore, run_dump
from support.mails import MAILS
from support.server import new_server
from support.sessions import literal

PROBES = 1000
# Labels that have to survive quoting in every format of a dump.
LABELS = ['it\'s "quoted"', "mit Leerzeichen", "🔥 urgent 🇩🇪", "back\\slash", "a|b,c;d$$", "Zeilen\numbruch", "x" * 300]
NAMES = ", ".join(f"({i}, {literal(label)})" for i, label in enumerate(LABELS))

# Models, labels and a history: two versions and a candidate of one classifier, one version of a
# second with awkward labels, and tables of the user's own.
FILL = [
    "SELECT triage.load_sample()",
    f"""SELECT triage.deploy('default', train_classifier(body, label), note => 'all the mails')
          FROM {MAILS} WHERE mailbox = 'sample/train'""",
    f"""SELECT triage.deploy('default', train_classifier(body, upper(label)), note => 'half of them')
          FROM {MAILS} WHERE email_id % 2 = 0""",
    f"""SELECT triage.deploy('default', train_classifier(body, label), activate => false)
          FROM {MAILS} WHERE email_id % 3 = 0""",
    """SELECT triage.activate('default', 1), triage.activate('default', 3),
              triage.rollback('default'), triage.rollback('default'), triage.activate('default', 1)""",
    """SELECT triage.create_classifier('Zweiter "Topf"', 'with ''quotes'' and 😀')""",
    f"""SELECT triage.deploy('Zweiter "Topf"', train_classifier(body, names.label))
          FROM {MAILS} JOIN (VALUES {NAMES}) AS names (number, label) ON number = email_id % {len(LABELS)}""",
    """SELECT triage.add_label('Zweiter "Topf"', 'never used', 'a description: "ä", ''''')""",
    f"CREATE TABLE shard AS SELECT label, collect_emails(body, label) AS state FROM {MAILS} GROUP BY label",
    "CREATE TABLE pinned AS SELECT model, version FROM triage_internal.model WHERE classifier = 'default'",
    "INSERT INTO pinned VALUES (NULL, 0)",
]
# The sample mails, and pieces of them: some decide by a few words only.
PROBE = f"""(SELECT row_number() OVER (ORDER BY piece, email_id) AS number, probe
               FROM (SELECT email_id, piece,
                            CASE piece WHEN 0 THEN body
                                       WHEN 1 THEN left(body, (20 + email_id % 60)::int)
                                       WHEN 2 THEN right(body, (30 + email_id % 90)::int)
                                       ELSE substr(body, (length(body) / 3)::int, 80) END AS probe
                       FROM {MAILS}, generate_series(0, 3) AS piece) AS cut
              ORDER BY number LIMIT {PROBES}) AS probes"""
QUESTIONS = {
    "models": "SELECT classifier, version, encode(sha256(email_model_send(model)), 'hex') FROM triage_internal.model ORDER BY 1, 2",
    "model_versions": "SELECT * FROM triage.model_versions ORDER BY 1, 2",
    "classifiers": "SELECT * FROM triage.classifier ORDER BY 1",
    "labels": "SELECT * FROM triage.label ORDER BY 1, 2",
    "activations": "SELECT * FROM triage_internal.activation ORDER BY 1",
    "emails": "SELECT * FROM triage.email ORDER BY 1",
    "states of the user's own": "SELECT label, encode(sha256(email_state_send(state)), 'hex') FROM shard ORDER BY 1",
    "models of the user's own": "SELECT version, encode(sha256(email_model_send(model)), 'hex') FROM pinned ORDER BY 1",
    "labels of probes": f"""SELECT number, classify_email(probe), classify_email(probe, 'Zweiter "Topf"') FROM {PROBE} ORDER BY 1""",
    "probabilities of probes": f"SELECT number, s.* FROM {PROBE}, classify_email_scores(probe) AS s ORDER BY 1, rank",
}


@pytest.fixture(scope="module")
def source(module_database):
    for statement in FILL:
        module_database.run(statement)
    return module_database


@pytest.fixture(scope="module")
def original(source):
    """What the questions are answered with before anything is dumped."""
    return {name: source.rows(question) for name, question in QUESTIONS.items()}


@pytest.fixture(scope="module")
def other_server():
    with new_server("restore") as other_server:
        yield other_server


def plain(source, target, folder):
    run_dump(target, dump(source, folder / "plain", "--format=plain"), "--single-transaction")


def inserts(source, target, folder):
    run_dump(target, dump(source, folder / "inserts", "--inserts", "--rows-per-insert=1"), "--single-transaction")


def custom(source, target, folder):
    pg_restore(target, dump(source, folder / "custom", "--format=custom"))


def over_itself(source, target, folder):
    """Drops the extension, and with it what belongs to it, first."""
    file = dump(source, folder / "clean", "--format=custom")
    pg_restore(target, file)
    pg_restore(target, file, "--clean", "--if-exists")


def parallel(source, target, folder):
    """Tables of an extension are restored in any order: their foreign keys exist before the rows do."""
    pg_restore(target, dump(source, folder / "parallel", "--format=custom"), "--jobs=2")


TABLES = "CREATE TABLE shard (label text, state email_state); CREATE TABLE pinned (model email_model, version integer)"


def data_only(source, target, folder):
    """Into a database that has the extension."""
    target.run("CREATE EXTENSION IF NOT EXISTS pg_triage")
    target.run(TABLES)
    pg_restore(target, dump(source, folder / "data", "--data-only", "--format=custom"), "--single-transaction")


WAYS = {way.__name__: way for way in (plain, inserts, custom, over_itself, parallel, data_only)}


@pytest.fixture(scope="module", params=WAYS)
def restored(request, source, original, other_server, tmp_path_factory):
    with other_server.database(request.param, extension=False) as target:
        WAYS[request.param](source, target, tmp_path_factory.mktemp("dump"))
        yield target


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_is_restored_is_the_same(restored, original, question):
    assert original[question]
    assert restored.rows(QUESTIONS[question]) == original[question]


def test_a_restored_history_goes_on(restored):
    assert restored.value("SELECT triage.rollback('default')") == 2
    assert restored.value(f"SELECT triage.deploy('default', train_classifier(body, label)) FROM {MAILS}") == 4
    assert restored.value("SELECT count(*) = max(activation_id) FROM triage_internal.activation"), "a gap or a conflict"
    before = restored.value("SELECT max(email_id) FROM triage.email")
    restored.run("INSERT INTO triage.email (subject) VALUES ('new')")
    assert restored.value("SELECT max(email_id) FROM triage.email") == before + 1
    assert restored.value("SELECT triage.load_sample()") == 0, "the sample mails are loaded a second time"


def test_a_session_that_was_connected_answers_with_the_restored_model(source, other_server, tmp_path):
    question = "SELECT classify_email('Your invoice is overdue')"
    with other_server.database("connected") as target:
        connected = target.connect()
        assert connected.value(question) is None
        data_only(source, target, tmp_path)
        wanted = source.value(question)
        assert wanted is not None
        assert connected.value(question) == wanted
