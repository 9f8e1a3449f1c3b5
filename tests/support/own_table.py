"""A table of a user's own that is attached, and whether everything that is kept about its rows agrees."""

from support.server import Database
from support.sessions import Session

LABELS = ["billing", "sales", "support"]
# What the model answers to each.
TEXTS = {
    "billing": "the invoice and its payment",
    "sales": "an offer with a price",
    "support": "my login and the password",
}
# Sure enough that the decisions of a test change no answer.
MODEL = """SELECT triage.deploy('default', train_classifier(b, l)) FROM generate_series(1, 300), (VALUES
    ('the invoice and its payment', 'billing'), ('an offer with a price', 'sales'),
    ('my login and the password', 'support')) t (b, l)"""


class OwnTable:
    """A table with the columns `id`, `body` and `category` at least, attached under its name."""

    def __init__(self, database: Database, columns: str = "id bigint PRIMARY KEY, body text, category text",
                 name: str = "ticket", after: str = "", attach: str = ""):  # fmt: skip
        self.database, self.name, self.source = database, name, f"public.{name}"
        database.run(f"CREATE TABLE {name} ({columns}) {after}")
        if not database.value("SELECT count(*) FROM triage.model_versions"):
            database.run(MODEL)
        database.run(f"SELECT triage.attach('{name}', ARRAY['body'], 'category'{attach and ', ' + attach})")

    def new(self, key: int, predicted: str = "billing", session: Session | None = None) -> int:
        """Inserts a row that gets this label; its review."""
        (session or self.database).run(f"INSERT INTO {self.name} (id, body) VALUES (%s, %s)", key, TEXTS[predicted])
        return self.review(key)

    def review(self, key: int) -> int:
        """The number of its review."""
        return self.database.value(
            f"SELECT review_id FROM triage.review WHERE source = '{self.source}' AND email_key = '{key}'"
        )

    def label(self, key: int) -> str | None:
        """The label that it has."""
        return self.database.value(f"SELECT category FROM {self.name} WHERE id = {key}")

    def human(self, key: int) -> str | None:
        """What a person has said."""
        return self.database.value(
            f"SELECT human_label FROM triage.review WHERE source = '{self.source}' AND email_key = '{key}'"
        )

    def ledger(self, key: int) -> list[tuple]:
        """Its decisions: kind, label, door."""
        return self.database.rows(
            f"""SELECT d.kind, d.new_label, d.door FROM triage.decision d JOIN triage.review r USING (review_id)
                 WHERE r.source = '{self.source}' AND r.email_key = '{key}' ORDER BY d.decision_id"""
        )

    def agrees(self) -> None:
        """Label column, review and ledger say the same about every row, and what is learned is what
        the ledger says."""
        differ = self.database.rows(
            f"""SELECT t.id, t.category, r.predicted_label, r.given_label, r.human_label, d.new_label
                  FROM {self.name} t
                  JOIN triage.review r ON r.source = '{self.source}' AND r.email_key = t.id::text
                  LEFT JOIN LATERAL (SELECT decision_id, new_label FROM triage.decision d
                      WHERE d.review_id = r.review_id ORDER BY decision_id DESC LIMIT 1) d ON true
                 WHERE t.category IS DISTINCT FROM coalesce(r.human_label, r.predicted_label, r.given_label)
                    OR r.human_label IS DISTINCT FROM d.new_label OR r.decision_id IS DISTINCT FROM d.decision_id"""
        )
        assert differ == []
        assert self.database.value(
            "SELECT triage.learned_state('default')::text = triage.replayed_state('default')::text"
        )
