"""A web hook, a form or a program of one's own posts mail as JSON: triage.ingest_json() takes
what the common services send, and says what to do about the rest."""

import base64
import json

import pytest
from support.mails import deploy_demo_model
from support.sessions import literal, refused
from support.waiting import timed
from support.web_hook_payloads import (
    FIELDS,
    MAILGUN,
    MANDRILL,
    OWN,
    PDF,
    PLAIN,
    RAW,
    RAW_MESSAGES,
    SES,
    WANTED,
    WITHOUT_SIZES,
    sns,
)

INGEST = "SELECT triage.ingest_json(%s::jsonb)"
TEXT_IS_WRITTEN = r"btrim(body, E'\r\n') = 'written'"
TEXT_IS_T = r"btrim(body, E'\r\n') = 't'"


@pytest.fixture(scope="module")
def admin(module_database):
    """The database, in which raw messages are kept; for looking at the inbox."""
    deploy_demo_model(module_database)
    module_database.run(f"ALTER DATABASE {module_database.name} SET pg_triage.keep_raw = on")
    module_database.run("SET timezone = 'UTC'")
    return module_database


@pytest.fixture(scope="module")
def hook(admin):
    """A session of the role that a web hook has."""
    return admin.connect(admin.role("pt_hook", "triage_writer"))


@pytest.fixture(autouse=True)
def empty(admin):
    admin.run("DELETE FROM triage.email")


def post(session, payload):
    """The id that the message gets. A string is JSON as it stands."""
    return session.value(INGEST, payload if isinstance(payload, str) else json.dumps(payload))


def only_message(admin):
    """Of the only message that there is, what WANTED tells of."""
    return list(
        admin.row("SELECT message_id, sender, recipients, subject, sent_at::text, attachments FROM triage.email")
    )


# ---- what services post ----------------------------------------------------------


@pytest.mark.parametrize("service", FIELDS)
def test_fields_of_a_service_become_a_labelled_message(admin, hook, service):
    payload = FIELDS[service]
    number = post(hook, payload)
    wanted = list(WANTED)
    if service in WITHOUT_SIZES:
        wanted[-1] = wanted[-1].replace("1000", "0")
    assert only_message(admin) == wanted, "what the fields say is in the row"
    mailbox, body, label = admin.row("SELECT mailbox, body, label FROM triage.email")
    assert mailbox == "inbox"
    assert body.startswith(PLAIN[:30]) and "order 7" in body and "<p>" not in body, "the plain text is its body"
    assert label is not None
    assert post(hook, payload) == number, "the same again is the same row"


def test_a_message_that_is_signed_again_is_the_same(hook):
    again = MAILGUN | {"timestamp": "1772439999", "token": "c3", "signature": "d4"}
    assert post(hook, MAILGUN) == post(hook, again)


@pytest.mark.parametrize("service", FIELDS)
def test_a_backslash_in_a_literal_may_be_an_escape(admin, hook, service):
    """A client that puts its payload into the statement, on a server of old settings."""
    escaped = literal(json.dumps(FIELDS[service]).replace("\\", "\\\\"))
    hook.run("SET standard_conforming_strings = off; SET escape_string_warning = off")
    try:
        hook.run(f"SELECT triage.ingest_json({escaped}::jsonb)")
    finally:
        hook.run("RESET ALL")
    assert only_message(admin)[:5] == WANTED[:5]


@pytest.mark.parametrize("service", RAW_MESSAGES)
def test_a_raw_message_is_kept_byte_by_byte(admin, hook, service):
    payload = RAW_MESSAGES[service]
    post(hook, payload if "msg" in payload else payload | {"Mailbox": "support"})
    assert admin.value("SELECT raw FROM triage.email") == RAW


def test_a_raw_message_is_one_whichever_way_it_comes(admin, hook):
    assert len({post(hook, payload) for payload in RAW_MESSAGES.values()}) == 1
    admin.run("SELECT triage.ingest(raw, 'inbox') FROM triage.email")
    assert admin.value("SELECT count(*) FROM triage.email") == 1, "it could as well have come from a mail server"


# ---- fields that are left out, wrong, or evil ---------------------------------------

# name: (payload, what holds of the row then)
COMPOSED = {
    "only a subject": ({"subject": "Invoice 9"}, "subject = 'Invoice 9' AND body = ''"),
    "neither subject nor text": (
        {
            "From": "a@b.example",
            "Subject": "",
            "TextBody": "",
            "HtmlBody": "",
            "Headers": [{"Name": "Message-ID", "Value": "<o@a>"}],
            "Attachments": [{"Name": "scan.pdf", "Content": PDF, "ContentType": "application/pdf"}],
        },
        "subject IS NULL AND message_id = 'o@a' AND attachments = 'scan.pdf (application/pdf, 1000 bytes)'",
    ),
    "only a file": ({"attachments": [{"name": "n", "content": PDF}]}, "attachments LIKE 'n %'"),
    "an empty text": ({"text": ""}, "body = ''"),
    "no subject": ({"subject": None, "text": "t"}, "subject IS NULL"),
    "keys of which one is empty": ({"Subject": "s", "subject": ""}, "subject = 's'"),
    "text under other keys": ({"from": "a@b.example", "subject": "s", "message": "written"}, TEXT_IS_WRITTEN),
    "content": ({"content": "written"}, TEXT_IS_WRITTEN),
    "body_text": ({"body_text": "written", "message": "m"}, TEXT_IS_WRITTEN),
    "a part of the text": ({"body-plain": "", "stripped-text": "written"}, TEXT_IS_WRITTEN),
    "several texts of a form": (
        {"question": "written", "details": "twice", "comment": "written"},
        r"btrim(body, E'\r\n') LIKE '%written%' AND body LIKE '%twice%' AND body NOT LIKE '%written%written%'",
    ),
    "raw that could be base64": (
        {"raw": "Thanks for everything dear friends"},
        "convert_from(raw, 'UTF8') = 'Thanks for everything dear friends'",
    ),
    "raw after a From line": (
        {"email": "From a@b.example Mon Mar  2 09:00:00 2026\nSubject: s\n\nwritten"},
        "subject = 's' AND body LIKE 'written%'",
    ),
    "raw after empty lines": ({"email": "\r\n\nSubject: s\n\nwritten"}, "subject = 's' AND body LIKE 'written%'"),
    "only HTML": (
        {"html": "<p>one<script>two</script></p>"},
        "body LIKE '%one%' AND body NOT LIKE '%<p>%'",
    ),
    "a number as subject": ({"subject": 17, "text": "t"}, "subject = '17'"),
    "NULL and empty are absent": (
        {"subject": None, "text": "", "plain": "p", "from": None},
        r"subject IS NULL AND btrim(body, E'\r\n') = 'p' AND sender IS NULL",
    ),
    "an object where a text should be": (
        {"subject": {"a": 1}, "text": [1], "html": "<p>t", "to": {"x": {}}, "headers": 5, "attachments": 7, "date": {}},
        f"{TEXT_IS_T} AND subject IS NULL AND recipients IS NULL AND attachments IS NULL",
    ),
    "no text where a text should be": (
        {"subject": "s", "text": '{"a": "b"}', "plain": "false", "body": False, "html": "<p>t"},
        TEXT_IS_T,
    ),
    "HTML where a text should be": (
        {"email": "a@b.example", "message": "<p>t<br></p>"},
        f"{TEXT_IS_T} AND sender = 'a@b.example'",
    ),
    "a date that is none": ({"text": "t", "date": "2026-99-99"}, "sent_at IS NULL"),
    "no time zone": ({"text": "t", "date": "2026-03-02 08:00"}, "sent_at = '2026-03-02 08:00+00'"),
    "seconds": ({"text": "t", "timestamp": 1772438400}, "sent_at = '2026-03-02 08:00+00'"),
    "milliseconds": ({"text": "t", "timestamp": "1772438400000"}, "sent_at = '2026-03-02 08:00+00'"),
    "names that need quotes": (
        {"text": "t", "from": {"name": 'M\u00fcller, "A" \\', "email": "a@b.example"}},
        "sender = E'M\u00fcller, \"A\" \\\\ <a@b.example>'",
    ),
    "several recipients": (
        {"text": "t", "to": [{"email": "a@b.example"}, "c@d.example"]},
        "recipients = 'a@b.example, c@d.example'",
    ),
    "line breaks in fields": (
        {
            "text": "t",
            "subject": "one\r\nX-Mailer: evil\n\nevil body",
            "from": "a@b.example\nList-Id: <evil>",
            "to": "x@y.example\u2028Cc: evil@y.example",
            "message_id": "i@d>\r\nX-Mailer: evil",
        },
        "subject LIKE 'one X-Mailer%' AND body NOT LIKE '%evil%' AND coalesce(header, '') !~ '^(X-Mailer|List-Id)'",
    ),
    "line breaks in headers": (
        {"text": "t", "headers": {"x-a": "one\nX-Mailer: evil", "x-b\nX-Mailer": "evil", "x c": "d"}},
        "coalesce(header, '') NOT LIKE '%evil%' AND body NOT LIKE '%evil%'",
    ),
    "headers that would change the body": (
        {"text": "t", "headers": [["Content-Type", "text/html"], ["content-transfer-encoding", "base64"]]},
        TEXT_IS_T,
    ),
    "line breaks in names of files": (
        {
            "text": "t",
            "attachments": [{"name": 'a"\r\n\r\nevil', "type": "text/x\nevil", "content": "AAAA"}],
        },
        "attachments LIKE '%3 bytes%' AND attachments LIKE 'a\"%' AND body NOT LIKE '%evil%'",
    ),
    "something like a boundary": (
        {"text": "one\n--a\n--m\ntwo", "html": "<p>x", "attachments": [{"name": "n"}]},
        "body LIKE 'one%two%'",
    ),
    "a header in the text": (
        {"text": "Subject: evil\n\nwhatever"},
        "subject IS NULL AND body LIKE 'Subject: evil%'",
    ),
    "a contact form": (
        {"email": "a@b.example", "name": "A", "subject": "s", "text": "t"},
        "sender = 'A <a@b.example>' AND recipients IS NULL",
    ),
    "list headers": (
        {"text": "t", "headers": "List-Id: News\n <news.example.com>\nX-Mailer: M 1"},
        "header LIKE '%List-Id: %news.example.com%' AND header LIKE '%X-Mailer: M 1%'",
    ),
    "escapes that SQL knows": (
        {"text": "\\x41 '; DROP TABLE triage.email; -- \\", "mailbox": "o'neill\\"},
        r"body LIKE E'\\\\x41 ''; DROP%' AND mailbox = E'o''neill\\'",
    ),
}


@pytest.mark.parametrize("case", COMPOSED)
def test_fields_become_what_was_meant(admin, hook, case):
    payload, holds = COMPOSED[case]
    number = post(hook, payload)
    found = admin.row(
        "SELECT mailbox, header, sender, recipients, subject, sent_at, attachments, body, raw FROM triage.email",
    )
    assert admin.value(f"SELECT {holds} FROM triage.email"), found
    assert post(hook, payload) == number, "and once"


def test_without_an_id_the_same_text_is_the_same_message(hook):
    yes = {"from": "a@b.example", "text": "yes"}
    posted = [yes, yes, yes | {"message_id": "1@b"}, yes | {"message_id": "2@b"}]
    first, again, *others = [post(hook, payload) for payload in posted]
    assert first == again
    assert len({first, *others}) == 3


# ---- what is refused ----------------------------------------------------------------

# name: (payload, SQLSTATE, words of the message)
REFUSED = {
    "nothing": ({}, "22023", ["keys: none", "raw"]),
    "nothing that is known": ({"foo": 1, "bar": "x"}, "22023", ["bar, foo", "nearest known one", "hook_shape"]),
    "no subject alone": ({"subject": None}, "22023", ["keys: subject"]),
    "only a sender": ({"from": "a@b.example"}, "22023", ["keys: from"]),
    "only an id": ({"message_id": "o@a"}, "22023", ["keys: message_id"]),
    "only a header": ({"headers": {"List-Id": "<n.example>"}}, "22023", ["keys: headers"]),
    "recipients alone": ({"to": "c@d.example"}, "22023", ["keys: to"]),
    "empty": ({"raw": "", "email": ""}, "22023", ["email, raw"]),
    "an object as text": (
        {"subject": "s", "text": {"a": "written here"}},
        "22023",
        ["text is known, but has no text", "text.a"],
    ),
    "JSON as text": ({"subject": "s", "text": '{"a": "written here"}'}, "22023", ["subject, text"]),
    "an array": ([OWN, OWN], "22023", ["2 messages", "triage.ingest_json_all"]),
    "an empty array": ([], "22023", ["0 messages"]),
    "a string": ('"x"', "22023", ["string"]),
    "null": ("null", "22023", ["null"]),
    "a thousand deep": ('{"a":' * 1000 + "1" + "}" * 1000, "22023", ["keys: a"]),
    "a NUL": ('{"text": "a\\u0000b"}', "22P05", []),
    "half a character": ('{"text": "\\ud800"}', "22P02", []),
    "no JSON": ("text", "22P02", []),
    "SES without content": (sns(SES), "22023", ["S3"]),
    "a subscription": (
        {
            "Type": "SubscriptionConfirmation",
            "MessageId": "1",
            "Message": "You have chosen",
            "SubscribeURL": "https://x",
        },
        "22023",
        ["SubscribeURL"],
    ),
    "several events": (
        {"mandrill_events": json.dumps([MANDRILL, MANDRILL])},
        "22023",
        ["2 messages", "triage.ingest_json_all"],
    ),
    "no events": ({"mandrill_events": "[]"}, "22023", ["0 messages"]),
    "broken events": ({"mandrill_events": "[{"}, "22023", ["mandrill_events"]),
}


def stored(admin):
    return admin.value("SELECT count(*) FROM triage.email")


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_message_is_refused_with_what_to_do(admin, hook, case):
    payload, sqlstate, words = REFUSED[case]
    with refused(sqlstate, *words):
        post(hook, payload)
    assert stored(admin) == 0


def test_no_payload_is_refused(hook):
    with refused("22004", "payload"):
        hook.run("SELECT triage.ingest_json(NULL)")


def test_who_may_not_hand_in_mail_may_not(admin):
    with admin.connect(admin.role("pt_stranger")) as stranger, refused("42501"):
        post(stranger, OWN)
    assert stored(admin) == 0


def test_who_may_hand_in_mail_may_nothing_else(hook):
    with refused("42501"):
        hook.run("SELECT body FROM triage.email")


def test_functions_of_the_callers_are_not_called(hook):
    hook.run("CREATE FUNCTION pg_temp.lower(text) RETURNS text LANGUAGE sql AS 'SELECT 1/0'")
    with refused("22023"):
        post(hook, {})


def test_a_request_through_postgrest(admin, hook):
    """As PostgREST makes it: the role and claims of a token, and the body as the only parameter."""
    role = admin.role("pt_authenticator", "pt_hook")
    admin.run(f"ALTER ROLE {role} NOINHERIT")
    claims = json.dumps({"role": "pt_hook", "email": "x@y.example"})
    with admin.connect(role) as session:
        found = session.value(
            f"""BEGIN;
                SELECT set_config('role', 'pt_hook', true), set_config('request.jwt.claims', {literal(claims)}, true);
                PREPARE request (json) AS WITH pgrst_body AS (SELECT $1 AS val)
                    SELECT "triage"."ingest_json"((SELECT val FROM pgrst_body)::jsonb);
                EXECUTE request ({literal(json.dumps(OWN))})"""
        )
        session.run("COMMIT")
        assert found == admin.value("SELECT email_id FROM triage.email")
        with refused("42501"):
            post(session, OWN)


# ---- large payloads -------------------------------------------------------------------

LARGE = {
    "text of 10 MB": lambda: {"text": "a line of text, rather long\n" * 370_000},
    "HTML of 10 MB": lambda: {"html": "<p>text</p>" * 900_000},
    "raw message of 10 MB": lambda: {"raw": base64.b64encode(RAW + b"more and more\r\n" * 700_000).decode()},
    "subject of 10 MB": lambda: {"subject": "word " * 2_000_000},
    "200,000 addresses": lambda: {
        "text": "t",
        "to": ["a@b.example", {"Email": "c@d.example", "name": "n"}] * 100_000,
    },
    "100,000 headers": lambda: {
        "text": "t",
        "headers": [["X-A", "b"], {"name": "X-C", "value": "d"}] * 50_000,
    },
    "200,000 attachments": lambda: {"text": "t", "attachments": [{}] * 200_000},
    "200,000 keys": lambda: dict.fromkeys(map(str, range(200_000)), 1) | {"text": "t"},
    "10 MB attached": lambda: {
        "text": "t",
        "attachments": [{"name": "n", "content": base64.b64encode(bytes(range(256)) * 40_000).decode()}],
    },
}


@pytest.mark.parametrize("case", LARGE)
def test_a_large_payload_is_taken_in_within_a_minute(admin, hook, case):
    payload = json.dumps(LARGE[case]())
    with timed() as t:
        post(hook, payload)
    # Two or three seconds on an idle machine, and minutes where time grows with the square of the size.
    assert t.seconds < 60
    assert stored(admin) == 1
