"""An object is saved with all its columns, by Django, SQLAlchemy or as Hibernate does it: what it has
as the label is what was there when it was read, and no decision."""

import pytest
from sqlalchemy import orm
from support.orms import (
    MAPPERS,
    TABLE,
    AlchemyTicket,
    DjangoWithReturning,
    Hibernate,
    SqlAlchemy,
    Stale,
)
from support.own_table import TEXTS, OwnTable
from support.sessions import refused


@pytest.fixture
def tickets(database):
    """The table that all of them map."""
    columns = TABLE[TABLE.index("(") + 1 : TABLE.rindex(")")]
    tickets = OwnTable(database, columns)
    yield tickets
    tickets.agrees()


@pytest.fixture(params=MAPPERS, ids=lambda mapper: mapper.__name__)
def mapper(request, tickets):
    mapper = request.param(tickets.database)
    yield mapper
    mapper.close()


def created(mapper):
    return mapper.create(subject="no. 7", body=TEXTS["billing"])


def correct(tickets, ticket, label):
    tickets.database.run(f"SELECT triage.correct({tickets.review(ticket.id)}, '{label}')")


def test_an_object_that_was_created_before_it_had_a_label_is_saved_again(tickets, mapper):
    ticket = created(mapper)
    assert tickets.label(ticket.id) == "billing"
    ticket.subject, ticket.category = "no. 7, urgent", None
    mapper.save(ticket)
    assert tickets.label(ticket.id) == "billing"
    assert tickets.ledger(ticket.id) == []
    assert tickets.database.value(f"SELECT subject FROM ticket WHERE id = {ticket.id}") == "no. 7, urgent"


@pytest.mark.parametrize("stale", ["without a label", "with the label that was predicted"])
def test_an_object_that_was_read_before_a_correction_is_saved_after_it(tickets, mapper, stale):
    ticket = created(mapper)
    if stale != "without a label":
        ticket = mapper.read(ticket.id)
        assert ticket.category == "billing"
    else:
        ticket.category = None
    correct(tickets, ticket, "sales")
    mapper.notices.clear()
    ticket.subject = "no. 7, urgent"
    mapper.save(ticket)
    assert (tickets.label(ticket.id), tickets.human(ticket.id)) == ("sales", "sales")
    assert tickets.ledger(ticket.id) == [("correct", "sales", "function")]
    (notice,) = mapper.notices
    assert 'keeps its label "sales"' in notice and "set the label alone" in notice


def test_a_changed_label_is_a_decision_in_a_full_save_too(tickets, mapper):
    ticket = mapper.read(created(mapper).id)
    ticket.subject, ticket.category = "no. 7, urgent", "support"
    mapper.save(ticket)
    assert tickets.ledger(ticket.id) == [("correct", "support", "table")]
    ticket = mapper.read(ticket.id)
    ticket.subject, ticket.category = "no. 8", "sales"
    mapper.save(ticket)
    assert tickets.ledger(ticket.id)[1:] == [("correct", "sales", "table")]
    assert tickets.label(ticket.id) == "sales"


@pytest.mark.parametrize("label, kind, new", [(None, "undo", None), ("billing", "accept", "billing")])
def test_the_label_alone_is_a_decision(tickets, mapper, label, kind, new):
    ticket = mapper.read(created(mapper).id)
    correct(tickets, ticket, "sales")
    ticket.category = label
    mapper.save_label(ticket)
    assert tickets.label(ticket.id) == "billing"
    assert tickets.ledger(ticket.id)[1:] == [(kind, new, "table")]


# ---- what each of them offers ----------------------------------------------------------------


def test_django_has_the_label_after_create_where_the_database_has_a_default(tickets):
    django = DjangoWithReturning(tickets.database)
    ticket = django.create(subject="no. 7", body=TEXTS["sales"])
    assert ticket.category == "sales"
    ticket.save()
    assert tickets.ledger(ticket.id) == []
    django.close()


def test_sqlalchemy_has_the_label_after_flush_and_notices_who_was_faster(tickets):
    class Declared(SqlAlchemy):
        model = AlchemyTicket

    alchemy = Declared(tickets.database)
    session = alchemy.session
    ticket = AlchemyTicket(subject="no. 7", body=TEXTS["sales"])
    session.add(ticket)
    session.flush()
    assert (ticket.category, ticket.version) == ("sales", 1)
    session.commit()
    # What it does not know to have changed it does not write.
    correct(tickets, ticket, "support")
    ticket.subject = "no. 8"
    session.commit()
    assert (ticket.category, ticket.version) == ("support", 2)
    tickets.database.run(f"UPDATE ticket SET version = 3 WHERE id = {ticket.id}")
    ticket.subject = "no. 9"
    with pytest.raises(orm.exc.StaleDataError):
        session.commit()
    session.rollback()
    session.refresh(ticket)
    assert (ticket.category, ticket.version, ticket.subject) == ("support", 3, "no. 8")
    alchemy.close()


def test_an_optimistic_lock_counts_rows_as_ever(tickets):
    hibernate = Hibernate(tickets.database)
    ticket, other = (hibernate.read(created(hibernate).id) for _ in range(2))
    first, second = hibernate.read(ticket.id), hibernate.read(ticket.id)
    first.category = "sales"
    hibernate.save(first)
    second.subject = "later"
    with pytest.raises(Stale):
        hibernate.save(second)
    assert tickets.label(ticket.id) == "sales"
    hibernate.save(other)
    assert tickets.ledger(other.id) == []


# ---- other statements that set a whole row ---------------------------------------------------


def test_a_generated_column_is_set_by_nobody(database):
    tickets = OwnTable(
        database,
        """id bigint PRIMARY KEY, body text, category text,
           shown text GENERATED ALWAYS AS (coalesce(category, '-') || ': ' || body) STORED""",
    )
    tickets.new(1)
    database.run("UPDATE ticket SET category = 'sales' WHERE id = 1")
    database.run("UPDATE ticket SET category = NULL WHERE id = 1")
    assert tickets.ledger(1) == [("correct", "sales", "table"), ("undo", None, "table")]
    tickets.agrees()


@pytest.mark.parametrize("after", ["", "PARTITION BY RANGE (id)"])
def test_upserts_and_moves_are_saves_too(database, after):
    tickets = OwnTable(database, after=after)
    if after:
        database.run("CREATE TABLE low PARTITION OF ticket FOR VALUES FROM (0) TO (100)")
        database.run("CREATE TABLE high PARTITION OF ticket FOR VALUES FROM (100) TO (200)")
    for key in (1, 2, 3):
        tickets.new(key)
        database.run(f"UPDATE ticket SET category = 'sales' WHERE id = {key}")
    database.run(
        """INSERT INTO ticket AS t (id, body, category) VALUES (1, 'again', 'billing')
           ON CONFLICT (id) DO UPDATE SET body = excluded.body, category = excluded.category"""
    )
    database.run(
        """MERGE INTO ticket t USING (VALUES (2, 'again', NULL)) s (id, body, category) ON s.id = t.id
           WHEN MATCHED THEN UPDATE SET body = s.body, category = s.category"""
    )
    database.run("UPDATE ticket SET id = 103, category = 'billing' WHERE id = 3")
    assert [tickets.label(key) for key in (1, 2, 103)] == ["sales"] * 3
    assert [tickets.ledger(key) for key in (1, 2, 103)] == [[("correct", "sales", "table")]] * 3
    tickets.agrees()


def test_one_notice_for_many_rows(database):
    tickets = OwnTable(database)
    for key in range(5):
        tickets.new(key)
        database.run(f"UPDATE ticket SET category = 'sales' WHERE id = {key}")
    database.session.notices.clear()
    database.run("UPDATE ticket SET body = body || '!', category = NULL")
    assert len(database.session.notices) == 1
    assert [tickets.label(key) for key in range(5)] == ["sales"] * 5
    tickets.agrees()


# ---- who may decide in the table ---------------------------------------------------------------


@pytest.fixture
def people(database):
    """An application, its support desk and a member of that; all may update the table."""
    for name, *groups in [("app",), ("desk",), ("Desk, leads",), ("anna", "desk"), ("ben", '"Desk, leads"')]:
        database.role(name, *groups)

    def attach(corrections):
        tickets = OwnTable(database, attach=f"corrections => $${corrections}$$")
        database.run("GRANT SELECT, INSERT, UPDATE ON ticket TO app, desk, anna, ben")
        return tickets

    return attach


@pytest.mark.parametrize(
    "corrections, allowed, shown",
    [
        ("nobody", [], "nobody"),
        ("desk", ["anna", "desk"], "desk"),
        (' DESK , "Desk, leads"', ["anna", "ben", "desk"], 'desk, "Desk, leads"'),
        ("anyone", ["anna", "app", "ben", "desk"], "anyone"),
    ],
)
def test_who_may_decide_by_updating_the_table(database, people, corrections, allowed, shown):
    tickets = people(corrections)
    assert database.value("SELECT corrections FROM triage.sources WHERE source = 'public.ticket'") == shown
    for key, who in enumerate(["anna", "app", "ben", "desk"], 1):
        session = database.connect(who)
        tickets.new(key, session=session)
        alone = f"UPDATE ticket SET category = 'sales' WHERE id = {key}"
        whole = f"UPDATE ticket SET body = body || '!', category = 'support' WHERE id = {key}"
        if who in allowed:
            session.run(alone)
            session.run(whole)
            assert [label for _, label, _ in tickets.ledger(key)] == ["sales", "support"]
            continue
        with refused("42501", who, f"corrections: {shown.replace(chr(34), '')}", "triage.correct()"):
            session.run(alone)
        assert session.notices == []
        session.run(whole)
        assert len(session.notices) == 1 and 'keeps its label "billing"' in session.notices[0]
        assert (tickets.label(key), tickets.ledger(key)) == ("billing", [])
        assert session.value(f"SELECT body FROM ticket WHERE id = {key}").endswith("!")
    tickets.agrees()


def test_superusers_and_other_doors_decide_all_the_same(database, people):
    tickets = people("nobody")
    reviewer = database.connect(database.role("reviewer", "triage_reviewer"))
    review = tickets.new(1)
    reviewer.run(f"SELECT triage.correct({review}, 'sales')")
    reviewer.run(f"UPDATE triage.review SET human_label = 'support' WHERE review_id = {review}")
    database.run("UPDATE ticket SET category = 'billing' WHERE id = 1")
    assert [door for _, _, door in tickets.ledger(1)] == ["function", "review", "table"]
    tickets.agrees()


@pytest.mark.parametrize(
    "corrections, sqlstate, words",
    [("nobodies", "42704", ['"nobodies"', "'anyone'"]), ("", "22023", ["'nobody'"]), ("desk,", "22023", ["roles"])],
)
def test_corrections_are_checked_when_the_table_is_attached(people, corrections, sqlstate, words):
    with refused(sqlstate, *words):
        people(corrections)
