"""Payloads of services, of one's own programs, and of nobody knows whom: none loses its text silently."""

import json
import re
from pathlib import Path

import pytest
from support.dumps import dump, run_dump
from support.sessions import refused

SERVICES = json.loads((Path(__file__).parents[2] / "crates/web_hook/tests/services.json").read_text())
INGEST = "SELECT triage.ingest_json(%s::jsonb)"
ALL = "SELECT triage.ingest_json_all(%s::jsonb, %s)"
ORDER = {
    "order": {"note": "The blue one is missing.", "buyer": {"mail": "a@b.example", "name": "Ann"}},
    "kind": "order",
}


@pytest.fixture(scope="module")
def admin(module_database):
    return module_database


@pytest.fixture(scope="module")
def hook(admin):
    """A session of the role that a web hook has."""
    return admin.connect(admin.role("pt_shape_hook", "triage_writer"))


@pytest.fixture(scope="module")
def trainer(admin):
    return admin.connect(admin.role("pt_shape_trainer", "triage_trainer"))


@pytest.fixture(autouse=True)
def empty(admin):
    admin.run("DELETE FROM triage.email; DELETE FROM triage.hook_shape")


def post(session, payload):
    return session.value(INGEST, payload if isinstance(payload, str) else json.dumps(payload))


def post_all(session, payload, mailbox=None):
    return session.column(ALL, json.dumps(payload), mailbox)


# ---- services ------------------------------------------------------------------------


def test_what_the_documentation_of_a_service_shows_is_taken_in_once_or_refused(admin, hook):
    for case in SERVICES:
        if "refused" in case:
            with refused("22023", case["refused"]):
                post(hook, case["payload"])
            continue
        ids = post_all(hook, case["payload"])
        assert len(ids) == case.get("count", 1), case["name"]
        assert post_all(hook, case["payload"]) == ids, f"{case['name']} again is the same"
        bodies = admin.column("SELECT body FROM triage.email WHERE email_id = ANY (%s)", ids)
        assert all("leaking again" in body for body in bodies) or "empty" in case, case["name"]


# ---- which payloads are the same --------------------------------------------------------

FORM = {"email": "a@b.example", "subject": "s", "message": "written"}
MAILGUN = FORM | {"timestamp": "1772438410", "token": "a", "signature": "b"}
GRAPH = {
    "internetMessageId": "<g@a>",
    "receivedDateTime": "2026-03-03T09:00:02Z",
    "isRead": False,
    "changeKey": "a",
    "body": {"contentType": "text", "content": "written"},
}
POSTED_TWICE = {
    "as it was": (FORM, FORM),
    "in another order": (FORM, dict(reversed(FORM.items()))),
    "signed again": (MAILGUN, MAILGUN | {"timestamp": "1772439999", "token": "c", "signature": "d"}),
    "read since": (GRAPH, GRAPH | {"isRead": True, "changeKey": "b"}),
    "tried again": (FORM | {"attempt": 1}, FORM | {"attempt": 2}),
    "along another way": (
        GRAPH | {"headers": {"received": ["a"]}, "envelope": {"remote_ip": "192.0.2.1"}},
        GRAPH | {"headers": {"received": ["b"]}, "envelope": {"remote_ip": "192.0.2.2"}},
    ),
    "alone in a list": ([FORM], FORM),
}
DIFFERENT = {
    "a key that is not known": (FORM | {"room": "3"}, FORM | {"room": "4"}),
    "a key within": (FORM | {"order": {"lines": [{"sku": 1}]}}, FORM | {"order": {"lines": [{"sku": 2}]}}),
    "a key with an id": (GRAPH | {"room": "3"}, GRAPH | {"room": "4"}),
    "a number and its text": (FORM | {"room": 3}, FORM | {"room": "3"}),
    "a text that is not the text": (FORM | {"text": "t", "body": "one"}, FORM | {"text": "t", "body": "two"}),
    "what is around": ({"form": "one", "data": FORM}, {"form": "two", "data": FORM}),
    "what is attached": (
        FORM | {"attachments": [{"name": "n", "content": "AAAA"}]},
        FORM | {"attachments": [{"name": "n", "content": "BBBB"}]},
    ),
    "a signature of somebody": (FORM | {"signature": "Ann"}, FORM | {"signature": "Bob"}),
    "a time": (FORM | {"created_at": 1772438400}, FORM | {"created_at": 1772438401}),
    "something very deep": (FORM | {"a": json.loads("[" * 99 + "1" + "]" * 99)}, FORM | {"a": [[]]}),
}


@pytest.mark.parametrize("case", POSTED_TWICE)
def test_the_same_delivered_again_is_the_same(hook, case):
    first, second = POSTED_TWICE[case]
    assert post(hook, first) == post(hook, second)


@pytest.mark.parametrize("case", DIFFERENT)
def test_what_is_not_read_tells_messages_apart(hook, case):
    first, second = DIFFERENT[case]
    assert post(hook, first) != post(hook, second)


# ---- several at once ---------------------------------------------------------------------


def test_several_messages_get_a_number_each_in_their_order(admin, hook):
    several = [FORM | {"message": f"number {n}"} for n in range(3)]
    ids = post_all(hook, several, "support")
    found = admin.rows("SELECT email_id, mailbox, body FROM triage.email ORDER BY email_id")
    assert [(number, mailbox, body.strip()) for number, mailbox, body in found] == [
        (number, "support", f"number {n}") for n, number in enumerate(ids)
    ]


@pytest.mark.parametrize("around", [lambda several: several, lambda several: {"items": several, "mailbox": "support"}])
def test_one_that_is_refused_costs_the_others_nothing(admin, hook, around):
    ids = post_all(hook, around([FORM, {"zzz": "lost in here"}, "none", FORM | {"message": "another"}]))
    assert [number is None for number in ids] == [False, True, True, False]
    assert admin.value("SELECT count(*) FROM triage.email") == 2
    warnings = hook.notices[-2:]
    assert "message 2 of 4" in warnings[0] and "zzz" in warnings[0] and "message 3 of 4" in warnings[1]


@pytest.mark.parametrize(
    "payload", [[{"zzz": "lost in here"}], {"items": [{"zzz": "lost in here"}, {"zzz": "and here"}]}]
)
def test_if_all_are_refused_it_is_an_error(admin, hook, payload):
    with refused("22023", "zzz"):
        post_all(hook, payload)
    assert admin.value("SELECT count(*) FROM triage.email") == 0


def test_too_many_at_once_are_refused(hook):
    with refused("54000", "10001 messages"):
        post_all(hook, [FORM] * 10_001)
    with refused("54000", "1000000 values"):
        post_all(hook, {"a": [[]] * 1_000_001})


# ---- a shape of one's own -------------------------------------------------------------------


def test_one_insert_makes_a_new_service_known(admin, hook, trainer):
    with refused("22023", "order.note"):
        post(hook, ORDER)
    trainer.run(
        "INSERT INTO triage.hook_shape (name, text, subject, sender) VALUES ('shop', 'order.note', 'kind', 'order.buyer')"
    )
    post(hook, ORDER)
    assert admin.row("SELECT sender, subject FROM triage.email") == ("Ann <a@b.example>", "order")
    assert admin.value("SELECT body FROM triage.email").strip() == "The blue one is missing."


@pytest.mark.parametrize("payload", [ORDER, {"zzz": "Where is it?"}, {"data": {"a.b c": ["Where is it?"]}}])
def test_what_the_refusal_proposes_works(admin, hook, trainer, payload):
    with pytest.raises(Exception) as error:
        post(hook, payload)
    trainer.run(re.search(r"INSERT INTO .*$", str(error.value).splitlines()[0])[0])
    post(hook, payload)
    assert admin.value("SELECT length(body) > 5 FROM triage.email")


def test_own_shapes_come_first_and_say_where_messages_are(admin, hook, trainer):
    trainer.run(
        """INSERT INTO triage.hook_shape (name, requires, messages, text, ignored)
           VALUES ('crm', 'note', 'hits', 'note', 'seen'), ('form', NULL, NULL, 'note', NULL)"""
    )
    hits = [{"note": "one", "text": "not this", "seen": 1}, {"note": "two"}]
    ids = post_all(hook, {"hits": hits})
    assert [body.strip() for body in admin.column("SELECT body FROM triage.email ORDER BY email_id")] == ["one", "two"]
    hits[0]["seen"] = 2
    assert post_all(hook, {"hits": hits}) == ids
    assert post(hook, {"text": "as before"})


WRONG_SHAPES = {
    "a path that is none": ("'a', 'order..note', NULL", "22023", "text 'order..note': a key is missing at character 6"),
    "as in PostgreSQL's own": ("'a', '$.note', NULL", "22023", "text '$.note'"),
    "no text": ("'a', NULL, 'title'", "22023", 'shape "a" finds no text: set raw, text or html'),
    "no name": ("' ', 'note', NULL", "22023", "name is empty"),
    "NULL as name": ("NULL, 'note', NULL", "23502", "name"),
    "a wrong subject": ("'a', 'note', 'x[y]'", "22023", "subject 'x[y]': a list's element is [*], [0]"),
}


@pytest.mark.parametrize("case", WRONG_SHAPES)
def test_a_wrong_shape_is_refused_when_it_is_written(trainer, case):
    values, sqlstate, words = WRONG_SHAPES[case]
    with refused(sqlstate, words):
        trainer.run(f"INSERT INTO triage.hook_shape (name, text, subject) VALUES ({values})")


def test_who_hands_in_mail_sees_shapes_and_cannot_change_them(hook):
    assert hook.value("SELECT count(*) FROM triage.hook_shape") == 0
    with refused("42501"):
        hook.run("INSERT INTO triage.hook_shape (name, text) VALUES ('a', 'b')")


def test_shapes_are_dumped(server, admin, trainer, tmp_path):
    trainer.run("INSERT INTO triage.hook_shape (name, text) VALUES ('shop', 'order.note')")
    file = dump(admin, tmp_path / "dump.sql")
    with server.database(extension=False) as copy:
        run_dump(copy, file)
        assert copy.row("SELECT name, text FROM triage.hook_shape") == ("shop", "order.note")
