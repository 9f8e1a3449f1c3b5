"""fetchmail takes mail from a real IMAP server (Dovecot), set up as docs/imap.md says, and leaves
there what the database did not take; isync with load_mail brings all of it."""

import contextlib
import imaplib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support.mails import deploy_demo_model, fence, message
from support.server import new_server
from support.system import PROJECT, as_root, can_be_root, folder, free_port
from support.waiting import wait_for

has_dovecot = shutil.which("dovecot") and Path("/usr/lib/dovecot/imap").exists()
pytestmark = [
    pytest.mark.skipif(not has_dovecot, reason="Dovecot is not installed"),
    pytest.mark.skipif(not can_be_root(), reason="Dovecot has to be started as root"),
]
needs_fetchmail = pytest.mark.skipif(not shutil.which("fetchmail"), reason="fetchmail is not installed")
needs_isync = pytest.mark.skipif(not shutil.which("mbsync"), reason="isync is not installed")

PAGE = "imap.md"
MAILS = 20
USER, PASSWORD = "support@example.com", "secret"

DOVECOT = """\
protocols = imap
listen = 127.0.0.1
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
ssl = no
disable_plaintext_auth = no
first_valid_uid = 1
mail_location = maildir:{folder}/mail/%u
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={folder}/mail/%u
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
"""


class Mailbox:
    """The mailbox of USER on an IMAP server."""

    def __init__(self, port):
        self.port = port

    @contextlib.contextmanager
    def client(self):
        with imaplib.IMAP4("127.0.0.1", self.port, timeout=20) as connection:
            connection.login(USER, PASSWORD)
            connection.select("INBOX")
            yield connection

    def listens(self):
        try:
            with self.client():
                return True
        except OSError:
            return False

    def append(self, numbers, box="INBOX"):
        """Messages arrive."""
        with self.client() as connection:
            connection.create(box)
            for number in numbers:
                connection.append(box, None, None, message(number, newline="\r\n"))

    def count(self, which):
        """Of the inbox; "UNSEEN" or "ALL"."""
        with self.client() as connection:
            return len(connection.search(None, which)[1][0].split())

    def clear(self):
        """Leaves nothing in the inbox."""
        with self.client() as connection:
            if connection.search(None, "ALL")[1][0]:
                connection.store("1:*", "+FLAGS", "\\Deleted")
                connection.expunge()


@pytest.fixture(scope="module")
def mailbox():
    """Of a Dovecot of its own."""
    mailbox = Mailbox(free_port())
    with folder("pgtimap") as root:
        for name in "run", "state", "mail":
            (root / name).mkdir()
        config = root / "dovecot.conf"
        config.write_text(DOVECOT.format(folder=root, port=mailbox.port))
        as_root("chown", "mail:mail", root / "mail")
        as_root("dovecot", "-c", config, daemon=True)
        try:
            wait_for(mailbox.listens, 20, "Dovecot listens")
            yield mailbox
        finally:
            as_root("doveadm", "-c", config, "stop", check=False)
            wait_for(lambda: not mailbox.listens(), 20, "Dovecot has ended")


@pytest.fixture(scope="module")
def admin():
    with new_server("imap") as server, server.database("mail") as database:
        deploy_demo_model(database)
        database.role("pt_imap", "triage_writer")
        yield database


@pytest.fixture(autouse=True)
def empty(admin, mailbox):
    """Nothing is in the database, and MAILS messages are on the server, not read."""
    admin.run("DELETE FROM triage.email")
    mailbox.clear()
    mailbox.append(range(MAILS))


@pytest.fixture
def scratch():
    with folder("pgtfetch") as path:
        yield path


@pytest.fixture
def connection(admin):
    server = admin.server
    return f"host={server.host} port={server.port} user=pt_imap dbname={admin.name}"


@pytest.fixture
def fetch(mailbox, scratch, connection):
    """Lets fetchmail look into the mailbox once; gives what it said."""

    def fetch(keep=True):
        rc = scratch / "fetchmailrc"
        replaced = {
            "set daemon 60\n": "",
            "imap.example.com": f"127.0.0.1 port {mailbox.port}",
            " ssl\n": " sslproto ''\n",
            "/usr/local/bin/deliver_mail": str(PROJECT / "scripts/deliver_mail"),
            "--database mail": f"--database '{connection}'",
        }
        text = fence(PAGE, "fetchmailrc", replaced)
        rc.write_text(text if keep else text.replace("keep", "no keep"))
        rc.chmod(0o600)
        done = subprocess.run(
            ["fetchmail", "-f", rc, "--daemon", "0"],
            env=os.environ | {"HOME": str(scratch), "FETCHMAILHOME": str(scratch)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.stdout + done.stderr

    return fetch


def stored(admin):
    """(mailbox, messages, different messages, messages with a label) for each mailbox."""
    return admin.rows(
        """SELECT mailbox, count(*), count(DISTINCT message_id), count(label)
             FROM triage.email GROUP BY 1 ORDER BY 1"""
    )


def all_of(count):
    """What `stored` gives if that many messages are there, each once and with a label."""
    return [("support", count, count, count)]


@contextlib.contextmanager
def stopped(admin):
    """While the database is down."""
    admin.close()
    admin.server.stop()
    try:
        yield
    finally:
        admin.server.start()


@needs_fetchmail
def test_fetchmail_takes_every_message_once(admin, mailbox, fetch):
    said = fetch()
    assert stored(admin) == all_of(MAILS), said
    assert (mailbox.count("UNSEEN"), mailbox.count("ALL")) == (0, MAILS), "on the server they are read, and kept"
    found = "sender = 'Customer 7 <c7@example.net>' AND subject = 'Login 7 fails' AND body LIKE '%error 7 after%'"
    assert admin.value(f"SELECT count(*) FROM triage.email WHERE {found}") == 1, "with what was in them"
    fetch()
    assert stored(admin) == all_of(MAILS), "another look finds nothing new"


@needs_fetchmail
def test_while_the_database_is_down_messages_stay_unread(admin, mailbox, fetch):
    with stopped(admin):
        said = fetch()
        assert (mailbox.count("UNSEEN"), mailbox.count("ALL")) == (MAILS, MAILS)
        assert "75" in said, "fetchmail says why"
    fetch()
    assert stored(admin) == all_of(MAILS), "then they are taken"
    assert mailbox.count("UNSEEN") == 0, "and read"


@needs_fetchmail
def test_where_messages_are_not_kept_they_are_deleted_when_they_are_taken(admin, mailbox, fetch):
    with stopped(admin):
        fetch(keep=False)
        assert mailbox.count("ALL") == MAILS
    fetch(keep=False)
    assert (stored(admin), mailbox.count("ALL")) == (all_of(MAILS), 0)


@needs_isync
def test_isync_and_load_mail_bring_all_folders(admin, mailbox, scratch, connection):
    mailbox.append(range(100, 110), "Archive")
    admin.run("SELECT triage.ingest(%s, 'support')", message(3, newline="\r\n"))
    copy = scratch / "copy"
    copy.mkdir()
    rc = scratch / "mbsyncrc"
    replaced = {
        "imap.example.com": f"127.0.0.1\nPort {mailbox.port}",
        "SSLType IMAPS": "SSLType None\nAuthMechs LOGIN",
        "/var/lib/triage/mail": str(copy),
    }
    rc.write_text(fence(PAGE, "mbsyncrc", replaced))
    rc.chmod(0o600)
    load = [PROJECT / "scripts/load_mail", "--mailbox", "support", "--database", connection, copy]
    # One of the inbox is there already, as if fetchmail had brought it.
    for wanted in "29 new, 1 already there", "0 new, 30 already there":
        done = subprocess.run(["mbsync", "-c", rc, "mail"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        done = subprocess.run(load, capture_output=True, text=True)
        assert done.returncode == 0 and wanted in done.stdout, done.stdout + done.stderr
    assert stored(admin) == all_of(MAILS + 10)
