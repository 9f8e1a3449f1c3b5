"""Labels that were changed in a table while it was not attached, or in a copy of it: nobody has noted them
down. Who attaches the table, or lets it take the place of the other one, is told how many, and how to make
decisions of them."""

import re

import pytest
from support.own_table import OwnTable

LOOKUP = """CREATE TABLE kind (kind_id int PRIMARY KEY, name text UNIQUE NOT NULL);
    INSERT INTO kind VALUES (1, 'billing'), (2, 'support'), (3, 'sales')"""


def attached_again(table, attach=""):
    """A session that has attached it again, and what it was told of."""
    session = table.database.connect()
    session.run(f"SELECT triage.attach('{table.name}', ARRAY['body'], 'category'{attach})")
    return session, told(session)


def adopted(table):
    table.database.run(
        """CREATE TABLE copied (LIKE ticket INCLUDING ALL); INSERT INTO copied SELECT * FROM ticket;
           DROP TABLE ticket CASCADE; ALTER TABLE copied RENAME TO ticket"""
    )
    session = table.database.connect()
    session.run("SELECT triage.adopt('ticket', 'public.ticket')")
    return session, told(session)


def told(session):
    return [notice for notice in session.notices if "another label than their review" in notice]


@pytest.mark.parametrize("again", [attached_again, adopted])
@pytest.mark.parametrize("kind", ["text", "char(20)", "lookup"])
def test_labels_that_nobody_has_noted_down_are_counted_and_can_be(database, kind, again):
    lookup = kind == "lookup"
    if lookup:
        database.run(LOOKUP)
    column = "int REFERENCES kind" if lookup else kind
    attach = "label_table => 'kind'" if lookup else ""
    table = OwnTable(database, f"id bigint PRIMARY KEY, body text, category {column}", attach=attach)
    for key in range(1, 6):
        table.new(key)
    sales, support = ("3", "2") if lookup else ("'sales'", "'support'")
    database.run(f"UPDATE ticket SET category = {sales} WHERE id = 1")
    database.run("SELECT triage.detach('ticket')")
    database.run(f"UPDATE ticket SET category = {support} WHERE id IN (1, 3)")
    database.run("DELETE FROM ticket WHERE id = 5")
    if again is attached_again:
        _, warned = attached_again(table, f", {attach}" if attach else "")
    else:
        _, warned = adopted(table)
    assert len(warned) == 1 and "2 rows of public.ticket" in warned[0]
    repair = re.search(r"INSERT INTO triage\..*?, ''\)\)", warned[0])
    database.run(repair[0])
    assert [table.human(key) for key in (1, 2, 3)] == ["support", None, "support"]
    assert [str(table.label(key)).strip() for key in (1, 3)] == [support.strip("'")] * 2
    assert table.ledger(3) == [("correct", "support", "view")]
    database.run("SELECT triage.detach('ticket')")
    _, warned = attached_again(table, f", {attach}" if attach else "")
    assert warned == []


@pytest.mark.parametrize("again", [attached_again, adopted])
def test_nothing_is_said_where_nothing_differs(database, again):
    table = OwnTable(database)
    for key in range(1, 4):
        table.new(key)
    database.run(
        """UPDATE ticket SET category = 'sales' WHERE id = 1;
           INSERT INTO ticket VALUES (7, 'anything', 'unheard of'), (8, '', NULL), (9, 'anything', 'BILLING ');
           UPDATE ticket SET category = ' Sales' WHERE id = 2; SELECT triage.detach('ticket');
           UPDATE ticket SET category = 'BILLING' WHERE id = 3"""
    )
    assert again(table)[1] == []
