"""Labels change: one gets another name, two become one, one is no longer in use, one is taken
apart. What is stored and what is learned is then as if it had been so from the start, and each
change can be taken back."""

import random
import threading
import time

import psycopg
import pytest
from support.sessions import refused
from support.waiting import wait_for

TEXTS = {
    "invoices": ["invoice overdue payment", "refund of the invoice", "payment reminder"],
    "leave": ["holiday next week", "sick leave note", "vacation request"],
    "orders": ["order of parts", "price of an order", "delivery of the order"],
}
WORDS = {"invoices": "money, bills", "leave": "holidays, illness", "orders": "buying parts"}
SAME = ("learned_state", "replayed_state", "learned_model", "replayed_model")


class Team:
    """A classifier with an attached table, whose labels have these names."""

    def __init__(self, database, name: str, names: dict[str, str] | None = None):
        self.database, self.name, self.table = database, name, f"mail_{name}"
        self.names = {label: (names or {}).get(label, label) for label in TEXTS}
        database.run(f"SELECT triage.create_classifier('{name}')")

    def label(self, descriptions: dict[str, str] | None = None) -> None:
        """Declares the labels, with descriptions if these are given."""
        for name in dict.fromkeys(self.names.values()):
            text = (descriptions or {}).get(name)
            self.database.run("SELECT triage.add_label(%s, %s, %s)", self.name, name, text)

    def attach(self, kind: str = "text") -> None:
        self.database.run(f"CREATE TABLE {self.table} (id int PRIMARY KEY, body text, category {kind})")
        self.database.run(f"SELECT triage.attach('{self.table}', '{{body}}', 'category', classifier => '{self.name}')")

    def receive(self, n: int, start: int = 0) -> None:
        """Inserts mails, each label's in turn."""
        for number in range(start, start + n):
            text = list(TEXTS.values())[number % 3][number // 3 % 3]
            sql = f"INSERT INTO {self.table} (id, body) VALUES (%s, %s)"
            self.database.run(sql, number, f"{text} w{number % 7}")

    def decide(self, *numbers: int) -> None:
        """Gives mails their label."""
        for number in numbers:
            label = self.names[list(TEXTS)[number % 3]]
            sql = "SELECT triage.correct(review_id, %s) FROM triage.review WHERE classifier = %s AND email_key = %s"
            self.database.run(sql, label, self.name, str(number))

    def deploy(self) -> None:
        """A model of mails that are not in the table."""
        rows = [(f"{text} v{n}", self.names[label]) for label in TEXTS for text in TEXTS[label] for n in range(5)]
        self.database.run("CREATE TEMP TABLE IF NOT EXISTS archive (body text, label text)")
        self.database.run("TRUNCATE archive")
        for row in rows:
            self.database.run("INSERT INTO archive VALUES (%s, %s)", *row)
        self.database.run(f"SELECT triage.deploy('{self.name}', train_classifier(body, label)) FROM archive")

    def learned(self, what: str) -> str:
        return self.database.value(f"SELECT md5(triage.{what}(%s)::text)", self.name)

    def labels(self) -> list[tuple]:
        """Rows of the table per label."""
        return self.database.rows(f"SELECT category, count(*) FROM {self.table} GROUP BY 1 ORDER BY 1")

    def answer(self, text: str) -> str:
        return self.database.value("SELECT classify_email(%s, %s)", text, self.name)


def live(team: Team, how: str, descriptions: dict[str, str] | None = None) -> None:
    """Lives in one of several ways until the label changes."""
    team.label(descriptions if how == "described" else None)
    team.attach()
    if how == "deployed":
        team.deploy()
    team.receive(18)
    if how == "imported":
        team.database.run(f"UPDATE {team.table} SET category = NULL WHERE category IS NOT NULL")
        team.database.run(f"CREATE TABLE old_{team.name} (id int PRIMARY KEY, body text, label text)")
        for number, (label, texts) in enumerate(TEXTS.items()):
            for n, text in enumerate(texts * 3):
                row = (10 * number + n, f"{text} v{n}", team.names[label])
                team.database.run(f"INSERT INTO old_{team.name} VALUES (%s, %s, %s)", *row)
        team.database.run(f"SELECT triage.learn_from('{team.name}', 'old_{team.name}', '{{body}}', 'label')")
    elif how != "described":
        team.decide(*range(12))
        # One more than once, and one wrong.
        team.database.run(f"UPDATE {team.table} SET category = NULL WHERE id = 3")
        team.decide(3)
        team.database.run(f"UPDATE {team.table} SET category = %s WHERE id = 4", team.names["orders"])
    if how == "compacted":
        team.database.run("SELECT triage.compact(%s)", team.name)
        team.decide(12, 13)
    if how == "retrained":
        team.database.run("SELECT triage.retrain(%s)", team.name)


HOW = ["pending", "compacted", "deployed", "imported", "described", "retrained"]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("new", ["accounts", "zzz last", "INVOICES"])
def test_renamed_as_if_named_so_from_the_start(database, how, new):
    changed, other = Team(database, "changed"), Team(database, "other", {"invoices": new})
    live(changed, how, WORDS)
    live(other, how, {other.names[label]: text for label, text in WORDS.items()})
    change = database.value("SELECT triage.rename_label('changed', 'Invoices', %s)", f" {new} ")
    for what in SAME:
        assert changed.learned(what) == other.learned(what), what
    if how != "described":
        # Else the words of the name made other predictions before.
        assert changed.labels() == other.labels()
    assert changed.answer("overdue invoice payment") == other.answer("overdue invoice payment")
    # And back.
    database.run("SELECT triage.undo_label_change(%s)", change)
    database.run("SELECT triage.rename_label('other', %s, 'invoices')", new)
    for what in SAME:
        assert changed.learned(what) == other.learned(what), what


@pytest.mark.parametrize("how", HOW)
def test_merged_as_if_one_from_the_start(database, how):
    names = {"orders": "invoices"}
    changed, other = Team(database, "changed"), Team(database, "other", names)
    live(changed, how, WORDS)
    both = {"invoices": f"{WORDS['invoices']}; orders: {WORDS['orders']}", "leave": WORDS["leave"]}
    live(other, how, both)
    before = [changed.learned(what) for what in SAME]
    rows, states = changed.labels(), database.rows("SELECT * FROM triage.review ORDER BY review_id")
    ledger = database.rows("SELECT * FROM triage.decision ORDER BY decision_id")
    change = database.value("SELECT triage.merge_labels('changed', 'orders', 'invoices')")
    assert changed.learned("learned_state") == changed.learned("replayed_state") == other.learned("learned_state")
    assert changed.learned("learned_model") == changed.learned("replayed_model")
    if how in ("imported", "described", "retrained"):
        # Else steps were computed against a model of three labels.
        assert changed.learned("learned_model") == other.learned("learned_model")
    assert "orders" not in dict(changed.labels())
    assert changed.answer("price of an order") == "invoices"
    # Everything is as it was.
    database.run("SELECT triage.undo_label_change(%s)", change)
    assert [changed.learned(what) for what in SAME] == before
    assert changed.labels() == rows
    assert database.rows("SELECT * FROM triage.decision ORDER BY decision_id") == ledger
    version = [column.name for column in database.run("SELECT * FROM triage.review").description].index("row_version")

    def seen(review):
        return review[:version] + review[version + 1 :]

    after = database.rows("SELECT * FROM triage.review ORDER BY review_id")
    assert [seen(review) for review in after] == [seen(review) for review in states]


def test_nothing_keeps_the_old_name(database):
    team = Team(database, "team")
    live(team, "compacted")
    database.run("INSERT INTO triage.cost VALUES ('team', 'orders', 'leave', 5), ('team', 'leave', 'orders', 7)")
    team.decide(14)
    database.run("SELECT triage.rename_label('team', 'orders', 'purchases')")
    relations = database.column(
        """SELECT oid::regclass::text FROM pg_class
            WHERE relnamespace IN ('triage'::regnamespace, 'triage_internal'::regnamespace)
              AND relkind IN ('r', 'v') AND relname NOT IN ('label_change', 'label_changes')"""
    )
    assert len(relations) > 40
    for relation in relations:
        if relation in ("triage_internal.review_change", "triage_internal.review_statistics_now"):
            # The facts of then are taken back by later ones.
            continue
        old = database.value(f"SELECT count(*) FROM {relation} r WHERE r::text ~ '[(,\"]orders[),\"]'")
        assert old == 0, relation
    assert database.rows("SELECT actual, predicted, cost FROM triage.cost ORDER BY cost") == [
        ("purchases", "leave", 5),
        ("leave", "purchases", 7),
    ]
    counted = "SELECT predicted_label, actual_label, sum(n) FROM triage_internal.review_statistics_now WHERE grain = 'label' GROUP BY 1, 2 HAVING sum(n) <> 0 ORDER BY 1, 2"
    figures = database.rows(counted)
    database.run("SELECT triage_internal.rebuild_review_statistics()")
    assert database.rows(counted) == figures
    assert "orders" not in {label for row in figures for label in row}


def test_another_name_is_not_announced_as_another_label(database):
    team = Team(database, "team")
    live(team, "pending")
    listener = database.connect()
    listener.run("LISTEN pg_triage")
    heard = []
    listener.add_notify_handler(lambda notice: heard.append(notice.payload))
    session = database.connect(settings={"pg_triage.notify": "on"})
    session.run("SELECT triage.rename_label('team', 'orders', 'purchases')")
    merge = session.value("SELECT triage.merge_labels('team', 'purchases', 'leave')")
    session.run("SELECT triage.undo_label_change(%s)", merge)
    session.run("UPDATE mail_team SET category = 'purchases' WHERE id = 1")
    listener.run("SELECT 1")
    assert len(heard) == 1 and '"purchases"' in heard[0]


def test_a_merge_makes_agreement_of_what_was_an_error(database):
    team = Team(database, "team")
    live(team, "deployed")
    team.receive(1, 100)
    (review, predicted) = database.row("SELECT review_id, predicted_label FROM triage.review WHERE email_key = '100'")
    other = next(label for label in TEXTS if label != predicted)
    database.run("SELECT triage.correct(%s, %s)", review, other)
    sql = "SELECT sum(known_errors) FROM triage.error_cost_daily"
    errors = database.value(sql)
    database.run("SELECT triage.merge_labels('team', %s, %s)", other, predicted)
    assert database.value(sql) < errors
    assert database.row("SELECT predicted_label, human_label FROM triage.review WHERE review_id = %s", review) == (
        predicted,
        predicted,
    )
    assert database.value("SELECT category FROM mail_team WHERE id = 100") == predicted


def test_what_was_decided_since_stays_when_a_merge_is_undone(database):
    team = Team(database, "team")
    live(team, "pending")
    change = database.value("SELECT triage.merge_labels('team', 'orders', 'invoices')")
    # Were both orders before: one is decided anew, and one twice.
    database.run("UPDATE mail_team SET category = 'leave' WHERE id IN (2, 5)")
    database.run("UPDATE mail_team SET category = 'invoices' WHERE id = 5")
    database.run("UPDATE mail_team SET category = 'invoices' WHERE id = 17")
    database.run("SELECT triage.add_label('team', 'invoices', 'new words')")
    database.run("SELECT triage.undo_label_change(%s)", change)
    labels = dict(database.rows("SELECT id, category FROM mail_team WHERE id IN (2, 5, 8, 17)"))
    assert labels == {2: "leave", 5: "invoices", 8: "orders", 17: "invoices"}
    humans = dict(
        database.rows("SELECT email_key::int, human_label FROM triage.review WHERE email_key IN ('2', '5', '8')")
    )
    assert humans == {2: "leave", 5: "invoices", 8: "orders"}
    assert database.value("SELECT description FROM triage.label WHERE label = 'invoices'") == "new words"
    for a, b in (("learned_state", "replayed_state"), ("learned_model", "replayed_model")):
        assert team.learned(a) == team.learned(b)


def test_the_costs_of_errors_come_back_with_a_label(database):
    team = Team(database, "team")
    team.label()
    database.run("INSERT INTO triage.cost VALUES ('team', 'orders', 'leave', 5), ('team', 'invoices', 'leave', 7)")
    before = database.rows("SELECT * FROM triage.cost ORDER BY cost")
    change = database.value("SELECT triage.merge_labels('team', 'orders', 'invoices')")
    assert database.rows("SELECT actual, predicted, cost FROM triage.cost") == [("invoices", "leave", 7)]
    database.run("SELECT triage.undo_label_change(%s)", change)
    assert database.rows("SELECT * FROM triage.cost ORDER BY cost") == before


def test_a_forgotten_mail_is_in_no_change(database):
    team = Team(database, "team")
    live(team, "compacted")
    change = database.value("SELECT triage.merge_labels('team', 'orders', 'invoices')")
    (review, decision) = database.row("SELECT review_id, decision_id FROM triage.review WHERE email_key = '2'")
    kept = """SELECT count(*) FROM triage_internal.relabelled WHERE relation = 'review' AND row_id = %s
                  OR relation = 'decision' AND row_id = %s OR email_key = '2'"""
    assert database.value(kept, review, decision) == 3
    database.run("SELECT triage.forget('public.mail_team', '2')")
    assert database.value(kept, review, decision) == 0
    database.run("SELECT triage.undo_label_change(%s)", change)
    assert team.learned("learned_state") == team.learned("replayed_state")
    database.run("SELECT triage.forget_classifier('team')")
    assert database.value("SELECT count(*) FROM triage_internal.relabelled") == 0


def test_changes_are_written_down_and_undone_in_order(database):
    team = Team(database, "team")
    live(team, "pending")
    database.role("tina", "triage_trainer")
    tina = database.connect("tina")
    first = tina.value("SELECT triage.rename_label('team', 'orders', 'purchases')")
    second = tina.value("SELECT triage.merge_labels('team', 'purchases', 'invoices')")
    third = tina.value("SELECT triage.rename_label('team', 'leave', 'absence')")
    for change, later in ((first, second), (second, None)):
        if later:
            with refused("55000", f"change {later} (merge", "undo that one first"):
                tina.run("SELECT triage.undo_label_change(%s)", change)
    # One that is about other labels does not matter.
    undo = tina.value("SELECT triage.undo_label_change(%s)", second)
    with refused("55000", f"change {undo} has taken it back already"):
        tina.run("SELECT triage.undo_label_change(%s)", second)
    with refused("55000", "takes another one back"):
        tina.run("SELECT triage.undo_label_change(%s)", undo)
    tina.run("SELECT triage.add_label('team', 'orders')")
    with refused("55000", 'label "orders" exists again'):
        tina.run("SELECT triage.undo_label_change(%s)", first)
    with refused("P0002", "change 999 does not exist"):
        tina.run("SELECT triage.undo_label_change(999)")
    history = tina.rows("SELECT kind, label, new_label, changed_by, undoes, undone_by FROM triage.label_changes")
    assert history == [
        ("rename", "orders", "purchases", "tina", None, None),
        ("merge", "purchases", "invoices", "tina", None, undo),
        ("rename", "leave", "absence", "tina", None, None),
        ("undo", "invoices", "purchases", "tina", second, None),
    ]
    assert third == second + 1
    emails = tina.value("SELECT emails FROM triage.label_changes WHERE change_id = %s", first)
    assert emails == database.value(
        "SELECT count(*) FROM triage.review WHERE 'purchases' IN (predicted_label, human_label)"
    )


def test_versions_from_before_answer_with_the_names_of_now(database):
    team = Team(database, "team")
    team.label()
    team.attach()
    team.deploy()
    team.deploy()
    assert database.value("SELECT triage.activate('team', 1)") == 1
    shares = "SELECT label, probability FROM classify_email_scores('refund of the invoice', 'team')"
    before = database.rows(shares)
    database.run("SELECT triage.rename_label('team', 'invoices', 'accounts')")
    renamed = [("accounts" if label == "invoices" else label, p) for label, p in before]
    assert dict(database.rows(shares)) == pytest.approx(dict(renamed), abs=1e-6)
    # What a version would say is said with the names of now.
    team.receive(9)
    names = database.column("SELECT label_then FROM triage.preview('team', 2)")
    assert "invoices" not in names
    # What was active before the rename's own version.
    version = database.value("SELECT triage.rollback('team')")
    assert version > 3
    assert dict(database.rows(shares)) == pytest.approx(dict(renamed), abs=1e-6)
    assert database.value("SELECT note FROM triage.model_versions WHERE version = %s", version).startswith("version 2 ")
    # By number, as often as one likes.
    versions = database.value("SELECT count(*) FROM triage.model_versions")
    first = database.value("SELECT triage.activate('team', 1)")
    database.run("SELECT triage.activate('team', %s)", version)
    assert database.value("SELECT triage.activate('team', 1)") == first
    assert database.value("SELECT count(*) FROM triage.model_versions") == versions
    assert "invoices" not in database.column("SELECT label FROM triage.label")


def test_a_retired_label_is_not_given_any_more(database):
    team = Team(database, "team")
    live(team, "deployed")
    reviews = dict(
        database.rows("SELECT predicted_label, max(review_id) FROM triage.review WHERE human_label IS NULL GROUP BY 1")
    )
    change = database.value("SELECT triage.retire_label('team', 'Orders')")
    scores = database.rows("SELECT label, probability FROM classify_email_scores('price of an order', 'team')")
    assert {label for label, _ in scores} == {"invoices", "leave"}
    assert sum(p for _, p in scores) == pytest.approx(1)
    assert team.answer("price of an order") == scores[0][0]
    team.receive(6, 200)
    after = database.rows("SELECT predicted_label, second_label FROM triage.review WHERE email_key::int >= 200")
    assert len(after) == 6 and not [row for row in after if "orders" in row]
    assert database.column("SELECT label FROM triage.label_choices WHERE classifier = 'team' ORDER BY 1") == [
        "invoices",
        "leave",
    ]
    explained = database.column(
        "SELECT token FROM explain_email('price of an order', NULL, 'team') WHERE field = 'bias'"
    )
    assert "orders" not in explained[0]
    # Nobody gives it, through any door; what has it keeps it.
    for sql in (
        f"SELECT triage.correct({reviews['leave']}, 'orders')",
        f"SELECT triage.accept({reviews['orders']})",
        f"UPDATE triage.review SET human_label = 'ORDERS' WHERE review_id = {reviews['leave']}",
        "UPDATE mail_team SET category = 'orders' WHERE id = 15",
    ):
        with refused("55000", 'label "orders" of classifier "team" is retired', "triage.add_label('team', 'orders')"):
            database.run(sql)
    assert database.value("SELECT count(*) FROM triage.review WHERE human_label = 'orders'") == 5
    with refused("55000", "is retired"):
        database.run("SELECT triage.retire_label('team', 'orders')")
    with refused("55000", "is retired"):
        database.run("SELECT triage.merge_labels('team', 'leave', 'orders')")
    # It comes back with what it had learned.
    database.run("SELECT triage.add_label('team', 'orders')")
    assert team.answer("price of an order") == "orders"
    with refused("55000", "(restore of"):
        database.run("SELECT triage.undo_label_change(%s)", change)
    again = database.value("SELECT triage.retire_label('team', 'orders')")
    database.run("SELECT triage.undo_label_change(%s)", again)
    assert team.answer("price of an order") == "orders"
    assert team.learned("learned_model") == team.learned("replayed_model")


def test_when_all_labels_are_retired_nothing_is_answered(database):
    team = Team(database, "team")
    live(team, "pending")
    for label in TEXTS:
        database.run("SELECT triage.retire_label('team', %s)", label)
    assert team.answer("invoice") is None
    team.receive(1, 300)
    assert database.value("SELECT category FROM mail_team WHERE id = 300") is None


def test_the_mails_of_a_split_label_are_asked_again(database):
    team = Team(database, "team")
    live(team, "pending")
    assert database.value("SELECT triage.split_label('team', 'orders')") == 5
    waiting = "SELECT review_id, human_label FROM triage.review_queue WHERE queue_reason = 'reopened' ORDER BY 1"
    asked = database.rows(waiting)
    assert [label for _, label in asked] == ["orders"] * 5
    assert team.learned("learned_state") == team.learned("replayed_state")
    database.run("SELECT triage.add_label('team', 'parts')")
    database.run("SELECT triage.correct(%s, 'parts')", asked[0][0])
    database.run("SELECT triage.correct(%s, 'orders')", asked[1][0])
    assert database.rows(waiting) == asked[2:]
    # Asked already: nobody is asked twice.
    assert database.value("SELECT triage.split_label('team', 'orders')") == 1
    change = database.value("SELECT min(change_id) FROM triage.label_changes WHERE kind = 'split'")
    with refused("55000", "builds on it"):
        database.run("SELECT triage.undo_label_change(%s)", change)
    database.run("SELECT triage.undo_label_change(%s)", change + 1)
    database.run("SELECT triage.undo_label_change(%s)", change)
    assert database.rows(waiting) == []
    labels = database.column(
        "SELECT human_label FROM triage.review WHERE review_id = ANY (%s) ORDER BY 1", [id for id, _ in asked]
    )
    assert labels == ["orders"] * 4 + ["parts"]


@pytest.mark.parametrize("kind", ["varchar(20)", "char(20)", "enum", "domain", "partitioned"])
def test_label_columns_of_all_kinds_follow(database, kind):
    team = Team(database, "team")
    team.label()
    if kind == "enum":
        database.run("CREATE TYPE category AS ENUM ('leave', 'orders', 'invoices')")
    if kind == "domain":
        database.run("CREATE DOMAIN category AS text CHECK (VALUE <> '')")
    if kind == "partitioned":
        database.run("CREATE TABLE mail_team (id int PRIMARY KEY, body text, category text) PARTITION BY RANGE (id)")
        database.run("CREATE TABLE few PARTITION OF mail_team FOR VALUES FROM (0) TO (9)")
        database.run("CREATE TABLE many PARTITION OF mail_team DEFAULT")
        database.run("SELECT triage.attach('mail_team', '{body}', 'category', classifier => 'team')")
    else:
        team.attach("category" if kind in ("enum", "domain") else kind)
    team.receive(18)
    team.decide(*range(12))
    team.receive(6, 20)
    before, decisions = team.labels(), database.value("SELECT count(*) FROM triage.decision")
    rename = database.value("SELECT triage.rename_label('team', 'orders', 'purchases')")
    text = "SELECT rtrim(category::text), count(*) FROM mail_team GROUP BY 1 ORDER BY 1"
    counts = dict(database.rows(text))
    assert "orders" not in counts and counts["purchases"] >= 4
    merge = database.value("SELECT triage.merge_labels('team', 'purchases', 'leave')")
    assert "purchases" not in dict(database.rows(text))
    assert database.value("SELECT count(*) FROM triage.decision") == decisions
    database.run("SELECT triage.undo_label_change(%s)", merge)
    database.run("SELECT triage.undo_label_change(%s)", rename)
    assert team.labels() == before
    assert (
        database.value(
            "SELECT count(*) FROM mail_team m JOIN triage.review r ON r.email_key = m.id::text "
            "WHERE rtrim(m.category::text) IS DISTINCT FROM coalesce(human_label, predicted_label)"
        )
        == 0
    )


@pytest.mark.parametrize("kind", ["int", "uuid"])
def test_a_lookup_table_follows(database, kind):
    team = Team(database, "team")
    ids = {
        label: f"00000000-0000-0000-0000-00000000000{n}" if kind == "uuid" else n for n, label in enumerate(TEXTS, 1)
    }
    database.run(f"CREATE TABLE category (id {kind} PRIMARY KEY, name varchar(20) NOT NULL UNIQUE)")
    for label, number in ids.items():
        database.run("INSERT INTO category VALUES (%s, %s)", number, label)
    database.run(f"CREATE TABLE mail_team (id int PRIMARY KEY, body text, category {kind} REFERENCES category)")
    database.run(
        "SELECT triage.attach('mail_team', '{body}', 'category', classifier => 'team', label_table => 'category')"
    )
    team.receive(12)
    for number in range(12):
        database.run("UPDATE mail_team SET category = %s WHERE id = %s", ids[list(TEXTS)[number % 3]], number)
    rows, decisions = team.labels(), database.value("SELECT count(*) FROM triage.decision")
    state = [team.learned(what) for what in SAME]
    rename = database.value("SELECT triage.rename_label('team', 'orders', 'purchases')")
    assert database.column("SELECT name FROM category ORDER BY 1") == ["invoices", "leave", "purchases"]
    assert team.labels() == rows
    assert team.answer("price of an order") == "purchases"
    merge = database.value("SELECT triage.merge_labels('team', 'purchases', 'leave')")
    assert (
        database.value("SELECT count(*) FROM mail_team m JOIN category c ON c.id = m.category WHERE c.name = 'leave'")
        == 8
    )
    assert database.value("SELECT count(*) FROM triage.decision") == decisions
    database.run("SELECT triage.undo_label_change(%s)", merge)
    database.run("SELECT triage.undo_label_change(%s)", rename)
    assert team.labels() == rows
    assert database.column("SELECT name FROM category ORDER BY 1") == ["invoices", "leave", "orders"]
    assert [team.learned(what) for what in SAME] == state
    # A name that the table refuses.
    with refused("55000", "cannot be written to table public.category", "too long"):
        database.run("SELECT triage.rename_label('team', 'orders', repeat('x', 30))")
    # And the other way round.
    database.run("UPDATE category SET name = 'parts' WHERE name = 'orders'")
    assert team.answer("price of an order") == "parts"
    assert database.value("SELECT new_label FROM triage.label_changes ORDER BY change_id DESC LIMIT 1") == "parts"


def test_a_large_table_is_rewritten_in_pieces(database):
    team = Team(database, "team")
    team.label()
    database.run("CREATE TABLE mail_team (id int PRIMARY KEY, body text, category text)")
    # Wide, so that it is more than one piece of 16 MB.
    database.run(
        "INSERT INTO mail_team SELECT n, repeat(md5(n::text), 20), CASE n % 3 WHEN 0 THEN 'leave' ELSE 'orders' END "
        "FROM generate_series(1, 160000) n"
    )
    database.run("SELECT triage.attach('mail_team', '{body}', 'category', classifier => 'team')")
    session = database.connect()
    session.run("SELECT triage.rename_label('team', 'orders', 'purchases')")
    assert team.labels() == [("leave", 53333), ("purchases", 106667)]
    assert session.notices == [notice for notice in session.notices if "rows of" in notice] != []


def test_a_column_that_cannot_hold_the_name_says_so(database):
    team = Team(database, "team")
    team.label()
    team.attach("varchar(10)")
    team.receive(6)
    team.decide(*range(6))
    before = (team.labels(), [team.learned(what) for what in SAME])
    with refused("55000", "cannot be written to column category of public.mail_team", "too long for type"):
        database.run("SELECT triage.rename_label('team', 'orders', 'purchase orders')")
    database.run("ALTER TABLE mail_team ADD CONSTRAINT known CHECK (category IN ('leave', 'orders', 'invoices'))")
    with refused("55000", "violates check constraint"):
        database.run("SELECT triage.rename_label('team', 'orders', 'other')")
    # A trigger that keeps what was.
    database.run("ALTER TABLE mail_team DROP CONSTRAINT known")
    database.run(
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.category := OLD.category; RETURN NEW; END $$"
    )
    database.run("CREATE TRIGGER zzzz BEFORE UPDATE ON mail_team FOR EACH ROW EXECUTE FUNCTION keep()")
    with refused("55000", "a trigger of public.mail_team does not let"):
        database.run("SELECT triage.rename_label('team', 'orders', 'other')")
    assert (team.labels(), [team.learned(what) for what in SAME]) == before


def test_an_enum_of_somebody_else_is_left_to_them(database):
    team = Team(database, "team")
    team.label()
    database.role("owner")
    database.run("CREATE TYPE category AS ENUM ('leave', 'orders', 'invoices')")
    team.attach("category")
    team.receive(6)
    team.decide(*range(6))
    database.run("ALTER TABLE mail_team OWNER TO owner; GRANT CREATE, USAGE ON SCHEMA public TO owner")
    with refused("42501", "ALTER TYPE public.category RENAME VALUE 'orders' TO 'purchases'", "then call this again"):
        database.run("SELECT triage.rename_label('team', 'orders', 'purchases')")
    database.run("ALTER TYPE category RENAME VALUE 'orders' TO 'purchases'")
    database.run("SELECT triage.rename_label('team', 'orders', 'purchases')")
    assert dict(team.labels())["purchases"] == 2
    assert database.value("SELECT count(*) FROM triage.review WHERE human_label = 'purchases'") == 2


def test_names_that_do_not_do(database):
    team = Team(database, "team")
    team.label()
    for sql, state, *words in (
        ("SELECT triage.rename_label('team', 'ordres', 'x')", "23503", 'did you mean "orders"?'),
        ("SELECT triage.rename_label('teem', 'orders', 'x')", "42704", 'did you mean "team"?'),
        ("SELECT triage.rename_label('team', 'orders', 'orders')", "22023", "is called that already"),
        (
            "SELECT triage.rename_label('team', 'orders', ' LEAVE')",
            "42710",
            "SELECT triage.merge_labels('team', 'orders', 'leave')",
        ),
        ("SELECT triage.rename_label('team', 'orders', '  ')", "22023", "must not be empty"),
        ("SELECT triage.rename_label('team', 'orders', repeat('x', 3000))", "22001 54000", "too long"),
        ("SELECT triage.rename_label('team', 'orders', NULL)", "22004", 'argument "new" must not be null'),
        ("SELECT triage.rename_label(NULL, 'orders', 'x')", "22004", "classifier"),
        ("SELECT triage.merge_labels('team', 'orders', 'ORDERS')", "22023", "cannot be merged with itself"),
        ("SELECT triage.merge_labels('team', 'orders', 'nobody')", "23503", 'label "nobody" does not exist'),
        ("SELECT triage.merge_labels('team', 'orders', NULL)", "22004", "into_label"),
        ("SELECT triage.retire_label('team', 'nobody')", "23503", "does not exist"),
        ("SELECT triage.split_label('team', NULL)", "22004", "label"),
        ("SELECT triage.undo_label_change(NULL)", "22004", "change_id"),
        ("SELECT triage.rename_label('default', 'x', 'y')", "23503", "it has no labels yet"),
    ):
        with refused(state, *words):
            database.run(sql)
    assert database.value("SELECT count(*) FROM triage.label_changes") == 0
    # Who asks for the old name hears of the new one.
    team.attach()
    team.receive(1)
    database.run("SELECT triage.rename_label('team', 'orders', 'purchases')")
    with refused("23503", 'label "orders" of classifier "team" is called "purchases" now'):
        database.run("UPDATE mail_team SET category = 'orders'")


def test_only_trainers_change_labels_and_nobody_writes_the_ledger(database):
    team = Team(database, "team")
    live(team, "pending")
    database.role("rita", "triage_reviewer")
    rita = database.connect("rita")
    for call in (
        "rename_label('team', 'orders', 'x')",
        "merge_labels('team', 'orders', 'leave')",
        "retire_label('team', 'orders')",
        "split_label('team', 'orders')",
        "undo_label_change(1)",
    ):
        with refused("42501", "permission denied"):
            rita.run(f"SELECT triage.{call}")
    assert rita.rows("SELECT * FROM triage.label_changes") == []
    for sql in (
        "UPDATE triage.decision SET new_label = 'leave'",
        "UPDATE triage.decision SET step = NULL, features = NULL",
    ):
        with refused("42501", "append-only"):
            database.run(sql)
    with refused("55006", "Use triage.rename_label()"):
        database.run("UPDATE triage.label SET label = 'x' WHERE label = 'orders'")


class Waiting:
    """A statement of another session, which has to wait."""

    def __init__(self, database, session, sql: str):
        self.session, self.error = session, None
        self.thread = threading.Thread(target=self.run, args=(sql,))
        self.thread.start()
        blocked = "SELECT cardinality(pg_blocking_pids(%s)) > 0"
        wait_for(lambda: database.value(blocked, session.pid) or not self.thread.is_alive(), 20, sql)
        assert self.thread.is_alive(), f"did not wait: {self.error}"

    def run(self, sql: str) -> None:
        try:
            self.session.run(sql)
        except Exception as error:
            self.error = error

    def end(self):
        self.thread.join(20)
        assert not self.thread.is_alive()
        return self.error


def consistent(database, team) -> None:
    """No name that is no more, ledger and table agree, and what is learned is what is written."""
    known = set(database.column("SELECT label FROM triage.label WHERE classifier = 'team'"))
    for sql in (
        "SELECT DISTINCT category FROM mail_team WHERE category IS NOT NULL",
        "SELECT DISTINCT new_label FROM triage.decision WHERE new_label IS NOT NULL",
        "SELECT DISTINCT human_label FROM triage.review WHERE human_label IS NOT NULL",
        "SELECT DISTINCT predicted_label FROM triage.review WHERE predicted_label IS NOT NULL",
    ):
        assert set(database.column(sql)) <= known, sql
    differ = """SELECT count(*) FROM mail_team m JOIN triage.review r ON r.email_key = m.id::text
                 WHERE m.category IS DISTINCT FROM coalesce(r.human_label, r.predicted_label)"""
    assert database.value(differ) == 0
    assert team.learned("learned_model") == team.learned("replayed_model")


@pytest.mark.parametrize(
    "write",
    [
        "SELECT triage.correct(review_id, 'orders') FROM triage.review WHERE email_key = '15'",
        "UPDATE mail_team SET category = 'orders' WHERE id = 15",
        "UPDATE triage.review SET human_label = 'orders' WHERE email_key = '15'",
        "INSERT INTO mail_team (id, body) VALUES (500, 'price of an order of parts')",
    ],
)
@pytest.mark.parametrize(
    "change",
    [
        "SELECT triage.rename_label('team', 'orders', 'purchases')",
        "SELECT triage.merge_labels('team', 'orders', 'leave')",
    ],
)
def test_a_change_and_a_decision_at_the_same_time(database, write, change):
    team = Team(database, "team")
    live(team, "deployed")
    one, other = database.connect(autocommit=False), database.connect()
    # The decision first: the change waits for it, and finds it.
    one.run(write)
    waiting = Waiting(database, other, change)
    one.commit()
    assert waiting.end() is None
    consistent(database, team)
    database.run("SELECT triage.undo_label_change(max(change_id)) FROM triage.label_changes")
    database.run("DELETE FROM mail_team WHERE id = 500")
    # The change first.
    one.run(change)
    waiting = Waiting(database, other, write)
    one.commit()
    error = waiting.end()
    if write.startswith("INSERT"):
        assert error is None
        assert database.value("SELECT category IS DISTINCT FROM 'orders' FROM mail_team WHERE id = 500")
    else:
        assert 'label "orders"' in str(error) and "now: use that name" in str(error)
    consistent(database, team)


def test_a_transaction_that_sees_the_old_name_only_fails_to_write_it(database):
    team = Team(database, "team")
    live(team, "deployed")
    for write in (
        "SELECT triage.correct(review_id, 'orders') FROM triage.review WHERE email_key = '16'",
        "INSERT INTO mail_team (id, body) VALUES (501, 'price of an order of parts')",
    ):
        old = database.connect(autocommit=False)
        old.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        assert old.value("SELECT classify_email('price of an order of parts', 'team')") == "orders"
        change = database.value("SELECT triage.rename_label('team', 'orders', 'purchases')")
        assert old.value("SELECT classify_email('price of an order of parts', 'team')") == "orders"
        with refused("40001", "could not serialize"):
            old.run(write)
        old.rollback()
        consistent(database, team)
        database.run("SELECT triage.undo_label_change(%s)", change)


def test_open_sessions_answer_with_the_new_name_in_their_next_statement(database):
    team = Team(database, "team")
    live(team, "compacted")
    sessions = [database.connect() for _ in range(3)]
    ask = "SELECT classify_email('price of an order of parts', 'team')"
    assert [session.value(ask) for session in sessions] == ["orders"] * 3
    changer = database.connect(autocommit=False)
    changer.run("SELECT triage.rename_label('team', 'orders', 'purchases')")
    assert changer.value(ask) == "purchases"
    assert [session.value(ask) for session in sessions] == ["orders"] * 3
    changer.commit()
    assert [session.value(ask) for session in sessions] == ["purchases"] * 3
    changer.run("SELECT triage.retire_label('team', 'purchases')")
    changer.rollback()
    assert [session.value(ask) for session in sessions] == ["purchases"] * 3


def test_two_changes_at_once_come_one_after_the_other(database):
    team = Team(database, "team")
    live(team, "pending")
    one, other = database.connect(autocommit=False), database.connect()
    one.run("SELECT triage.rename_label('team', 'orders', 'purchases')")
    waiting = Waiting(database, other, "SELECT triage.rename_label('team', 'orders', 'parts')")
    one.commit()
    assert 'label "orders" does not exist' in str(waiting.end())
    one.run("SELECT triage.rename_label('team', 'leave', 'absence')")
    waiting = Waiting(database, other, "SELECT triage.merge_labels('team', 'invoices', 'purchases')")
    one.commit()
    assert waiting.end() is None
    assert database.column("SELECT label FROM triage.label ORDER BY 1") == ["absence", "purchases"]
    consistent(database, team)


def test_a_change_does_not_hold_up_the_mail_for_ever(database):
    team = Team(database, "team")
    live(team, "pending")
    open_one, changer = database.connect(autocommit=False), database.connect(settings={"lock_timeout": "300ms"})
    open_one.run("INSERT INTO mail_team (id, body) VALUES (500, 'an order')")
    for call in ("rename_label('team', 'orders', 'parts')", "retire_label('team', 'orders')"):
        with refused("55P03", "are still open (see pg_stat_activity), try again"):
            changer.run(f"SELECT triage.{call}")
    open_one.commit()
    changer.run("SELECT triage.rename_label('team', 'orders', 'parts')")
    consistent(database, team)
    # One that would not see what others have decided.
    open_one.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    with refused("25001", "READ COMMITTED"):
        open_one.run("SELECT triage.rename_label('team', 'parts', 'orders')")
    open_one.rollback()


ALLOWED = {
    "23503": "the label has another name by now",
    "40001": "another session was faster",
    "40P01": "two rows were locked in another order",
    "55000": "the label is gone",
    "55P03": "others write all the time",
}


def work(session, number: int, until: float, failed: list) -> None:
    """Inserts and decides, through several doors, with names that may be old."""
    chance = random.Random(number)
    for n in range(100_000):
        if time.monotonic() > until:
            return
        label = chance.choice(["leave", "orders", "purchases", "invoices"])
        key = chance.randrange(18)
        try:
            match n % 4:
                case 0:
                    text = chance.choice(TEXTS["orders"])
                    session.run("INSERT INTO mail_team (id, body) VALUES (%s, %s)", 1000 * number + n, text)
                case 1:
                    session.run("UPDATE mail_team SET category = %s WHERE id = %s", label, key)
                case 2:
                    review = "SELECT triage.correct(review_id, %s) FROM triage.review WHERE email_key = %s"
                    session.run(review, label, str(key))
                case 3:
                    session.run("UPDATE triage.review SET human_label = %s WHERE email_key = %s", label, str(key))
        except psycopg.Error as error:
            if error.sqlstate not in ALLOWED:
                failed.append(f"{error.sqlstate} {error}")


def test_labels_change_while_four_sessions_decide(database):
    team = Team(database, "team")
    live(team, "deployed")
    failed: list[str] = []
    until = time.monotonic() + 12
    workers = [
        threading.Thread(target=work, args=(database.connect(), number, until, failed)) for number in range(1, 5)
    ]
    for worker in workers:
        worker.start()
    changer, changes = database.connect(), 0
    while time.monotonic() < until:
        for sql in (
            "SELECT triage.rename_label('team', 'orders', 'purchases')",
            "SELECT triage.merge_labels('team', 'purchases', 'leave')",
            "SELECT triage.undo_label_change(max(change_id)) FROM triage.label_changes",
            "SELECT triage.rename_label('team', 'purchases', 'orders')",
        ):
            try:
                changer.run(sql)
                changes += 1
            except psycopg.Error as error:
                if error.sqlstate not in ALLOWED:
                    failed.append(f"{sql}: {error.sqlstate} {error}")
    for worker in workers:
        worker.join(60)
    assert failed == []
    assert changes > 1
    database.run("SELECT triage.classify_pending('mail_team')")
    consistent(database, team)


def test_a_cancelled_change_changes_nothing(database):
    team = Team(database, "team")
    live(team, "deployed")
    before = (team.labels(), [team.learned(what) for what in SAME])
    session = database.connect(autocommit=False)
    session.run("SELECT triage.merge_labels('team', 'orders', 'leave')")
    session.rollback()
    assert (team.labels(), [team.learned(what) for what in SAME]) == before
    assert database.value("SELECT count(*) FROM triage.label_changes") == 0
    consistent(database, team)
