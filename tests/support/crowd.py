"""One of many sessions that decide about the same emails at once, and remembers what it was told.

Each decision carries a name of its own as the actor (a token), by which it is found again in the
ledger. other(label, n) of the database is always another label, computed from the row as it is when it
is locked: so an update that succeeds has decided.
"""

import random
import time
from collections import Counter

import psycopg

from support.server import Database
from support.sessions import lift_time_limit, literal

EMAILS = 100
# Those after them are rows of a table with partitions, a key of two columns and a foreign key to its
# labels; their texts come late and change.
CASES = 40
LABELS = ["billing", "logistics", "sales", "spam", "support"]
# 55000 is also that of nothing to accept, where there is no text.
CONFLICT, LATER_DECISION, CANCELLED = "40001", "55000", "57014"

# The answers to every email, to the last bit of each probability.
ANSWERS = """SELECT md5(string_agg(m.id || s.label || s.probability, ',' ORDER BY m.id, s.rank))
               FROM mail m, classify_email_scores(m.body) s"""
# Whether it has written a base.
COMPACT = "SELECT triage.compact('default') > 0"


class Worker:
    """A session, and what the server said to it."""

    def __init__(self, database: Database, number: int, seed: int):
        self.number = number
        self.random = random.Random(seed * 1000 + number)
        self.session = database.connect()
        self.tokens = 0
        self.decided: dict[str, int] = {}  # token: decisions that the server acknowledged
        self.inserted: set[int] = set()  # keys of rows
        self.late: set[int] = set()  # and of those whose texts came later
        self.done = Counter()  # by kind of work
        self.errors = Counter()  # by kind of work and SQLSTATE
        self.unexpected: list[str] = []

    # ---- talking -------------------------------------------------------------------------------

    def token(self) -> str:
        """The name of a new decision."""
        self.tokens += 1
        return f"{self.number}-{self.tokens}"

    def send(self, kind: str, *statements: str, allowed=(CONFLICT,), passes: int | None = None):
        """Runs them one after another, and leaves a block when there was an error. Returns the rows
        of the last one that had some, or None after an error. Statement `passes` may fail without
        being the end: the next one is ROLLBACK TO."""
        found = []
        for number, statement in enumerate(statements):
            try:
                cursor = self.session.run(statement)
                found = cursor.fetchall() if cursor.description else found
            except psycopg.Error as error:
                self.errors[kind, error.sqlstate] += 1
                if error.sqlstate not in allowed:
                    self.unexpected.append(f"{kind}: {error.sqlstate} {error}")
                if number != passes:
                    if self.session.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                        self.session.run("ROLLBACK")
                    return None
        self.done[kind] += 1
        return found

    def acknowledge(self, tokens: list[str], acknowledged: bool) -> None:
        """Remembers decisions that were made."""
        if acknowledged:
            self.decided.update((token, 1) for token in tokens)

    # ---- which email ---------------------------------------------------------------------------

    def email(self) -> int:
        """Any of the emails."""
        return self.random.randint(1, EMAILS + CASES)

    def emails(self, count: int) -> list[int]:
        """So many of them, in the order in which everybody takes them."""
        return sorted(self.random.sample(range(1, EMAILS + CASES + 1), count))

    @staticmethod
    def row(email: int) -> str:
        """The row of an email."""
        return (
            f"mail WHERE id = {email}" if email <= EMAILS else f"cases WHERE id = {email} AND day = case_day({email})"
        )

    @staticmethod
    def review(email: int) -> str:
        """The condition for its review."""
        if email <= EMAILS:
            return f"source = 'public.mail' AND email_key = '{email}'"
        return f"source = 'public.cases' AND email_key = case_key({email})"

    # ---- doors: statements that decide about one of the emails, once -------------------------------

    def door(self, email: int, token: str, local: str = "") -> tuple[str, str]:
        """The name of a door and a statement that goes through it. Setting the actor for the
        transaction (`local`) also tests that a rolled-back one is forgotten."""
        n = self.random.randint(1, len(LABELS) - 1)
        actor = f"SET {local} pg_triage.actor = {literal(token)};"
        review = self.review(email)
        table, where = self.row(email).split(" ", 1)
        # The cases have the number of the label, which counts from 1.
        label = f"other(label, {n})" if email <= EMAILS else f"1 + (coalesce(label, 1) - 1 + {n}) % {len(LABELS)}"
        human = f"other(coalesce(human_label, predicted_label), {n})"
        return self.random.choice(
            [
                ("table", f"{actor} UPDATE {table} SET label = {label} {where}"),
                ("review", f"{actor} UPDATE triage.review SET human_label = {human} WHERE {review}"),
                ("view", f"{actor} UPDATE triage.{table}_queue SET human_label = {human} WHERE {review}"),
                ("queue", f"{actor} UPDATE triage.review_queue SET human_label = {human} WHERE {review}"),
                (
                    "upsert",
                    f"""{actor} INSERT INTO triage.review (review_id, human_label, row_version)
                        SELECT review_id, {human}, row_version FROM triage.review WHERE {review}
                            ON CONFLICT (review_id) DO UPDATE SET human_label = EXCLUDED.human_label,
                               row_version = EXCLUDED.row_version""",
                ),
                (
                    "function",
                    f"""SELECT FROM (SELECT * FROM triage.review WHERE {review}) r, triage.correct(
                            r.review_id, {human}, actor => {literal(token)}, row_version => r.row_version)""",
                ),
            ]
        )

    def correct(self) -> None:
        token = self.token()
        door, statement = self.door(self.email(), token)
        self.acknowledge([token], self.send(door, statement) is not None)

    # ---- decisions that the session counts before it commits ----------------------------------------

    def counted(self, kind: str, token: str, *statements: str, allowed=(CONFLICT,)) -> None:
        count = f"SELECT count(*) FROM triage.decision WHERE actor = {literal(token)}"
        # COMMIT returns no rows: what is found is the count.
        found = self.send(kind, "BEGIN", *statements, count, "COMMIT", allowed=allowed)
        if found is not None:
            ((self.decided[token],),) = found

    def review_ids(self, *emails: int) -> str:
        conditions = " OR ".join(self.review(email) for email in emails)
        return f"(SELECT review_id FROM triage.review WHERE {conditions})"

    def accept(self) -> None:
        token = self.token()
        ids = self.review_ids(self.email())
        self.counted(
            "accept",
            token,
            f"SELECT triage.accept({ids}, actor => {literal(token)})",
            allowed=(CONFLICT, LATER_DECISION),
        )

    def take_back(self) -> None:
        token = self.token()
        table, where = self.row(self.email()).split(" ", 1)
        self.counted(
            "take back",
            token,
            f"SET LOCAL pg_triage.actor = {literal(token)}",
            f"UPDATE {table} SET label = NULL {where}",
        )

    def correct_many(self) -> None:
        token = self.token()
        ids = self.review_ids(*self.emails(4))
        label = self.random.choice(LABELS)
        self.counted(
            "many",
            token,
            f"""SELECT triage.correct_many((SELECT string_agg(i::text, ',') FROM {ids} r (i)), '{label}',
                                           actor => {literal(token)})""",
        )

    def ask_again(self) -> None:
        token = self.token()
        ids = self.review_ids(*self.emails(3))
        self.counted(
            "ask again",
            token,
            f"""SELECT triage.ask_again((SELECT string_agg(i::text, ',') FROM {ids} r (i)),
                                        actor => {literal(token)})""",
        )

    def act(self) -> None:
        """A column instead of a function. What is decided already is not skipped."""
        token = self.token()
        action = self.random.choice(["accept", "skip", "undo", "ask again"])
        email = self.email()
        view = self.random.choice(["review", "mail_queue" if email <= EMAILS else "cases_queue", "review_queue"])
        self.counted(
            "action",
            token,
            f"SET LOCAL pg_triage.actor = {literal(token)}",
            f"UPDATE triage.{view} SET action = '{action}' WHERE {self.review(email)}",
            allowed=(CONFLICT, LATER_DECISION),
        )

    def set_undone(self) -> None:
        """Not of private emails, which are forgotten."""
        token = self.token()
        self.counted(
            "undone",
            token,
            f"SET LOCAL pg_triage.actor = {literal(token)}",
            """UPDATE triage.decision_history SET undone = true WHERE batch_id =
                   (SELECT batch_id FROM triage.decision WHERE door <> 'insert' ORDER BY decision_id DESC LIMIT 1)""",
            allowed=(CONFLICT, LATER_DECISION),
        )

    def undo_batch(self) -> None:
        token = self.token()
        self.counted(
            "undo batch",
            token,
            f"""SELECT triage.undo_batch(batch_id, actor => {literal(token)})
                  FROM (SELECT batch_id FROM triage.decision WHERE door = 'function'
                         ORDER BY decision_id DESC LIMIT 1) d""",
            allowed=(CONFLICT, LATER_DECISION),
        )

    def undo(self) -> None:
        token = self.token()
        found = self.send(
            "undo",
            f"""SELECT triage.undo(decision_id, actor => {literal(token)}) FROM triage.review
                 WHERE decision_id IS NOT NULL AND {self.review(self.email())}""",
            allowed=(CONFLICT, LATER_DECISION),
        )
        self.acknowledge([token], bool(found))

    # ---- transactions --------------------------------------------------------------------------------

    def block(self, kind: str, *end: str) -> tuple[bool, list[str]]:
        """Three decisions, the second one rolled back to a savepoint. Everybody takes the emails in
        ascending order: those who do not wait in a circle by their own doing."""
        tokens = [self.token() for _ in range(3)]
        emails = self.emails(3)
        first, second, third = (self.door(*pair, "LOCAL")[1] for pair in zip(emails, tokens, strict=True))
        # A conflict in the second one is not the end of the block.
        second += "; SELECT classify_email(mail_text(1))"
        statements = ["BEGIN", first, "SAVEPOINT s", second, "ROLLBACK TO s", third, *end]
        done = self.send(kind, *statements, passes=3) is not None
        return done, [tokens[0], tokens[2]]

    def savepoint(self) -> None:
        done, tokens = self.block("savepoint", "COMMIT")
        self.acknowledge(tokens, done)

    def rollback(self) -> None:
        self.block("rollback", "ROLLBACK")

    def two_phases(self) -> None:
        name = literal(f"p{self.number}")
        done, tokens = self.block("prepare", f"PREPARE TRANSACTION {name}")
        end = self.random.choice(["COMMIT", "ROLLBACK"])
        if done:
            self.send("answer", "SELECT classify_email(mail_text(2))", allowed=())
            done = self.send(f"{end.lower()} prepared", f"{end} PREPARED {name}", allowed=()) is not None
        self.acknowledge(tokens, done and end == "COMMIT")

    def repeatable_read(self) -> None:
        """Deciding on an older snapshot conflicts with whoever has decided since."""
        token = self.token()
        _, statement = self.door(self.email(), token, "LOCAL")
        answer = "SELECT classify_email(mail_text(3))"
        done = self.send(
            "repeatable read", "BEGIN ISOLATION LEVEL REPEATABLE READ", answer, statement, answer, "COMMIT"
        )
        self.acknowledge([token], done is not None)

    def interrupted(self) -> None:
        """A timeout strikes anywhere: while it waits, learns, answers or compacts."""
        token = self.token()
        _, statement = self.door(self.email(), token, "LOCAL")
        limit = f"SET LOCAL statement_timeout = {self.random.randint(1, 8)}"
        statements = ["BEGIN", limit, statement, "SELECT classify_email(mail_text(4))", COMPACT, "COMMIT"]
        found = self.send("interrupted", *statements, allowed=(CONFLICT, CANCELLED))
        self.acknowledge([token], found is not None)
        self.done["base"] += found == [(True,)]
        # One that struck in the last instant of COMMIT would cancel whatever comes next.
        lift_time_limit(self.session)

    # ---- the rest --------------------------------------------------------------------------------------

    def insert(self) -> None:
        start = self.random.randint(1, 500)
        rows = self.send(
            "insert", f"INSERT INTO mail (body) SELECT mail_text({start} + n) FROM generate_series(1, 3) n RETURNING id"
        )
        self.inserted |= {key for (key,) in rows or []}

    def insert_labelled(self) -> None:
        token = self.token()
        text, label = self.random.randint(1, 500), self.random.choice(LABELS)
        rows = self.send(
            "labelled insert",
            f"""SET pg_triage.actor = {literal(token)};
                INSERT INTO mail (body, label) VALUES (mail_text({text}), '{label}') RETURNING id""",
        )
        self.acknowledge([token], rows is not None)
        self.inserted |= {key for (key,) in rows or []}
        # A private email, so that forgetting it meets nobody but compaction.
        if rows and self.random.random() < 0.1:
            ((key,),) = rows
            if self.send("forget", f"SELECT triage.forget('public.mail', '{key}')"):
                self.decided.pop(token)
                gone = self.send("delete", f"DELETE FROM mail WHERE id = {key} RETURNING id", allowed=())
                self.inserted -= {key for (key,) in gone or []}

    def change_text(self) -> None:
        """Whoever has decided, or not: a text comes, changes or goes."""
        email = self.random.randint(EMAILS + 1, EMAILS + CASES)
        text = "NULL" if self.random.random() < 0.2 else f"mail_text({self.random.randint(1, 500)})"
        table, where = self.row(email).split(" ", 1)
        self.send("text", f"UPDATE {table} SET body = {text} {where}")

    def insert_late(self) -> None:
        """Rows that wait for their texts, which all come at once and make them move to where they stay."""
        rows = self.send("late", "INSERT INTO cases (day) SELECT case_day(n) FROM generate_series(1, 2) n RETURNING id")
        keys = [key for (key,) in rows or []]
        self.late |= set(keys)
        self.send(
            "late text",
            f"UPDATE cases SET body = mail_text(id), day = day + 20 WHERE id = ANY ('{{{str(keys)[1:-1]}}}')",
        )

    def compact(self) -> None:
        self.done["base"] += self.send("compact", COMPACT, allowed=()) == [(True,)]

    def answer(self) -> None:
        self.send("answer", ANSWERS, allowed=())

    def other_version(self) -> None:
        """Nobody else activates: there is always a version to go back to."""
        back = ["activate('default', 1)", "activate('default', 2)", "rollback('default')"]
        calls = self.random.choice([back[:1], ["retrain('default')"], back])
        self.send("version", *(f"SELECT triage.{call}" for call in calls), allowed=())

    def work(self, until: float) -> None:
        """Does one thing after another, some more often than others."""
        kinds = [
            (self.correct, 60), (self.accept, 4), (self.take_back, 4), (self.correct_many, 3), (self.undo_batch, 2),
            (self.ask_again, 3), (self.act, 6), (self.set_undone, 2),
            (self.undo, 8), (self.savepoint, 6), (self.rollback, 3), (self.two_phases, 4), (self.repeatable_read, 4),
            (self.interrupted, 3), (self.insert, 6), (self.insert_labelled, 4), (self.compact, 0.3), (self.answer, 1),
            (self.change_text, 6), (self.insert_late, 3),
        ]  # fmt: skip
        if self.number == 0:
            kinds.append((self.other_version, 3))
        works, weights = zip(*kinds, strict=True)
        try:
            while time.monotonic() < until:
                self.random.choices(works, weights)[0]()
        except Exception as error:
            self.unexpected.append(f"broke off: {error!r}")
