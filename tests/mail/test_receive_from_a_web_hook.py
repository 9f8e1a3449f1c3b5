"""The program of docs/web_hook.md, as a real HTTP server, gets what the common services post:
what it answers decides whether a service sends a mail again or believes it delivered."""

import json
import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

import pytest
from support.mails import deploy_demo_model, fences
from support.server import new_server
from support.system import free_port
from support.waiting import wait_for
from support.web_hook_payloads import (
    CLOUDMAILIN,
    MAILGUN,
    MANDRILL,
    OWN,
    PDF_BYTES,
    POSTMARK,
    RAW,
    SENDGRID,
    SES,
    TEXT,
    WANTED,
    sns,
)

SECRET = "long-and-random"
URL = f"/{SECRET}/support"
EVENT_OF_RAW = {"event": "inbound", "msg": {"raw_msg": TEXT}}


@pytest.fixture(scope="module")
def hooked():
    """A database in a server that can be stopped; raw messages are kept in it."""
    with new_server("hook") as server, server.database() as database:
        deploy_demo_model(database)
        database.run(f"ALTER DATABASE {database.name} SET pg_triage.keep_raw = on")
        yield database


@pytest.fixture
def admin(hooked):
    """Sees an empty inbox."""
    hooked.run("DELETE FROM triage.email; SET timezone = 'UTC'")
    return hooked


@pytest.fixture(scope="module")
def port(hooked, tmp_path_factory):
    """Where the program listens."""
    number = free_port()
    program = tmp_path_factory.mktemp("hook") / "hook.py"
    program.write_text(fences("web_hook.md", "python")[0])
    role = hooked.role("pt_hook", "triage_writer")
    process = subprocess.Popen(
        [sys.executable, program],
        stderr=subprocess.DEVNULL,
        env=hooked.environment(role) | {"HOOK_SECRET": SECRET, "HOOK_PORT": str(number)},
    )
    try:
        wait_for(lambda: send(number, "/", b"", "text/plain")[0] != 0, 10, "the hook listens")
        yield number
    finally:
        process.terminate()
        process.wait()


# ---- HTTP ---------------------------------------------------------------------------


def send(port, path, body, content_type):
    """Status and text of the answer; status 0 if nobody listens."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, {"Content-Type": content_type})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def form(fields):
    """A form with files, as browsers and services send it."""
    pieces = []
    for name, value in fields.items():
        named = f'name="{name}"'
        if name.startswith("attachment1"):
            named += '; filename="bill 7.pdf"\r\nContent-Type: application/pdf'
        value = value if isinstance(value, bytes) else value.encode()
        pieces.append(f"--xyz\r\nContent-Disposition: form-data; {named}\r\n\r\n".encode() + value + b"\r\n")
    return b"".join(pieces) + b"--xyz--\r\n", "multipart/form-data; boundary=xyz"


def form_part(head, value):
    """A form of one part, with the head of that part as it stands."""
    body = b"--xyz\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n--xyz--\r\n" % (head, value)
    return body, "multipart/form-data; boundary=xyz"


def urlencoded(fields):
    return urllib.parse.urlencode(fields).encode(), "application/x-www-form-urlencoded"


def as_json(fields):
    return json.dumps(fields).encode(), "application/json"


def events(*several):
    return urlencoded({"mandrill_events": json.dumps(several)})


def stored(admin):
    return admin.value("SELECT count(*) FROM triage.email")


# ---- what services post ---------------------------------------------------------------

POSTED = {
    "Postmark": as_json(POSTMARK),
    "CloudMailin": as_json(CLOUDMAILIN),
    "Mandrill": events(MANDRILL),
    "Mailgun": form(
        {key: value for key, value in MAILGUN.items() if key != "attachments"} | {"attachment1": PDF_BYTES}
    ),
    "SendGrid": form(SENDGRID | {"attachment1": PDF_BYTES}),
    "your own": as_json(OWN),
}


@pytest.mark.parametrize("service", POSTED)
def test_what_a_service_posts_is_taken_in_once(admin, port, service):
    status, text = send(port, URL, *POSTED[service])
    number = admin.value("SELECT email_id FROM triage.email WHERE mailbox = 'support'")
    assert (status, text.strip("[]\n")) == (200, str(number))
    found = admin.row(
        "SELECT message_id, sender, recipients, subject, sent_at::text, attachments FROM triage.email",
    )
    assert list(found) == WANTED
    assert send(port, URL, *POSTED[service]) == (status, text), "posted again, the same"


LATIN = TEXT.replace("\U0001f4b6 \u2013", "").encode("latin-1").replace(b"charset=utf-8", b"charset=iso-8859-1")
RAW_POSTED = {
    "Mailgun": (urlencoded({"recipient": "support@example.com", "body-mime": TEXT}), RAW),
    "SendGrid, not UTF-8": (form({"to": "support@example.com", "email": LATIN}), LATIN),
    "Amazon SNS": (
        (json.dumps(sns(SES | {"content": TEXT})).encode(), "text/plain; charset=UTF-8"),
        RAW,
    ),
}


@pytest.mark.parametrize("service", RAW_POSTED)
def test_every_byte_of_a_raw_message_arrives(admin, port, service):
    posted, wanted = RAW_POSTED[service]
    send(port, URL, *posted)
    assert admin.value("SELECT raw FROM triage.email") == wanted


# ---- what is no mail --------------------------------------------------------------------

# name: (path, what is posted, status of the answer)
NO_MAIL = {
    "wrong secret": ("/wrong/support", as_json(OWN), 403),
    "no message": (URL, as_json({"a": 1}), 400),
    "no JSON": (URL, (b"{", "application/json"), 400),
    "a thousand deep": (URL, (b'{"a":' * 5000 + b"1" + b"}" * 5000, "application/json"), 400),
    "an array of texts": (URL, as_json(["a"]), 400),
    "no event": (URL, events(), 200),
    "nothing": (URL, (b"", ""), 400),
}


@pytest.mark.parametrize("case", NO_MAIL)
def test_what_is_no_mail_is_answered_and_not_stored(admin, port, case):
    path, posted, wanted = NO_MAIL[case]
    assert send(port, path, *posted)[0] == wanted
    assert stored(admin) == 0


BROKEN = {
    "broken off": (b"Content-Length: 1000", b"subject=half&text=a", b" 503 "),
    "in chunks": (b"Transfer-Encoding: chunked", b"", b" 411 "),
    "a length that is none": (b"Content-Length: -1", b"", b" 411 "),
}


@pytest.mark.parametrize("case", BROKEN)
def test_half_a_mail_is_none(admin, port, case):
    field, body, wanted = BROKEN[case]
    head = [f"POST {URL} HTTP/1.1".encode(), b"Content-Type: application/x-www-form-urlencoded", field]
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"\r\n".join([*head, b"", body]))
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(1000)
    assert wanted in answer.partition(b"\r\n")[0]
    assert stored(admin) == 0


# ---- several at once ----------------------------------------------------------------------


def test_two_events_are_two_messages(admin, port):
    assert len(json.loads(send(port, URL, *events(MANDRILL, EVENT_OF_RAW))[1])) == 2


def test_messages_in_one_object_are_as_many(admin, port):
    items = [{"From": {"Address": "a@b.example"}, "RawTextBody": text} for text in ("one", "two")]
    status, text = send(port, URL, *as_json({"items": [*items, {"nothing": "of a message"}]}))
    assert (status, stored(admin), len(json.loads(text))) == (200, 2, 2)
    assert admin.value("SELECT count(*) FROM triage.email WHERE mailbox = 'support'") == 2


@pytest.mark.parametrize("bad", [{"event": "inbound", "msg": {"nothing": 1}}, "no object"], ids=str)
def test_a_bad_event_costs_the_others_nothing(admin, port, bad):
    """The service would send all of them again for one that never succeeds."""
    status, text = send(port, URL, *events(MANDRILL, bad, EVENT_OF_RAW))
    assert (status, stored(admin)) == (200, 2)
    assert len(json.loads(text)) == 2, "their numbers are the answer"


def test_an_event_that_may_succeed_later_is_asked_for_again(admin, port):
    several = events(MANDRILL, {"event": "inbound", "msg": {"subject": "later"}}, EVENT_OF_RAW)
    admin.run(
        """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
               IF NEW.subject = 'later' THEN RAISE lock_not_available; END IF; RETURN NEW; END $$;
           CREATE TRIGGER refuse BEFORE INSERT ON triage.email FOR EACH ROW EXECUTE FUNCTION refuse()"""
    )
    try:
        assert (send(port, URL, *several)[0], stored(admin)) == (503, 2)
    finally:
        admin.run("DROP TRIGGER refuse ON triage.email; DROP FUNCTION refuse()")
    assert (send(port, URL, *several)[0], stored(admin)) == (200, 3), "then it comes in, once each"


# ---- characters ------------------------------------------------------------------------------

GREETING = "Gr\u00fc\u00dfe aus K\u00f6ln"
GREETING_BYTES = GREETING.encode("latin-1")
CHARSETS = {
    "of its part": (
        form_part(b'name="text"\r\nContent-Type: text/plain; charset=ISO-8859-1', GREETING_BYTES)[0],
        "Multipart/Form-Data; boundary=xyz",
    ),
    "of SendGrid": form({"charsets": json.dumps({"text": "iso-8859-1", "html": "utf-8"}), "text": GREETING_BYTES}),
    "of SendGrid, after the text": form({"text": GREETING_BYTES, "charsets": json.dumps({"text": "iso-8859-1"})}),
    "of the form": (
        urllib.parse.urlencode({"text": GREETING}, encoding="latin-1").encode(),
        "Application/X-WWW-Form-URLencoded; charset=ISO-8859-1",
    ),
    "that is none": form({"charsets": json.dumps({"text": "hex"}), "text": GREETING}),
    "of no field": form({"charsets": "[1", "text": GREETING}),
}


@pytest.mark.parametrize("charset", CHARSETS)
def test_text_is_text_whatever_its_bytes_are_called(admin, port, charset):
    send(port, URL, *CHARSETS[charset])
    assert admin.value(r"SELECT btrim(body, E'\r\n') FROM triage.email") == GREETING


def test_nuls_and_half_characters_are_replaced(admin, port):
    body = b'{"subject": "NUL", "text": "a\\u0000b \\\\u0000 \\ud800"}'
    send(port, URL, body, "application/json")
    assert admin.value("SELECT body FROM triage.email").startswith("a\ufffdb \\u0000 ?")


def test_a_form_with_an_address_as_email_is_no_raw_message(admin, port):
    send(port, URL, *urlencoded({"email": "a@b.example", "subject": "s", "message": "written"}))
    assert admin.row(r"SELECT sender, btrim(body, E'\r\n') FROM triage.email") == (
        "a@b.example",
        "written",
    )


def test_a_message_that_is_attached_is_an_attachment(admin, port):
    head = b'name="attachment1"; filename="a.eml"\r\nContent-Type: message/rfc822'
    send(port, URL, *form_part(head, RAW))
    assert "message/rfc822" in admin.value("SELECT attachments FROM triage.email")


# ---- the last one: the database goes away --------------------------------------------------------


def test_while_the_database_is_down_the_service_is_asked_to_try_again(hooked, port):
    later = as_json(OWN | {"message_id": "later@example.net"})
    hooked.close()
    hooked.server.stop()
    try:
        assert send(port, URL, *later)[0] == 503
    finally:
        hooked.server.start()
    assert send(port, URL, *later)[0] == 200, "then it is taken in"
