"""Bodies of fifty megabytes take a few seconds, and training stops at its memory limit."""

import pytest
from support.mails import TWO_MAILS
from support.processor import needs_proc, processor_seconds
from support.sessions import refused

HUGE = {
    "words": "(SELECT string_agg(md5(n::text) || ' ' || n, ' ') FROM generate_series(1, 1250000) AS n)",
    "one word": "repeat('x', 50000000)",
    "repeated": "repeat('invoice due ', 4200000)",
    "no words": "repeat('.,', 25000000)",
    "markup": "repeat('<a href=\"', 5600000)",
    "marks": "repeat(U&'e\\0301', 16000000)",
    "ligatures": "repeat(U&'\\FDFA', 16000000)",
}


@needs_proc
@pytest.mark.parametrize("kind", HUGE)
def test_a_huge_body_takes_a_few_seconds_at_most(module_database, kind):
    database = module_database
    database.run(f"SELECT triage.deploy('default', train_classifier(body, label)) FROM {TWO_MAILS}")
    database.run(f"CREATE TABLE huge AS SELECT {HUGE[kind]} AS body")
    # Of its processor: others are busy, too.
    spent = [processor_seconds(database.session)]
    answer = database.value("SELECT classify_email(body) FROM huge")
    spent.append(processor_seconds(database.session))
    trained = database.value("SELECT train_classifier(body, 'x') IS NOT NULL FROM huge")
    spent.append(processor_seconds(database.session))
    database.run("DROP TABLE huge")
    classify, train = spent[1] - spent[0], spent[2] - spent[1]
    print(f"{kind}: classified in {classify:.2f} s, trained on in {train:.2f} s")
    assert answer in ("billing", "support")
    assert trained is True
    assert max(classify, train) < 10


# ---- memory ---------------------------------------------------------------------------------------------

MANY_WORDS = "SELECT train_classifier(md5(n::text) || ' ' || md5((-n)::text), 'x') FROM generate_series(1, 100000) AS n"
# Label texts count, whatever they are: this is what a free-text column looks like.
MANY_LABELS = "SELECT train_classifier('x', n || repeat(' text', 300) || n) FROM generate_series(1, {}) AS n"


def test_training_stops_at_the_memory_limit_and_the_session_goes_on(module_database):
    with module_database.connect() as session:
        session.run("SET pg_triage.training_memory = '1MB'")
        with refused("53400", "pg_triage.training_memory", "1 MB"):
            session.run(MANY_WORDS)
        assert session.value(f"SELECT train_classifier(body, label) IS NOT NULL FROM {TWO_MAILS}") is True


def test_training_stops_also_when_the_limit_is_set_for_the_connection(module_database):
    with module_database.connect(settings={"pg_triage.training_memory": "1MB"}) as session:
        with refused("53400", "pg_triage.training_memory"):
            session.run(MANY_WORDS)


def test_label_texts_count_towards_the_limit(module_database):
    with module_database.connect(settings={"pg_triage.training_memory": "16MB"}) as session:
        with refused("53400", "pg_triage.training_memory"):
            session.run(MANY_LABELS.format(4000))


def test_label_texts_that_no_model_could_hold(module_database):
    with refused("54000", "labels are too long"):
        module_database.run(MANY_LABELS.format(20000))
