"""A row without text waits, and is labelled when its text comes, whatever makes it. A text that
changes is predicted anew while nobody has decided; a decision stands, and the review says that it
was about another text."""

import random
import threading

import psycopg
import pytest

TEXT = {"billing": "invoice payment overdue", "support": "login password broken", "sales": "offer price list"}
REVIEW = """SELECT t.category, r.predicted_label, r.human_label, r.queue_reason, r.unclassified_reason,
                   r.text_changed_at IS NOT NULL
              FROM mail t LEFT JOIN triage.review r ON r.source = 'public.mail' AND r.email_key = t.id::text
             WHERE t.id = %s"""
WAITS = (None, None, None, "unclassified", "no text", False)


COLUMNS = "id int PRIMARY KEY, subject text, body text, category text"


def attach(database, table=f"CREATE TABLE mail ({COLUMNS})"):
    """An attached table and a classifier of three labels."""
    database.run(
        """SELECT triage.deploy('default', train_classifier(b, l)) FROM (VALUES ('invoice payment overdue', 'billing'),
               ('login password broken', 'support'), ('offer price list', 'sales')) t (b, l)"""
    )
    database.run(table)
    database.run("SELECT triage.attach('mail', ARRAY['subject', 'body'], 'category', 'id')")
    database.run("UPDATE triage.classifier SET review_below = 0")
    return database


@pytest.fixture
def desk(database):
    return attach(database)


def review(session, key):
    return session.row(REVIEW, key)


def predicted(label, reason="confident"):
    return (label, label, None, reason, None, False)


def learned_is_replayed(database):
    assert database.value("SELECT triage.learned_state('default')::text = triage.replayed_state('default')::text")


@pytest.mark.parametrize("nothing", ["NULL, NULL", "'', NULL", "E' \\n', E'\\t'"])
def test_a_row_without_text_waits_for_it(desk, nothing):
    desk.run(f"INSERT INTO mail VALUES (1, {nothing})")
    assert review(desk, 1) == WAITS
    assert desk.value("SELECT triage.classify_pending('mail')") == 0
    desk.run("UPDATE mail SET category = category, subject = 'Hello' WHERE id = 1")
    desk.run("UPDATE mail SET body = %s WHERE id = 1", TEXT["support"])
    assert review(desk, 1) == predicted("support")
    assert desk.value("SELECT category = classify_email(concat_ws(E'\\n', subject, body)) FROM mail")
    assert desk.value("SELECT row_version FROM triage.review") == 3


def test_returning_has_the_label_that_came_with_the_text(desk):
    desk.run("INSERT INTO mail (id) VALUES (1)")
    assert desk.value("UPDATE mail SET body = %s WHERE id = 1 RETURNING category", TEXT["sales"]) == "sales"


def test_a_column_that_cannot_wait_gets_a_label(database):
    attach(database, f"CREATE TABLE mail ({COLUMNS} NOT NULL)")
    database.run("INSERT INTO mail (id) VALUES (1)")
    assert review(database, 1)[0] is not None
    database.run("UPDATE mail SET body = %s", TEXT["sales"])
    assert review(database, 1) == predicted("sales")


def test_a_text_that_another_trigger_makes_counts(database):
    attach(database, f"CREATE TABLE mail ({COLUMNS}, parts text[])")
    database.run(
        """CREATE FUNCTION make() RETURNS trigger LANGUAGE plpgsql AS
               $$BEGIN NEW.body := array_to_string(NEW.parts, ' '); RETURN NEW; END$$;
           CREATE TRIGGER make BEFORE UPDATE ON mail FOR EACH ROW EXECUTE FUNCTION make()"""
    )
    database.run("INSERT INTO mail (id) VALUES (1)")
    database.run("UPDATE mail SET parts = %s WHERE id = 1", TEXT["billing"].split())
    assert review(database, 1) == predicted("billing")


@pytest.mark.parametrize("first", ["", TEXT["sales"]])
def test_a_text_that_a_trigger_after_the_row_makes_counts(database, first):
    attach(database)
    database.run(
        f"""CREATE FUNCTION make() RETURNS trigger LANGUAGE plpgsql AS
               $$BEGIN UPDATE mail SET body = '{TEXT["billing"]}' WHERE id = NEW.id; RETURN NULL; END$$;
           CREATE TRIGGER make AFTER INSERT ON mail FOR EACH ROW EXECUTE FUNCTION make()"""
    )
    database.run("INSERT INTO mail (id, body) VALUES (1, %s), (2, NULL)", first)
    assert [review(database, key) for key in (1, 2)] == [predicted("billing")] * 2
    assert database.value("SELECT count(*) FROM triage.decision") == 0


def test_an_undecided_row_is_predicted_anew(desk):
    desk.run("INSERT INTO mail VALUES (1, NULL, %s)", TEXT["sales"])
    desk.run("UPDATE mail SET body = %s", TEXT["support"])
    assert review(desk, 1) == predicted("support")
    assert desk.value("SELECT count(*) FROM triage.decision") == 0
    # The same label again: the review is about the new text all the same.
    before = desk.row("SELECT confidence, row_version FROM triage.review")
    desk.run("UPDATE mail SET body = body || ' and invoice'")
    confidence, version = desk.row("SELECT confidence, row_version FROM triage.review")
    assert review(desk, 1) == predicted("support")
    assert confidence < before[0]
    assert version == before[1] + 1
    desk.run("UPDATE mail SET body = NULL")
    assert review(desk, 1) == WAITS


@pytest.mark.parametrize("same", ["replace(body, E'\\n', E'\\r\\n')", "body || ''"])
def test_other_line_ends_and_nothing_for_null_are_no_change(desk, same):
    desk.run("INSERT INTO mail VALUES (1, NULL, E'login\\npassword')")
    before = desk.row("SELECT r::text FROM triage.review r")
    desk.run(f"UPDATE mail SET subject = '', body = {same}")
    desk.run("UPDATE mail SET subject = NULL, body = body")
    assert desk.row("SELECT r::text FROM triage.review r") == before


@pytest.mark.parametrize("label", ["billing", "support"])
def test_a_decision_stands_and_is_marked(desk, label):
    desk.run("INSERT INTO mail VALUES (1, NULL, %s)", TEXT["support"])
    desk.run("SELECT triage.correct(review_id, %s) FROM triage.review", label)
    desk.run("UPDATE mail SET body = %s", TEXT["sales"])
    assert review(desk, 1) == (label, "support", label, None, None, True)
    assert desk.value("SELECT row_version FROM triage.review") == 3
    learned_is_replayed(desk)
    # Deciding again is about the new text.
    desk.run("UPDATE mail SET category = 'sales'")
    assert review(desk, 1) == ("sales", "support", "sales", None, None, False)
    learned_is_replayed(desk)
    assert desk.value("SELECT triage.undo(max(decision_id)) IS NOT NULL FROM triage.decision")
    learned_is_replayed(desk)


CONFIRMED = {
    "review": "UPDATE triage.review SET human_label = 'support' WHERE review_id = {id}",
    "view": "UPDATE triage.mail_queue SET human_label = 'support' WHERE review_id = {id}",
    "view with a note": "UPDATE triage.mail_queue SET human_label = 'support', note = 'still' WHERE review_id = {id}",
    "queue": "UPDATE triage.review_queue SET human_label = human_label WHERE review_id = {id}",
    "insert": "INSERT INTO triage.mail_queue (review_id, human_label) VALUES ({id}, 'support')",
    "upsert": "INSERT INTO triage.review (review_id, human_label) VALUES ({id}, 'support')"
    " ON CONFLICT (review_id) DO UPDATE SET human_label = excluded.human_label",
    "function": "SELECT triage.correct({id}, 'support')",
}


@pytest.mark.parametrize("why", ["text", "asked"])
@pytest.mark.parametrize("door", CONFIRMED)
def test_the_same_label_once_more_is_a_decision(desk, door, why):
    desk.run("INSERT INTO mail VALUES (1, NULL, %s)", TEXT["billing"])
    number = desk.value("SELECT review_id FROM triage.review")
    desk.run("UPDATE mail SET category = 'support'")
    statement = CONFIRMED[door].format(id=number)
    # Nobody asks: it says nothing new.
    desk.run(statement)
    assert desk.value("SELECT count(*) FROM triage.decision") == 1
    if why == "text":
        desk.run("UPDATE mail SET body = %s", TEXT["sales"])
    else:
        desk.run(f"SELECT triage.ask_again('{number}')")
    decided = desk.value("SELECT count(*) FROM triage.decision")
    # Nor does a note.
    desk.run("UPDATE triage.mail_queue SET note = 'a note'")
    desk.run("UPDATE triage.review SET note = NULL")
    assert desk.value("SELECT count(*) FROM triage.decision") == decided
    desk.run(statement)
    assert review(desk, 1) == ("support", "billing", "support", None, None, False)
    assert desk.value("SELECT count(*) FROM triage.decision") == decided + 1
    learned_is_replayed(desk)
    desk.run(statement)
    assert desk.value("SELECT count(*) FROM triage.decision") == decided + 1
    desk.run("SELECT triage.undo(max(decision_id)) FROM triage.decision")
    learned_is_replayed(desk)


def test_a_decision_of_the_same_statement_is_about_the_new_text(desk):
    desk.run("INSERT INTO mail VALUES (1, NULL, %s)", TEXT["sales"])
    desk.run("UPDATE mail SET body = 'quokka wombat', category = 'billing'")
    assert review(desk, 1) == ("billing", "sales", "billing", None, None, False)
    assert desk.value("SELECT classify_email('quokka wombat')") == "billing"
    learned_is_replayed(desk)


def test_a_label_that_came_with_the_row_stays(desk):
    desk.run("INSERT INTO mail VALUES (1, NULL, %s, 'billing')", TEXT["sales"])
    desk.run("UPDATE mail SET body = %s", TEXT["support"])
    assert review(desk, 1)[0] == "billing"
    assert desk.value("SELECT count(*) FROM triage.review") == 0


def test_a_row_of_before_is_labelled_when_its_text_changes(desk):
    desk.run(
        "ALTER TABLE mail DISABLE TRIGGER USER; INSERT INTO mail (id) VALUES (1); ALTER TABLE mail ENABLE TRIGGER USER"
    )
    desk.run("UPDATE mail SET body = %s", TEXT["support"])
    assert review(desk, 1) == predicted("support")


def test_a_skipped_row_stays_skipped(desk):
    desk.run("INSERT INTO mail VALUES (1, NULL, %s)", TEXT["sales"])
    desk.run("SELECT triage.skip(review_id) FROM triage.review")
    desk.run("UPDATE mail SET body = %s", TEXT["support"])
    assert review(desk, 1) == predicted("support", None)


def test_an_upsert_that_brings_the_text(desk):
    upsert = """INSERT INTO mail (id, body) VALUES (1, %s) ON CONFLICT (id) DO UPDATE SET body = excluded.body"""
    desk.run("INSERT INTO mail (id) VALUES (1)")
    desk.run(upsert, TEXT["support"])
    assert review(desk, 1) == predicted("support")
    desk.run(upsert + ", category = excluded.category", TEXT["sales"])
    assert review(desk, 1) == predicted("sales")
    assert desk.value("SELECT count(*) FROM triage.decision") == 0
    desk.run("UPDATE mail SET category = 'billing'")
    desk.run(upsert + ", category = excluded.category", TEXT["support"])
    assert review(desk, 1) == ("billing", "sales", "billing", None, None, True)


def test_a_key_that_changes_with_the_text(desk):
    desk.run("INSERT INTO mail VALUES (1, NULL, %s), (2, NULL, %s)", TEXT["sales"], TEXT["sales"])
    desk.run("UPDATE mail SET id = id + 10, body = %s", TEXT["support"])
    assert review(desk, 11) == predicted("support")
    desk.run("UPDATE mail SET category = 'billing' WHERE id = 12")
    desk.run("UPDATE mail SET id = id + 10, body = %s", TEXT["sales"])
    assert review(desk, 21) == predicted("sales")
    assert review(desk, 22) == ("billing", "support", "billing", None, None, True)


@pytest.mark.parametrize("moves", [True, False])
def test_a_row_of_a_partitioned_table(database, moves):
    attach(
        database,
        """CREATE TABLE mail (id int, subject text, body text, category text, state text DEFAULT 'open')
               PARTITION BY LIST (state);
           CREATE TABLE mail_open PARTITION OF mail FOR VALUES IN ('open');
           CREATE TABLE mail_done PARTITION OF mail FOR VALUES IN ('done');
           CREATE UNIQUE INDEX ON mail (id, state)""",
    )
    state = "'done'" if moves else "state"
    database.run("INSERT INTO mail VALUES (1, NULL, NULL), (2, NULL, %s), (3, NULL, %s)", TEXT["sales"], TEXT["sales"])
    database.run("UPDATE mail SET category = 'billing' WHERE id = 3")
    database.run(f"UPDATE mail SET body = %s, state = {state}", TEXT["support"])
    assert [review(database, key) for key in (1, 2, 3)] == [
        predicted("support"), predicted("support"), ("billing", "sales", "billing", None, None, True)
    ]  # fmt: skip
    database.run("UPDATE mail SET body = NULL, state = 'open'")
    assert [review(database, key)[:4] for key in (1, 2)] == [WAITS[:4]] * 2
    learned_is_replayed(database)


def test_a_later_trigger_that_suppresses_the_row(desk):
    desk.run("INSERT INTO mail VALUES (1, NULL, %s), (2, NULL, %s)", TEXT["sales"], TEXT["sales"])
    desk.run(
        """CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;
           CREATE TRIGGER zzz BEFORE UPDATE ON mail FOR EACH ROW WHEN (NEW.id = 1) EXECUTE FUNCTION no()"""
    )
    desk.run("UPDATE mail SET body = %s", TEXT["support"])
    assert review(desk, 1) == predicted("sales")
    assert review(desk, 2) == predicted("support")


def test_a_text_of_an_update_that_is_rolled_back(desk):
    desk.run("INSERT INTO mail (id) VALUES (1)")
    with desk.session.transaction(force_rollback=True):
        desk.run("UPDATE mail SET body = %s", TEXT["support"])
    assert review(desk, 1) == WAITS


def test_two_sessions_that_bring_text_and_decision(desk):
    """Whoever comes second waits, and finds what the first has done."""
    desk.run("INSERT INTO mail VALUES (1, NULL, %s), (2, NULL, %s)", TEXT["sales"], TEXT["sales"])
    writer, reviewer = desk.connect(autocommit=False), desk.connect()
    writer.run("UPDATE mail SET body = %s WHERE id = 1", TEXT["support"])
    decision = threading.Thread(
        target=lambda: reviewer.run(
            "SELECT triage.correct(review_id, 'billing') FROM triage.review WHERE email_key = '1'"
        )
    )
    decision.start()
    decision.join(0.5)
    assert decision.is_alive()
    writer.commit()
    decision.join()
    assert review(desk, 1) == ("billing", "support", "billing", None, None, False)
    # And the other way round.
    writer.run("SELECT triage.correct(review_id, 'billing') FROM triage.review WHERE email_key = '2'")
    text = threading.Thread(target=lambda: reviewer.run("UPDATE mail SET body = %s WHERE id = 2", TEXT["support"]))
    text.start()
    text.join(0.5)
    assert text.is_alive()
    writer.commit()
    text.join()
    assert review(desk, 2) == ("billing", "sales", "billing", None, None, True)
    learned_is_replayed(desk)


def test_the_audit_sample_stays_as_it_was_drawn(database):
    attach(database)
    database.run("SET pg_triage.audit_rate = 0.3; SELECT setseed(0.5)")
    database.run("INSERT INTO mail SELECT i, NULL, %s FROM generate_series(1, 300) i", TEXT["sales"])
    drawn = "SELECT email_key FROM triage.review WHERE audit ORDER BY 1"
    before = database.column(drawn)
    assert 40 < len(before) < 150
    database.run("UPDATE mail SET body = %s", TEXT["support"])
    assert database.column(drawn) == before
    assert database.rows("SELECT queue_reason, audit, count(*) FROM triage.review GROUP BY 1, 2 ORDER BY 1") == [
        ("audit", True, len(before)), ("confident", False, 300 - len(before))
    ]  # fmt: skip


def test_the_figures_add_up(desk):
    desk.run("INSERT INTO mail SELECT i, NULL, %s FROM generate_series(1, 20) i", TEXT["sales"])
    desk.run("UPDATE mail SET category = 'billing' WHERE id <= 5")
    desk.run("UPDATE mail SET body = %s WHERE id BETWEEN 3 AND 12", TEXT["support"])
    desk.run("UPDATE mail SET body = NULL WHERE id = 20")
    counts = """SELECT predicted_label, sum(n)::int FROM triage_internal.review_statistics_now WHERE grain = 'label'
                 GROUP BY 1 HAVING sum(n) <> 0 ORDER BY 1"""
    found = desk.rows(
        "SELECT predicted_label, count(*)::int FROM triage.review WHERE predicted_label IS NOT NULL GROUP BY 1 ORDER BY 1"
    )
    assert found == [("sales", 12), ("support", 7)]
    assert desk.rows(counts) == found
    desk.run("SELECT triage.maintain(100)")
    assert desk.rows(counts) == found


def test_sessions_that_write_texts_decide_and_predict_anew_at_once(desk):
    """Nobody waits in a circle, and afterwards table, reviews, ledger and figures say the same."""
    desk.run(
        "INSERT INTO mail SELECT i, NULL, CASE WHEN i % 2 = 0 THEN 'offer price' END FROM generate_series(1, 20) i"
    )
    texts = [*TEXT.values(), None, "parcel driver"]
    acknowledged, errors = [], []

    def work(number):
        draw, session = random.Random(number), desk.connect()
        for _ in range(60):
            key, other = draw.sample(range(1, 21), 2)
            label, text = draw.choice(list(TEXT)), draw.choice(texts)
            step = draw.randrange(7)
            try:
                if step == 0:
                    session.run("UPDATE mail SET body = %s WHERE id IN (%s, %s)", text, key, other)
                elif step == 1:
                    session.run("UPDATE mail SET body = %s, category = %s WHERE id = %s", text, label, key)
                elif step == 2:
                    session.run("UPDATE mail SET category = %s WHERE id = %s", label, key)
                elif step == 3:
                    session.run("UPDATE triage.review SET human_label = %s WHERE email_key = %s", label, str(key))
                elif step == 4:
                    session.run(
                        "SELECT triage.correct(review_id, %s) FROM triage.review WHERE email_key = %s", label, str(key)
                    )
                elif step == 5:
                    session.run(
                        """INSERT INTO mail (id, body) VALUES (%s, %s)
                           ON CONFLICT (id) DO UPDATE SET body = excluded.body, category = excluded.category""",
                        key, text,
                    )  # fmt: skip
                else:
                    session.run("SELECT triage.classify_again('mail', 10, newer_decisions => true)")
                acknowledged.append(step)
            except psycopg.Error as error:
                errors.append(error.sqlstate)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(errors) <= {"40001"}
    assert len(acknowledged) > 300
    learned_is_replayed(desk)
    wrong = desk.rows(
        """SELECT t.id, t.category, r.predicted_label, r.human_label, d.new_label
             FROM mail t JOIN triage.review r ON r.email_key = t.id::text
             LEFT JOIN triage.decision d USING (decision_id)
            WHERE t.category IS DISTINCT FROM coalesce(r.human_label, r.predicted_label)
               OR r.human_label IS DISTINCT FROM d.new_label
               OR r.human_label IS NULL AND (t.body IS NULL) <> (r.predicted_label IS NULL)"""
    )
    assert wrong == []
    counts = """SELECT predicted_label, sum(n)::int FROM triage_internal.review_statistics_now WHERE grain = 'label'
                 GROUP BY 1 HAVING sum(n) <> 0 ORDER BY 1"""
    assert desk.rows(counts) == desk.rows(
        "SELECT predicted_label, count(*)::int FROM triage.review WHERE predicted_label IS NOT NULL GROUP BY 1 ORDER BY 1"
    )
