"""Rows without a body, texts without words, one class or five thousand, labels of all kinds."""

import pytest
from support.mails import MAILS, TWO_MAILS
from support.processor import needs_proc, processor_milliseconds
from support.sessions import literal, refused


@pytest.fixture(scope="module")
def database(module_database):
    """With the sample mails."""
    module_database.run("SELECT triage.load_sample()")
    return module_database


def answers(database, labels, body):
    """The active model gives one of these labels, with probabilities that sum to one."""
    label, total = database.row(
        f"SELECT classify_email({body}), (SELECT sum(probability) FROM classify_email_scores({body}))"
    )
    assert label in labels
    assert total == pytest.approx(1, abs=1e-6)


def test_rows_without_body_or_label_are_skipped_noticed_and_counted(database):
    with database.connect() as session:
        version = session.value(
            """SELECT triage.deploy('default', train_classifier(body, label))
                 FROM (VALUES ('invoice', 'billing'), ('password', 'support'), (NULL, 'billing'), ('no label', NULL),
                              (NULL, NULL), ('empty label', ''), ('blank label', '  ')) AS mail (body, label)"""
        )
        assert session.notices == ["skipped 5 rows without body or label"]
    counted = f"SELECT documents, skipped FROM triage.model_versions WHERE version = {version}"
    assert database.row(counted) == (2, 5)


@pytest.mark.parametrize(
    "rows", ["SELECT NULL::text, 'x'", "SELECT 'x', NULL::text", "SELECT 'x', ' '", "SELECT 'x', 'x' WHERE false"]
)
def test_no_usable_row_gives_no_model(database, rows):
    assert database.value(f"SELECT train_classifier(a, b)::text FROM ({rows}) t (a, b)") is None


# ---- texts -------------------------------------------------------------------------------------------

WITHOUT_WORDS = [
    "''",
    "'?!... --- ,,,'",
    "E'\\n\\t \\r\\n'",
    "repeat('.', 1000000)",
    "'<<<>>>&&&'",
    "E'\\x01\\x02\\x7f'",
    "U&'\\200B\\FEFF\\0301'",
    "repeat(U&'\\0301', 100000)",
    "'🤷🏽‍♀️'",
]


@pytest.mark.parametrize("body", WITHOUT_WORDS)
def test_texts_without_words_are_classified_and_trained_on(database, body):
    database.run(f"SELECT triage.deploy('default', train_classifier(body, label)) FROM {TWO_MAILS}")
    answers(database, {"billing", "support"}, body)
    trained = f"SELECT train_classifier(b, l) IS NOT NULL FROM (VALUES ({body}, 'a'), ('word', 'b')) AS m (b, l)"
    assert database.value(trained) is True


def test_an_empty_text_has_no_token(database):
    assert database.value("SELECT count(*) FROM email_tokens('')") == 0


# ---- few and many classes ------------------------------------------------------------------------------


@pytest.mark.parametrize("body", ["'one'", "'something else'", "''"])
def test_one_class(database, body):
    database.run(
        """SELECT triage.deploy('default', train_classifier(body, 'only'))
             FROM (VALUES ('one'), ('two')) AS mail (body)"""
    )
    answers(database, {"only"}, body)


@pytest.mark.parametrize("body", ["'the only mail'", "'other'"])
def test_one_mail(database, body):
    database.run("SELECT triage.deploy('default', train_classifier('the only mail', 'single'))")
    answers(database, {"single"}, body)


def test_a_class_with_one_mail_is_found(database):
    database.run(
        f"""SELECT triage.deploy('default', train_classifier(body, label))
              FROM (SELECT body, label FROM {MAILS} UNION ALL VALUES ('zebra crossing', 'lonely')) AS m"""
    )
    assert database.value("SELECT classify_email('zebra crossing')") == "lonely"


@needs_proc
def test_five_thousand_classes(database):
    database.run(
        """CREATE TABLE many AS
           SELECT format('topic%s about item%s and thing%s', c, c, n) AS body, 'class ' || c AS label
             FROM generate_series(1, 5000) AS c, generate_series(1, 3) AS n"""
    )
    database.run("SET max_parallel_workers_per_gather = 0")
    train = "SELECT triage.deploy('default', train_classifier(body, label)) FROM many"
    assert processor_milliseconds(database.session, train) < 60_000, "trained in reasonable time"
    assert database.value("SELECT classify_email('topic4321 about item4321')") == "class 4321"


def test_more_labels_than_there_can_be(database):
    with refused("54000", "65535"):
        database.run("SELECT train_classifier('x', 'label ' || n) FROM generate_series(1, 65536) AS n")


# ---- labels --------------------------------------------------------------------------------------------

LABELS = [
    "it's",
    'say "hello"',
    "mit Leerzeichen  innen",
    "🔥 urgent",
    "x" * 300,
    "ü" * 1024,
    "$1; DROP TABLE",
    "{a,b}",
    "NULL",
    "%s",
]


@pytest.fixture(scope="module")
def labels(database):
    """A classifier with labels of all kinds; each has a mail with a word of its own."""
    database.run("SELECT triage.create_classifier('labels')")
    values = ", ".join(f"('marker{i} text', {literal(label)})" for i, label in enumerate(LABELS))
    database.run(f"SELECT triage.deploy('labels', train_classifier(b, l)) FROM (VALUES {values}) AS m (b, l)")
    return database


@pytest.mark.parametrize("number", range(len(LABELS)), ids=[label[:20] for label in LABELS])
def test_a_label_of_any_kind_is_answered(labels, number):
    assert labels.value(f"SELECT classify_email('marker{number}', 'labels')") == LABELS[number]


def test_labels_of_all_kinds_are_listed(labels):
    listed = labels.column("SELECT label FROM triage.label WHERE classifier = 'labels'")
    assert sorted(listed) == sorted(LABELS)


@pytest.mark.parametrize("label", ["x" * 2049, "ü" * 1025], ids=["x", "ü"])
def test_a_label_over_2048_bytes(labels, label):
    with refused("22001", "2048"):
        labels.run("SELECT train_classifier('x', %s)", label)
    with refused("22001", "2048"):
        labels.run("SELECT triage.add_label('labels', %s)", label)


def test_a_label_that_casefolds_to_over_2048_bytes(labels):
    """One character that case and width folding writes as eighteen."""
    with refused("22001", "2048"):
        labels.run("SELECT train_classifier('x', repeat(U&'\\FDFA', 680))")


@pytest.mark.parametrize("size", [5_000, 100_000_000])
@pytest.mark.parametrize(
    "call, sqlstate, words",
    [
        ("train_classifier('x', repeat(' ', {size}) || 'x')", "22001", []),
        ("triage.add_label('labels', repeat('x', {size}))", "22001", []),
        ("classify_email('x', repeat('x', {size}))", "42704", ["known"]),
        ("triage.create_classifier(repeat('x', {size}))", "42602", []),
    ],
)
def test_a_name_that_is_far_too_long(labels, size, call, sqlstate, words):
    with refused(sqlstate, *words):
        labels.run(f"SELECT {call.format(size=size)}")


def test_an_empty_label_is_not_added(labels):
    with refused("22023"):
        labels.run("SELECT triage.add_label('labels', ' ')")


def test_spellings_of_a_label_are_one_label(database):
    database.run("SELECT triage.create_classifier('spelling')")
    with database.connect() as session:
        session.run(
            """SELECT triage.deploy('spelling', train_classifier(body, label))
                 FROM (VALUES ('invoice', 'Billing'), ('refund', 'billing'), ('bill', ' billing '),
                              ('password', 'support')) AS mail (body, label)"""
        )
        (notice,) = session.notices
    assert all(word in notice for word in ('"Billing"', '"billing"', "one label")), notice
    same = "SELECT classify_email('invoice', 'spelling') = classify_email('refund', 'spelling')"
    assert database.value(same) is True
    listed = database.column("SELECT label FROM triage.label WHERE classifier = 'spelling' ORDER BY label")
    assert listed == ["billing", "support"], "the more frequent spelling is shown"


def test_adding_another_spelling_gives_the_label_that_exists_and_says_so(database):
    database.run("SELECT triage.create_classifier('spelled'); SELECT triage.add_label('spelled', 'billing')")
    with database.connect() as session:
        assert session.value("SELECT triage.add_label('spelled', 'BILLING')") == "billing"
        assert len(session.notices) == 1
