"""The same rows give the same model, byte for byte: in any order, with any number of workers, over
partitions, and by way of merged states."""

import random
from types import SimpleNamespace

import pytest
from support.mails import MAILS

SHA = "encode(sha256(email_model_send({})), 'hex')"
SHA_STATE = "encode(sha256(email_state_send({})), 'hex')"
TRAINED = SHA.format("train_classifier(body, label)")
COLLECTED = SHA_STATE.format("collect_emails(body, label)")
FITTED = SHA.format("fit_email_model(collect_emails(body, label))")
SERIAL = {"max_parallel_workers_per_gather": 0}
# Makes small tables worth a parallel plan.
EAGER = {
    "parallel_setup_cost": 0,
    "parallel_tuple_cost": 0,
    "min_parallel_table_scan_size": 0,
    "max_parallel_workers": 8,
}
SHUFFLES = 20
SAMPLE_DOCUMENTS = 2000
MERGE_TREES = 20

VARIATION = """LATERAL (SELECT
    CASE copy % 5 WHEN 0 THEN mail.body || repeat(' copy', copy)
              WHEN 1 THEN upper(mail.body)
              WHEN 2 THEN mail.body || E'\\nSent from copy ' || copy || ' ' || email_id
              WHEN 3 THEN left(mail.body, length(mail.body) / 2)
              ELSE mail.body END AS body,
    -- Spellings with a tie for the most frequent one.
    CASE WHEN copy IN (1, 3) THEN upper(mail.label)
         WHEN copy = 2 THEN initcap(mail.label)
         ELSE mail.label END AS label) AS v"""


@pytest.fixture(scope="module")
def mails(module_database):
    """The sample mails several times with variations, more than the sample of a state holds, and all
    that tends to depend on order: labels in several spellings, duplicates, rows to skip, empty
    texts, one too long for the sample."""
    database = module_database
    database.run("SELECT triage.load_sample()")
    database.run(
        f"""CREATE TABLE mails AS
            SELECT row_number() OVER () AS id, v.body, v.label
              FROM {MAILS}, generate_series(0, 9) AS copy, {VARIATION}
             WHERE mailbox = 'sample/train';
            INSERT INTO mails SELECT 10000 + id, body, label FROM mails WHERE id % 13 = 0;
            INSERT INTO mails SELECT 20000 + id, body, 'support' FROM mails WHERE id % 17 = 0;
            INSERT INTO mails VALUES (30001, NULL, 'hr'), (30002, 'no label', NULL), (30003, NULL, NULL),
                (30004, '', 'hr'), (30005, 'an empty label', ''), (30006, '...', 'only here'),
                (30007, 'only here', ' ONLY Here');
            INSERT INTO mails SELECT 30008, string_agg('word' || n, ' '), 'sales' FROM generate_series(1, 20000) AS n;
            ALTER TABLE mails SET (parallel_workers = 4);
            ANALYZE mails"""
    )
    documents = database.value("SELECT count(*) FROM mails WHERE body IS NOT NULL AND label <> ''")
    assert documents > SAMPLE_DOCUMENTS, "more than the sample of a state holds"
    return database


@pytest.fixture(scope="module")
def serial(mails):
    """The checksums of model and state that one process makes of the rows in the table's order."""
    with mails.connect(settings=SERIAL) as session:
        return SimpleNamespace(
            model=session.value(f"SELECT {TRAINED} FROM mails"), state=session.value(f"SELECT {COLLECTED} FROM mails")
        )


def test_collecting_and_fitting_equals_training(mails, serial):
    with mails.connect(settings=SERIAL) as session:
        assert session.value(f"SELECT {FITTED} FROM mails") == serial.model
        assert session.value(f"SELECT {TRAINED} FROM mails") == serial.model, "a second session gives the same"


def test_a_row_less_gives_another_model(mails, serial):
    with mails.connect(settings=SERIAL) as session:
        assert session.value(f"SELECT {TRAINED} FROM mails WHERE id <> 30006") != serial.model


def test_a_row_that_is_skipped_anyway_makes_no_difference_but_its_count(mails, serial):
    """The model says how many rows were skipped."""
    with mails.connect(settings=SERIAL) as session:
        assert session.value(f"SELECT {TRAINED} FROM mails WHERE id <> 30001") != serial.model


@pytest.mark.parametrize("workers", [2, 4])
def test_workers_make_the_same(mails, serial, workers):
    with mails.connect(settings=EAGER | {"max_parallel_workers_per_gather": workers}) as session:
        plan = session.explain(f"SELECT {TRAINED} FROM mails", "ANALYZE, COSTS off, TIMING off")
        assert "Partial Aggregate" in plan
        assert f"Workers Launched: {workers}" in plan
        assert session.value(f"SELECT {TRAINED} FROM mails") == serial.model
        assert session.value(f"SELECT {COLLECTED} FROM mails") == serial.state


# ---- order and grouping --------------------------------------------------------------------------


def test_shuffled_rows_make_the_same_model(mails, serial):
    """With md5 as the key the order differs by the seed, and is the same in every run."""
    found = {
        mails.value(
            f"""SELECT {SHA.format(f"train_classifier(body, label ORDER BY md5('{seed}' || id))")} FROM mails"""
        )
        for seed in range(SHUFFLES)
    }
    assert found == {serial.model}


def test_rows_sorted_by_label_make_the_same_model(mails, serial):
    by_label = f"SELECT {TRAINED} FROM (SELECT * FROM mails ORDER BY label DESC, body) AS sorted"
    assert mails.value(by_label) == serial.model


def test_groups_make_the_same_model(mails, serial):
    """Hashed or sorted, and rolled up together with another aggregate."""
    grouped = f"SELECT DISTINCT {TRAINED} FROM mails, generate_series(1, 2) AS n GROUP BY n"
    assert mails.value(grouped) == serial.model
    rolled_up = f"SELECT {TRAINED}, count(*) > 0 FROM mails GROUP BY ROLLUP ((id > 0))"
    assert mails.rows(rolled_up) == [(serial.model, True)] * 2


# ---- the aggregate's own state: making a model must not change what it is made from ---------------


def test_two_aggregates_that_share_a_state(mails, serial):
    assert mails.row(f"SELECT {TRAINED}, {COLLECTED} FROM mails") == (serial.model, serial.state)
    assert mails.row(f"SELECT {COLLECTED}, {TRAINED} FROM mails") == (serial.state, serial.model)


@pytest.fixture(scope="module")
def few(mails):
    """A table of a few of the rows."""
    mails.run("CREATE TABLE few AS SELECT * FROM mails WHERE id % 37 = 0")
    return mails


def test_a_window_function_asks_for_its_result_again_and_again(few):
    running = SHA.format("train_classifier(body, label) OVER (ORDER BY id)")
    differ = few.value(
        f"""SELECT count(*) FROM (SELECT id, {running} AS running FROM few) AS w
             WHERE running IS DISTINCT FROM (SELECT {TRAINED} FROM few WHERE few.id <= w.id)"""
    )
    assert differ == 0


def test_a_window_function_does_not_repeat_its_notices_for_every_row(few):
    with few.connect() as session:
        session.run("SELECT train_classifier(body, label) OVER (ORDER BY id) IS NULL FROM few")
        assert 0 < len(session.notices) <= 10


# ---- partitions, merged states --------------------------------------------------------------------


@pytest.fixture(scope="module")
def parts(mails):
    """The same rows in five partitions."""
    mails.run("CREATE TABLE parts (LIKE mails) PARTITION BY HASH (id)")
    for remainder in range(5):
        mails.run(
            f"CREATE TABLE part_{remainder} PARTITION OF parts FOR VALUES WITH (MODULUS 5, REMAINDER {remainder})"
        )
    mails.run("INSERT INTO parts SELECT * FROM mails; ANALYZE parts")
    return mails


@pytest.mark.parametrize("workers", [0, 2])
def test_an_aggregate_per_partition_makes_the_same_model(parts, serial, workers):
    settings = EAGER | {"enable_partitionwise_aggregate": "on", "max_parallel_workers_per_gather": workers}
    with parts.connect(settings=settings) as session:
        assert session.explain(f"SELECT {TRAINED} FROM parts").count("Partial Aggregate") == 5
        assert session.value(f"SELECT {TRAINED} FROM parts") == serial.model


@pytest.mark.parametrize("seed", range(MERGE_TREES))
def test_merging_in_any_tree_makes_the_same(mails, serial, seed):
    """The rows are split into groups, and random handfuls of states merged until one is left."""
    chance = random.Random(seed)
    groups = chance.randint(1, 40)
    with mails.connect() as session:
        session.run(
            f"""CREATE TEMP TABLE states AS
                SELECT row_number() OVER () AS id, state
                  FROM (SELECT collect_emails(body, label) AS state FROM mails
                         GROUP BY abs(hashtext('{chance.random()}' || id)) % {groups}) AS parts"""
        )
        left = session.column("SELECT id FROM states")
        while len(left) > 1:
            handful = chance.sample(left, min(len(left), chance.randint(2, 6)))
            new = max(left) + 1
            session.run(
                f"""WITH gone AS (DELETE FROM states WHERE id = ANY (ARRAY{handful}) RETURNING state)
                    INSERT INTO states SELECT {new}, merge_states(state) FROM gone"""
            )
            left = [number for number in left if number not in handful] + [new]
        found = session.row(f"SELECT {SHA.format('fit_email_model(state)')}, {SHA_STATE.format('state')} FROM states")
    assert found == (serial.model, serial.state)


def test_merging_nothing(mails, serial):
    none = "SELECT merge_states(NULL::email_state) IS NULL, count(*) FROM (SELECT WHERE false) AS none"
    assert mails.row(none) == (True, 0)
    some = f"""SELECT {SHA_STATE.format("merge_states(state)")}
                 FROM (SELECT collect_emails(body, label) AS state FROM mails
                       UNION ALL SELECT NULL
                       UNION ALL SELECT collect_emails(body, label) FROM mails WHERE false) AS s"""
    assert mails.value(some) == serial.state, "NULL states and states of no rows change nothing"
    assert mails.value("SELECT train_classifier(body, label) IS NULL FROM mails WHERE false") is True


# ---- classifying in workers -----------------------------------------------------------------------

TWO_WORKERS = EAGER | {"max_parallel_workers_per_gather": 2}


def test_workers_open_the_model_that_counts_for_the_leaders_snapshot(mails):
    query = "SELECT classify_email(body) AS label, count(*) FROM mails GROUP BY 1 ORDER BY 1"
    for name in ("first", "second"):
        mails.run(f"SELECT triage.deploy('default', train_classifier(body, '{name} ' || label)) FROM mails")
        with mails.connect(settings=TWO_WORKERS) as session:
            assert "Workers Launched: 2" in session.explain(query, "ANALYZE, COSTS off, TIMING off")
            answers = session.rows(query)
        assert f"{name} billing" in [label for label, _ in answers]
        with mails.connect(settings=SERIAL) as session:
            assert session.rows(query) == answers


def test_without_a_model_all_workers_say_so_once(mails):
    mails.run("SELECT triage.create_classifier('empty')")
    with mails.connect(settings=TWO_WORKERS) as session:
        assert session.value("SELECT count(classify_email(body, 'empty')) FROM mails") == 0
        assert len(session.notices) <= 1
