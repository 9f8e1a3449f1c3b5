"""A web hook that passes on what a sender made up gets an id, or is told what is wrong."""

import json

import pytest

KEYS = [
    "from", "sender", "to", "cc", "recipients", "subject", "text", "html", "headers", "message-headers",
    "attachments", "attachment-info", "envelope", "date", "timestamp", "message-id", "in-reply-to", "references",
    "mailbox", "msg", "email", "raw", "FromFull", "type",
]  # fmt: skip

MEGABYTE = 1 << 20
DEEP = json.loads("[" * 301 + "]" * 301)
VALUES = [
    # Of every kind.
    *[None, True, -1, 1e308, 10**400, "", " ", "x" * MEGABYTE, [], {}, [[]], [{}], [None], [[None, None]], DEEP],
    # Text that begins like something else.
    *["[" * 100_000, "{" * 100_000, '{"a":' * 50_000, "[1,", '{"a":"\\u0000"}', "\u202e\u0001\u2028"],
    *["9" * 400, "9" * 11, "9999-99-99T99:99:99Z", "a: b\n" * 20_000, "\r\n \t" * 50_000, ":" * 50_000],
    *["<" * 50_000, "=" * 50_000, '"\\' * 50_000, "From: a@example.org\r\n\r\nhello"],
    # Lists and objects that are not what they should be, or too many.
    *[{"email": {"a": 1}, "name": [1]}, {"name": "x" * 100_000}, [["a", "b", "c"]] * 5_000],
    *[{"a\nb: c": ["d", None, {}]}, {f"key {n}": n for n in range(5_000)}],
    [{"filename": '"\r\nX: y', "content": "%%%", "type": "a/b\r\nX: y"}] * 1_500,
]

# Empty if the payload was taken in, or refused with what to do.
OUTCOME = """
    CREATE FUNCTION outcome(payload jsonb) RETURNS text LANGUAGE plpgsql AS $$
    BEGIN
        RETURN CASE WHEN triage.ingest_json(payload) > 0 THEN '' ELSE 'no id' END;
    EXCEPTION WHEN OTHERS THEN
        RETURN CASE WHEN SQLSTATE IN ('22023', '22004') THEN '' ELSE SQLSTATE || ' ' || SQLERRM END;
    END $$"""


@pytest.fixture(scope="module")
def hook(module_database):
    module_database.run(OUTCOME)
    return module_database.connect(module_database.role("pt_hostile_hook", "triage_writer"))


@pytest.mark.parametrize("key", KEYS)
def test_a_payload_is_taken_in_or_refused_with_what_to_do(hook, key):
    for value in VALUES:
        payload = {"subject": "hello", "text": "Could you send the invoice again?", key: value}
        assert hook.value("SELECT outcome(%s::jsonb)", json.dumps(payload)) == "", str(value)[:50]
