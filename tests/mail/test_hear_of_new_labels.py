"""A helpdesk that listens on channel pg_triage hears of new labels at once, and can route: of
predictions, and of what people make of them."""

import json
import subprocess
import sys

import pytest
from support.mails import fences
from support.waiting import wait_for


@pytest.fixture(scope="module")
def admin(module_database):
    """Announces what it does."""
    module_database.run(
        """SELECT triage.deploy('default', train_classifier(b, l))
             FROM (VALUES ('invoice', 'billing'), ('login', 'support')) t (b, l);
           CREATE TABLE ticket (id text PRIMARY KEY, body text, category text);
           SELECT triage.attach('ticket', ARRAY['body'], 'category')"""
    )
    module_database.run("SET pg_triage.notify = on")
    return module_database


@pytest.fixture
def heard(admin):
    """What was announced since the last call."""
    with admin.connect() as listener:
        payloads = []
        listener.add_notify_handler(lambda notification: payloads.append(json.loads(notification.payload)))
        listener.run("LISTEN pg_triage")

        def heard():
            # Those of other sessions have come when a later statement is answered.
            listener.run("SELECT 1")
            new = payloads[:]
            payloads.clear()
            return new

        yield heard


def ingest(session, subject, mailbox="inbox"):
    """The id of a mail about an invoice."""
    raw = f"Subject: {subject}\n\ninvoice".encode()
    return session.value("SELECT triage.ingest(%s, %s)", raw, mailbox)


def test_nothing_is_announced_while_the_setting_is_off(admin, heard):
    with admin.connect() as quiet:
        ingest(quiet, "quiet")
    assert heard() == []


def test_a_new_mail_is_announced_with_where_it_is(admin, heard):
    number = ingest(admin, "new", "accounts")
    (said,) = heard()
    assert 0 < said.pop("confidence") <= 1
    assert said.pop("review_id") == admin.value(
        "SELECT review_id FROM triage.review WHERE email_key = %s AND source = 'triage.email'", str(number)
    )
    assert said == {
        "classifier": "default",
        "source": "triage.email",
        "email_key": str(number),
        "mailbox": "accounts",
        "label": "billing",
        "by": "model",
    }


def test_only_what_changes_a_label_is_announced(admin, heard):
    number = ingest(admin, "one")
    (said,) = heard()
    ingest(admin, "one")
    assert heard() == [], "the same mail again is no news"
    admin.run("SELECT triage.accept(%s)", said["review_id"])
    assert heard() == [], "nor is a confirmation: the label is the same"
    admin.run("UPDATE triage.email SET label = 'support' WHERE email_id = %s", number)
    assert [(s["label"], s["by"]) for s in heard()] == [("support", "person")], "a correction is"
    admin.run("BEGIN; INSERT INTO ticket VALUES ('0', 'login'); ROLLBACK")
    assert heard() == [], "nor is what was rolled back"


def test_rows_of_attached_tables_are_announced(admin, heard):
    admin.run("INSERT INTO ticket SELECT n, 'login please' FROM generate_series(1, 3) n")
    assert [(s["source"], s["email_key"], s["label"], s["mailbox"]) for s in heard()] == [
        ("public.ticket", n, "support", None) for n in "123"
    ]


def test_a_key_that_no_payload_can_hold_is_left_out(admin, heard):
    admin.run("INSERT INTO ticket VALUES (repeat(E'\\x01', 2000), 'login'), (repeat('k', 8100 - 6000), 'login')")
    assert [s.get("email_key") for s in heard()] == [None, "k" * 2100]


@pytest.mark.timeout(60)
def test_the_program_of_the_page_hears_of_a_mail(admin):
    (program,) = fences("notify.md", "python")
    helpdesk = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=admin.environment(application_name="helpdesk"),
    )
    listens = "application_name = 'helpdesk' AND query LIKE 'LISTEN%' AND state = 'idle'"
    try:
        wait_for(
            lambda: helpdesk.poll() is not None or admin.column(f"SELECT pid FROM pg_stat_activity WHERE {listens}"),
            20,
            "the program listens",
        )
        number = ingest(admin, "two")
        label = admin.value("SELECT label FROM triage.email WHERE email_id = %s", number)
        assert helpdesk.stdout.readline() == f"email {number} goes to {label}\n"
    finally:
        helpdesk.kill()
        helpdesk.wait()
