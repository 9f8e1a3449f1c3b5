"""Mails to train on and to hand in, and what the documentation shows."""

import re

from support.server import Database
from support.system import PROJECT

# Subject in the first line, as the README does it. For FROM.
MAILS = r"(SELECT email_id, mailbox, label, concat_ws(E'\n', subject, body) AS body FROM triage.email) AS mail"
# The smallest training set. For FROM.
TWO_MAILS = "(VALUES ('the invoice is overdue', 'billing'), ('my password is lost', 'support')) AS mail (body, label)"

# Two topics that the sample mails teach, so that labels are not all the same.
TOPICS = [
    ("Invoice {0} is wrong", "We were charged twice for order {0}, please send the money back."),
    ("Login {0} fails", "The app shows error {0} after the update, and the login does not work."),
]


def deploy(label: str) -> str:
    """A statement after which this is the answer to "invoice"."""
    return (
        "SELECT triage.deploy('default', train_classifier(b, l)) "
        f"FROM (VALUES ('invoice', '{label}'), ('login', 'rest')) t (b, l)"
    )


def deploy_demo_model(database: Database) -> None:
    """The model of the sample mails, without those mails."""
    database.run("SELECT triage.load_sample()")
    database.run(f"SELECT triage.deploy('default', train_classifier(body, label)) FROM {MAILS}")
    database.run("DELETE FROM triage.email")


def message(number: int, to: str = "inbox@example.com", newline: str = "\n", **fields: str) -> bytes:
    """A raw message like no other: its id has the number."""
    subject, body = TOPICS[number % len(TOPICS)]
    header = {
        "From": f"Customer {number} <c{number}@example.net>",
        "To": to,
        "Subject": subject.format(number),
        "Message-ID": f"<m{number}@example.net>",
        "Date": "Mon, 02 Mar 2026 09:00:00 +0100",
        "Content-Type": "text/plain; charset=utf-8",
        **fields,
    }
    lines = [*(f"{name}: {value}" for name, value in header.items()), "", body.format(number), ""]
    return newline.join(lines).encode()


def fences(page: str, language: str) -> list[str]:
    """The blocks of code in this language on a page of docs/."""
    text = (PROJECT / "docs" / page).read_text()
    return re.findall(rf"^```{re.escape(language)}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def fence(page: str, language: str, replaced: dict[str, str] | None = None) -> str:
    """The only block of its language, with these words replaced, each of which is there."""
    (code,) = fences(page, language)
    for old, new in (replaced or {}).items():
        assert old in code, f"{page}: no {old} in {code}"
        code = code.replace(old, new)
    return code
