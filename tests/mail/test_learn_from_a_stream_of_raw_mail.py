"""Raw mail streams through triage.ingest: each message is labelled when it comes in, then a person
confirms or corrects the label, and the next message is answered with what was learned. All messages
of the SpamAssassin public corpus, in random order.

Its ham is from a few mailing lists, whose header fields give the class away: the accuracy that has
to be reached is that without these fields; with them it is printed (docs/quality.md)."""

import random
import re
import tarfile

import pytest
from support.system import CORPORA
from support.waiting import timed

pytestmark = pytest.mark.corpora("spamassassin.tar.gz")

LEAST = 0.985
FIRST_TRAINING = 100

# What mailing list software adds. `Sender` and `Errors-To` name the list's owner.
LIST_FIELD = re.compile(
    rb"(?:list-[a-z-]+|mailing-list|precedence|errors-to|sender|x-been-?there|x-loop|x-mailman-[a-z-]+"
    rb"|x-mailing-list|x-list[a-z-]*|x-egroups-[a-z-]+)[ \t]*:",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def messages():
    """(label, raw message) in random order; the archive's folders are the labels."""
    with tarfile.open(CORPORA / "spamassassin.tar.gz", "r:gz") as archive:
        found = []
        for member in archive:
            if member.isfile():
                group, name = member.name.split("/")[-2:]
                label = "spam" if group.startswith("spam") else "ham"
                found.append((f"{group}/{name}", label, archive.extractfile(member).read()))
    found.sort()
    random.Random(1).shuffle(found)
    return [(label, raw) for _, label, raw in found]


def without_list_fields(raw):
    """The same message as if it had not gone through a mailing list."""
    kept, in_header, dropped = [], True, False
    for line in raw.splitlines(keepends=True):
        if in_header and not line.strip():
            in_header = False
        if in_header:
            if line[:1] not in b" \t":
                dropped = LIST_FIELD.match(line) is not None
            if dropped:
                continue
        kept.append(line)
    return b"".join(kept)


def decide(session, email, label, truth):
    """As a person does, who knows."""
    if label == truth:
        # An update that changes nothing is no decision.
        session.run(
            "SELECT triage.accept(review_id) FROM triage.review WHERE source = 'triage.email' AND email_key = %s",
            str(email),
        )
    else:
        session.run("UPDATE triage.email SET label = %s WHERE email_id = %s", truth, email)


def accuracy(database, messages):
    """The share of new messages that were labelled right when they came in."""
    session = database.connect(settings={"synchronous_commit": "off"})
    session.run("SELECT triage.add_label('default', 'ham'), triage.add_label('default', 'spam')")
    emails, right, next_training = set(), 0, FIRST_TRAINING
    with timed() as t:
        for truth, raw in messages:
            email = session.value("SELECT triage.ingest(%s)", raw)
            if email in emails:
                continue
            emails.add(email)
            label = session.value("SELECT label FROM triage.email WHERE email_id = %s", email)
            right += label == truth
            decide(session, email, label, truth)
            if len(emails) == next_training:
                session.run("SELECT triage.retrain('default')")
                next_training *= 2
    decisions = session.value("SELECT count(*) FROM triage.decision WHERE kind IN ('accept', 'correct')")
    assert decisions == len(emails), "each message is learned"
    print(
        f"{100 * right / len(emails):.2f} % of {len(emails)} messages right, "
        f"{len(messages) - len(emails)} came again, {t.seconds:.0f} s"
    )
    return right / len(emails)


def test_labels_are_right_without_what_mailing_lists_add(database, messages):
    assert accuracy(database, [(label, without_list_fields(raw)) for label, raw in messages]) >= LEAST


@pytest.mark.long
def test_labels_with_what_mailing_lists_add(database, messages):
    """Only a figure: the header gives the answer away."""
    assert accuracy(database, messages) > 0.9
