"""Reviews are objects of Django and SQLAlchemy: what docs/applications.md says of them."""

from contextlib import contextmanager

import psycopg
import pytest
import sqlalchemy
from django.db import DatabaseError, models
from sqlalchemy import orm
from sqlalchemy.dialects.postgresql import insert
from support.orms import Django, SqlAlchemy

LABELS = ["billing", "support"]


class Review(models.Model):
    review_id = models.BigAutoField(primary_key=True)
    human_label = models.TextField(null=True)
    note = models.TextField(null=True)
    action = models.TextField(null=True)
    row_version = models.IntegerField()

    class Meta:
        app_label, managed = "own", False
        db_table = 'triage"."review'


class QueuedReview(models.Model):
    """As `inspectdb` writes it of a view, text and all."""

    review_id = models.BigIntegerField(primary_key=True)
    source, email_key, subject, body = (models.TextField(blank=True, null=True) for _ in range(4))
    confidence = models.FloatField(blank=True, null=True)
    human_label, note, action, reviewed_by = (models.TextField(blank=True, null=True) for _ in range(4))
    reviewed_at = models.DateTimeField(blank=True, null=True)
    row_version = models.IntegerField(blank=True, null=True)

    class Meta:
        app_label, managed = "own", False
        db_table = 'triage"."ticket_queue'


class Decision(models.Model):
    decision_id = models.BigIntegerField(primary_key=True)
    batch_id, actor, undone = models.BigIntegerField(), models.TextField(), models.BooleanField()

    class Meta:
        app_label, managed = "own", False
        db_table = 'triage"."decision_history'


class Base(orm.DeclarativeBase):
    pass


class AlchemyReview(Base):
    __tablename__ = "review"
    __table_args__ = {"schema": "triage"}  # noqa: RUF012
    review_id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    human_label: orm.Mapped[str | None]
    note: orm.Mapped[str | None]
    action: orm.Mapped[str | None]
    row_version: orm.Mapped[int]


@pytest.fixture
def mails(database):
    """Three mails, predicted to be about billing: their numbers."""
    database.run(
        """CREATE TABLE ticket (id int PRIMARY KEY, subject text, body text, category text);
           SELECT triage.deploy('default', train_classifier(b, l)) FROM (VALUES
               ('invoice payment', 'billing'), ('login password', 'support')) t (b, l);
           SELECT triage.attach('ticket', ARRAY['subject', 'body'], 'category');
           INSERT INTO ticket (id, subject, body)
           SELECT n, 'invoice', E'please settle\nthe payment' FROM generate_series(1, 3) n"""
    )
    return database.column("SELECT review_id FROM triage.review ORDER BY 1")


@contextmanager
def opened(mapper, database):
    mapper = mapper(database)
    try:
        yield mapper
    finally:
        mapper.close()


@pytest.fixture
def django(database):
    with opened(Django, database) as mapper:
        yield mapper.alias


@pytest.fixture
def engine(database):
    with opened(SqlAlchemy, database) as mapper:
        yield mapper.engine


def label(database, number):
    return database.value(
        f"SELECT t.category FROM ticket t JOIN triage.review r ON r.email_key = t.id::text WHERE review_id = {number}"
    )


def ledger(database, number):
    return database.rows(
        f"SELECT kind, new_label, door FROM triage.decision WHERE review_id = {number} ORDER BY decision_id"
    )


# ---- Django -------------------------------------------------------------------------------------


@pytest.mark.parametrize("model, door", [(Review, "review"), (QueuedReview, "view")])
def test_django_saves_a_whole_object(database, mails, django, model, door):
    first, stale = (model.objects.using(django).get(pk=mails[0]) for _ in range(2))
    first.save(using=django)
    assert ledger(database, mails[0]) == [], "nothing was changed"
    first.human_label = "support"
    first.save(using=django, force_update=True)
    assert label(database, mails[0]) == "support"
    stale.note = "late"
    with pytest.raises(DatabaseError, match="read it again"):
        stale.save(using=django)
    first.refresh_from_db(using=django)
    assert (first.row_version, first.note) == (2, None)
    first.action = "undo"
    first.save(using=django)
    assert label(database, mails[0]) == "billing"
    assert ledger(database, mails[0]) == [("correct", "support", door), ("undo", None, door)]


@pytest.mark.parametrize("model", [Review, QueuedReview])
def test_django_updates_a_query(database, mails, django, model):
    assert model.objects.using(django).filter(pk__in=mails[:2]).update(action="skip", note="both") == 2
    assert [ledger(database, number)[-1][0] for number in mails[:2]] == ["skip", "skip"]
    batch = Decision.objects.using(django).latest("decision_id").batch_id
    assert Decision.objects.using(django).filter(batch_id=batch).update(undone=True) == 2
    one = Decision.objects.using(django).filter(batch_id=batch).first()
    assert one.undone
    one.save(using=django, force_update=True)
    assert [len(ledger(database, number)) for number in mails] == [2, 2, 0]


def test_django_bulk_upserts(database, mails, django):
    rows = [
        Review(review_id=number, human_label=name, row_version=1) for number, name in zip(mails, LABELS, strict=False)
    ]
    Review.objects.using(django).bulk_create(
        rows, update_conflicts=True, unique_fields=["review_id"], update_fields=["human_label"]
    )
    assert [label(database, number) for number in mails[:2]] == LABELS
    assert [kind for number in mails[:2] for kind, *_ in ledger(database, number)] == ["accept", "correct"]
    with pytest.raises(DatabaseError, match="review 4711 does not exist"):
        Review.objects.using(django).bulk_create([Review(review_id=4711, human_label="billing", row_version=1)])


# ---- SQLAlchemy ---------------------------------------------------------------------------------


def test_sqlalchemy_flushes_an_object(database, mails, engine):
    with orm.Session(engine) as session:
        review = session.get_one(AlchemyReview, mails[0])
        review.human_label = "support"
        session.commit()
        assert (review.human_label, review.row_version) == ("support", 2), "read again after the commit"
        review.action = "ask again"
        session.commit()
        assert review.action is None
    assert ledger(database, mails[0]) == [("correct", "support", "review"), ("ask", "support", "review")]


def test_sqlalchemy_upserts(database, mails, engine):
    rows = [{"review_id": number, "human_label": "support"} for number in mails]
    upsert = insert(AlchemyReview).values(rows)
    upsert = upsert.on_conflict_do_update(
        index_elements=["review_id"], set_={"human_label": upsert.excluded.human_label}
    ).returning(AlchemyReview.review_id, AlchemyReview.human_label)
    with engine.begin() as connection:
        assert connection.execute(upsert).all() == [(number, "support") for number in mails]
    assert {label(database, number) for number in mails} == {"support"}
    assert database.value("SELECT count(DISTINCT batch_id) FROM triage.decision") == 1


def test_sqlalchemy_without_a_commit_loses_what_a_select_decided(database, mails, engine):
    """And so do pandas.read_sql and SQL Lab, which are made of it; an UPDATE within begin() stays."""
    correct = sqlalchemy.text("SELECT triage.correct(:number, 'support')")
    with engine.connect() as connection:
        assert connection.execute(correct, {"number": mails[0]}).scalar() is not None
    assert ledger(database, mails[0]) == []
    accept = sqlalchemy.text("UPDATE triage.ticket_queue SET action = 'accept' WHERE review_id = :number")
    with engine.begin() as connection:
        connection.execute(correct, {"number": mails[0]})
        connection.execute(accept, {"number": mails[1]})
    assert ledger(database, mails[0]) == [("correct", "support", "function")]
    assert ledger(database, mails[1]) == [("accept", "billing", "view")]


def test_in_a_read_only_transaction_every_door_is_an_error(database, mails):
    """As in tools whose questions are for reading."""
    with database.connect() as session:
        session.run("SET default_transaction_read_only = on")
        for statement in (
            f"SELECT triage.accept({mails[0]})",
            f"SELECT triage.ask_again('{mails[0]}')",
            f"UPDATE triage.ticket_queue SET action = 'accept' WHERE review_id = {mails[0]}",
            f"INSERT INTO triage.review_queue (review_id, action) VALUES ({mails[0]}, 'accept')",
            "UPDATE triage.decision_history SET undone = true",
        ):
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                session.run(statement)
    assert ledger(database, mails[0]) == []
