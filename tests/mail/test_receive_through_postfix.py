"""A real Postfix, set up as docs/postfix.md says, hands its mail over: SMTP in, labelled rows out,
also when PostgreSQL is stopped in the middle."""

import shutil
import smtplib
from pathlib import Path

import pytest
from support.mails import deploy_demo_model, fence, message
from support.server import new_server
from support.system import PROJECT, as_root, can_be_root, folder, free_port
from support.waiting import wait_for

pytestmark = [
    pytest.mark.skipif(not shutil.which("postfix"), reason="Postfix is not installed"),
    pytest.mark.skipif(not can_be_root(), reason="Postfix has to be started as root"),
]

PAGE = "postfix.md"

# What the page leaves to the distribution: the services that every Postfix has.
SERVICES = """\
127.0.0.1:{port} inet n - n - - smtpd
postlog  unix-dgram n - n - 1 postlogd
pickup   unix n - n 60 1 pickup
cleanup  unix n - n - 0 cleanup
qmgr     unix n - n 300 1 qmgr
rewrite  unix - - n - - trivial-rewrite
bounce   unix - - n - 0 bounce
defer    unix - - n - 0 bounce
trace    unix - - n - 0 bounce
flush    unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
showq    unix n - n - - showq
error    unix - - n - - error
retry    unix - - n - - error
anvil    unix - - n - 1 anvil
"""

# Times for a test instead of for the internet.
MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
inet_interfaces = loopback-only
inet_protocols = ipv4
mynetworks_style = host
myhostname = mail.example.com
mydestination =
alias_maps =
smtpd_client_connection_rate_limit = 0
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
"""


class Postfix:
    """One of its own, in this folder, that delivers to this database."""

    def __init__(self, root, database, role):
        self.root, self.config, self.port = root, root / "config", free_port()
        server = database.server
        for name in self.config, root / "queue", root / "data":
            name.mkdir()
        program = shutil.copy(PROJECT / "scripts/deliver_mail", root)
        connection = f"host={server.host} port={server.port} user={role} dbname={database.name}"
        # Postfix refuses to run commands as root, and the server's user owns its socket.
        replaced = {
            "user=triage": f"user={Path(server.host).owner()}",
            "/usr/local/bin/deliver_mail": program,
            "--database mail": "--database {" + connection + "}",
        }
        transport = self.config / "transport"
        (self.config / "master.cf").write_text(SERVICES.format(port=self.port) + fence(PAGE, "master.cf", replaced))
        (self.config / "main.cf").write_text(
            MAIN.format(folder=root) + fence(PAGE, "main.cf", {"/etc/postfix/transport": str(transport)})
        )
        transport.write_text(fence(PAGE, "transport"))
        as_root("chown", "-R", "root:", self.config, root / "queue")
        as_root("chown", "postfix:", root / "data")
        as_root("postmap", "-c", self.config, transport)

    def start(self):
        as_root("postfix", "-c", self.config, "start")

    def stop(self):
        as_root("postfix", "-c", self.config, "abort", check=False)

    def problems(self):
        """Of its log."""
        log = as_root("cat", self.root / "log")
        assert "starting the Postfix mail system" in log
        return [line for line in log.splitlines() if "fatal:" in line or "panic:" in line]

    def queue(self, *options):
        """What the program that shows the queue prints."""
        return as_root("postqueue", "-c", self.config, *options)

    def queued(self):
        """How many messages wait."""
        return len(self.queue("-j").splitlines())

    def send(self, mails):
        """Each is (recipients, bytes)."""
        with smtplib.SMTP("127.0.0.1", self.port, timeout=60) as client:
            for recipients, raw in mails:
                client.sendmail("customer@example.net", recipients, raw)


@pytest.fixture(scope="module")
def admin():
    with new_server("postfix") as server, server.database("mail") as database:
        deploy_demo_model(database)
        yield database


@pytest.fixture(scope="module")
def postfix(admin):
    with folder("pgtpostfix") as root:
        postfix = Postfix(root, admin, admin.role("pt_postfix", "triage_writer"))
        try:
            postfix.start()
            yield postfix
        finally:
            postfix.stop()


@pytest.fixture(autouse=True)
def empty(admin):
    admin.run("DELETE FROM triage.email")


def stored(admin):
    return admin.value("SELECT count(*) FROM triage.email")


def test_the_mailbox_follows_from_whom_a_message_was_sent_to(admin, postfix):
    postfix.send(
        [
            (["support@example.com", "help@example.com"], message(9001)),
            (["support@example.com", "billing@example.com"], message(9002)),
        ]
    )
    wait_for(lambda: stored(admin) == 3, 30, "two messages are stored")
    assert admin.rows("SELECT mailbox, message_id FROM triage.email ORDER BY message_id, mailbox") == [
        ("support", "m9001@example.net"),
        ("billing", "m9002@example.net"),
        ("support", "m9002@example.net"),
    ], "one row for each mailbox that a message is for"


def test_characters_arrive_as_they_were(admin, postfix):
    raw = message(9006).replace(b"charged", "f\u00fcr \U0001f4b6 charged".encode())
    postfix.send([(["billing@example.com"], raw)])
    wait_for(lambda: stored(admin) == 1, 30, "the message is stored")
    assert "f\u00fcr \U0001f4b6 charged" in admin.value("SELECT body FROM triage.email")


def test_a_message_of_14_mb_arrives(admin, postfix):
    postfix.send([(["billing@example.com"], message(9004) + b"more and more\r\n" * 1_000_000)])
    wait_for(lambda: stored(admin) == 1, 30, "the message is stored")
    mailbox, length = admin.row("SELECT mailbox, length(body) FROM triage.email")
    assert mailbox == "billing" and length >= 4_000_000


def test_an_address_that_is_not_in_the_list_is_refused(postfix):
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        postfix.send([(["nobody@example.com"], message(9005))])
    assert refused.value.recipients["nobody@example.com"][0] == 550


@pytest.mark.parametrize("mails", [300, pytest.param(1000, marks=pytest.mark.long)])
def test_nothing_is_lost_while_postgresql_is_stopped(admin, postfix, mails):
    """It is stopped while messages are delivered, and started when all are sent."""
    boxes = "support", "billing", "help"
    all_of_them = [
        ([f"{boxes[n % 3]}@example.com"], message(n, to=f"{boxes[n % 3]}@example.com", newline="\r\n"))
        for n in range(mails)
    ]
    half = mails // 2
    postfix.send(all_of_them[:half])
    wait_for(lambda: stored(admin) >= half // 4, 60, "a quarter is delivered")
    admin.close()
    admin.server.stop()
    try:
        postfix.send(all_of_them[half:])
        wait_for(lambda: "deliver_mail" in postfix.queue("-p") or postfix.queued() > half, 30, "mail waits")
        waiting = postfix.queued()
    finally:
        admin.server.start()
    postfix.queue("-f")
    wait_for(lambda: postfix.queued() == 0, 90, "the queue is empty")
    assert waiting >= mails - half, "messages wait in the queue while PostgreSQL is stopped"
    assert admin.row(
        "SELECT count(*), count(DISTINCT message_id), count(label), count(DISTINCT label) > 1 FROM triage.email"
    ) == (mails, mails, mails, True), "every message is there once, and has a label"
    billing = sum(n % 3 == 1 for n in range(mails))
    assert admin.rows("SELECT mailbox, count(*) FROM triage.email GROUP BY 1 ORDER BY 1") == [
        ("billing", billing),
        ("support", mails - billing),
    ]


def test_postfix_had_no_problem(postfix):
    assert postfix.problems() == []
