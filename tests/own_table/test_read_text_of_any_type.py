"""The text of a mail is where an application keeps it: in JSON, XML, a domain, a generated column, or
as the raw message. Triggers, the queue view, later classification, corrections and imports read the
same text there, and what cannot be read is refused when the table is attached."""

import json

import pytest
from support.sessions import refused

MAILS = {"billing": "invoice payment overdue", "support": "login password broken", "sales": "offer price list"}
RAW = (
    "From: Anna <anna@example.org>\r\nSubject: {0}\r\nMessage-ID: <1@example.org>\r\n"
    "Content-Type: text/html; charset=utf-8\r\n\r\n<p>{1}</p>\r\n"
)
DOCUMENT = (
    "jsonb_build_object('id', 7, 'message', jsonb_build_object('tags', jsonb_build_array('x'), 'body', {0}::text))"
)

# type, text column, value made of a text, text that is classified
KINDS = {
    "text": ("text", "body", "{0}", "body"),
    "varchar": ("varchar(200)", "body", "{0}", "body"),
    "char": ("char(60)", "body", "{0}", "body::text"),
    "domain": ("note", "body", "{0}", "body"),
    "xml": ("xml", "body", "xmlelement(name mail, {0}::text)", "body::text"),
    "jsonb path": ("jsonb", "body->'message'->>'body'", DOCUMENT, "body->'message'->>'body'"),
    "jsonb path in one": ("jsonb", "body #>> '{message,body}'", DOCUMENT, "body->'message'->>'body'"),
    "jsonb dots": ("jsonb", "body.message.body", DOCUMENT, "body->'message'->>'body'"),
    "jsonb subscripts": ("jsonb", "body['message']['body']", DOCUMENT, "body->'message'->>'body'"),
    "json path": ("json", "(body -> 'message' ->> 'body')::text", DOCUMENT + "::json", "body->'message'->>'body'"),
    "json domain": ("document", "body.message.body", DOCUMENT, "body->'message'->>'body'"),
    "jsonb": ("jsonb", "body", "jsonb_build_array('x', {0}::text)", "E'x\\n' || (body->>1)"),
    "bytea": ("bytea", "body", None, "email_text(body)"),
    "generated": ("text GENERATED ALWAYS AS (upper(source)) STORED", "body", None, "body"),
}


def deploy(database):
    database.run(
        """SELECT triage.deploy('default', train_classifier(b, l)) FROM (VALUES ('invoice payment overdue', 'billing'),
               ('login password broken', 'support'), ('offer price list', 'sales')) t (b, l)"""
    )
    database.run("CREATE DOMAIN note AS text; CREATE DOMAIN document AS jsonb")


class Table:
    """A table whose text column is of one kind."""

    def __init__(self, database, kind, name="mail"):
        self.database, self.kind, self.name = database, kind, name
        self.type, self.column, self.value, self.text = KINDS[kind]
        database.run(
            f"CREATE TABLE {name} (id int PRIMARY KEY, source text, body {self.type}, category text, read boolean)"
        )

    def put(self, key, text, statement=None, **more):
        """Gives a row this text."""
        columns = {"id": str(key), **more}
        if self.kind == "generated":
            columns["source"] = "%s"
        else:
            columns["body"] = (self.value or "%s").format("%s")
        if self.kind == "bytea" and text is not None:
            text = RAW.format(text.split()[0], text).encode()
        if statement:
            sets = ", ".join(f"{name} = {value}" for name, value in columns.items())
            self.database.run(f"UPDATE {self.name} SET {sets} WHERE id = {key}", text)
        else:
            self.database.run(
                f"INSERT INTO {self.name} ({', '.join(columns)}) VALUES ({', '.join(columns.values())})", text
            )

    def attach(self):
        self.database.run(f"SELECT triage.attach('{self.name}', ARRAY[%s], 'category')", self.column)

    def label(self, key):
        return self.database.value(f"SELECT category FROM {self.name} WHERE id = {key}")

    def agrees(self):
        assert self.database.value(f"SELECT bool_and(category = classify_email({self.text})) FROM {self.name}")


@pytest.fixture
def desk(database):
    deploy(database)
    return database


@pytest.mark.parametrize("kind", KINDS)
def test_every_reading_gives_the_same_text(desk, kind):
    mail = Table(desk, kind)
    mail.put(1, MAILS["sales"])
    mail.attach()
    # By the trigger, by classify_pending(), and again when the text changes.
    mail.put(2, MAILS["billing"])
    assert desk.value("SELECT triage.classify_pending('mail')") == 1
    assert (mail.label(1), mail.label(2)) == ("sales", "billing")
    mail.agrees()
    mail.put(2, MAILS["support"], "UPDATE")
    assert mail.label(2) == "support"
    mail.agrees()
    version = desk.value("SELECT row_version FROM triage.review WHERE email_key = '2'")
    mail.put(2, MAILS["support"], "UPDATE", read="true")
    assert desk.value("SELECT row_version FROM triage.review WHERE email_key = '2'") == version
    # The view shows what was read.
    name = "body" if "body" in KINDS[kind][1] else KINDS[kind][1]
    shown = f"SELECT bool_and(q.{name} = {mail.text}) FROM triage.mail_queue q JOIN mail t ON t.id::text = q.email_key"
    assert desk.value(
        shown.replace("(body", "(t.body").replace(" = body", " = t.body").replace("|| (body", "|| (t.body")
    )
    # What a decision teaches is the same by the table's trigger, which has the row, and by the
    # function, which reads it.
    desk.run("UPDATE mail SET category = 'billing' WHERE id = 1")
    desk.run("SELECT triage.correct(review_id, 'billing') FROM triage.review WHERE email_key = '2'")
    by_type = "SELECT d.features FROM triage.decision d JOIN triage.review r USING (review_id) WHERE r.email_key = %s AND r.source = 'public.mail'"
    for key in (1, 2):
        desk.run("DROP TABLE IF EXISTS plain")
        desk.run(
            f"CREATE TABLE plain AS SELECT {key} AS id, {mail.text} AS body, 'billing'::text AS label FROM mail WHERE id = {key}"
        )
        desk.run("ALTER TABLE plain ADD PRIMARY KEY (id)")
        desk.run("SELECT triage.create_classifier(%s)", f"c{key}")
        desk.run("SELECT triage.learn_from(%s, 'plain', ARRAY['body'], 'label')", f"c{key}")
        learned = desk.value("SELECT features FROM triage.decision WHERE classifier = %s", f"c{key}")
        assert desk.value(by_type, str(key)) == learned
    assert desk.value("SELECT triage.learned_state('default')::text = triage.replayed_state('default')::text")


@pytest.mark.parametrize("kind", KINDS)
def test_history_is_learned_as_it_is_classified(desk, kind):
    old = Table(desk, kind, "old")
    old.put(1, MAILS["sales"])
    desk.run("UPDATE old SET category = 'sales'")
    desk.run("SELECT triage.create_classifier('a'); SELECT triage.create_classifier('b')")
    desk.run("SELECT triage.learn_from('a', 'old', ARRAY[%s], 'category')", old.column)
    desk.run(f"CREATE TABLE plain AS SELECT {old.text} AS body, category FROM old")
    desk.run("SELECT triage.learn_from('b', 'plain', ARRAY['body'], 'category')")
    features = "SELECT features FROM triage.decision WHERE classifier = %s"
    assert desk.value(features, "a") == desk.value(features, "b")


def test_a_raw_message_is_classified_as_classify_email_does(desk):
    mail = Table(desk, "bytea")
    mail.attach()
    mail.put(1, MAILS["support"])
    assert desk.value("SELECT category = classify_email(body) FROM mail")
    shown = desk.value("SELECT body FROM triage.mail_queue")
    assert "From: Anna <anna@example.org>" in shown
    assert "login password broken" in shown
    assert "<p>" not in shown


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00",
        b"\xff\xfe\x00garbage",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n" * 1000,
        b"Subject",
    ],
)
def test_a_broken_message_is_no_error(desk, raw):
    mail = Table(desk, "bytea")
    mail.attach()
    desk.run("INSERT INTO mail (id, body) VALUES (1, %s)", raw)
    assert desk.value("SELECT count(*) FROM triage.mail_queue") == 1
    assert desk.value(
        "SELECT category IS NOT DISTINCT FROM CASE WHEN trim(email_text(body)) <> '' THEN classify_email(body) END FROM mail"
    )


def test_five_megabytes_are_read_as_far_as_texts_are(desk):
    mail = Table(desk, "bytea")
    mail.attach()
    desk.run("INSERT INTO mail (id, body) VALUES (1, %s)", RAW.format("login", "password broken " * 350_000).encode())
    mail.agrees()
    other = Table(desk, "jsonb path", "paper")
    other.attach()
    other.put(1, "invoice payment " * 350_000)
    other.agrees()
    assert (mail.label(1), other.label(1)) == ("support", "billing")


@pytest.mark.parametrize(
    "document",
    ["NULL", "'{}'", "'[]'", "'null'", "'7'", "'\"text\"'", """'{"message": null}'""", """'{"message": {"body": null}}'""",
     """'{"message": {"body": " "}}'""", """'{"other": {"body": "login"}}'""", """'[{"message": {"body": "login"}}]'"""],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["json", "jsonb"])
def test_a_path_that_is_not_there_is_no_text(desk, document, kind):
    desk.run(f"CREATE TABLE mail (id int PRIMARY KEY, payload {kind}, category text)")
    desk.run("SELECT triage.attach('mail', ARRAY['payload.message.body'], 'category')")
    desk.run(f"INSERT INTO mail VALUES (1, {document})")
    assert desk.row("SELECT category, unclassified_reason FROM mail, triage.review") == (None, "no text")
    desk.run("""UPDATE mail SET payload = '{"message": {"body": "login password"}}'""")
    assert desk.value("SELECT category FROM mail") == "support"


@pytest.mark.parametrize(
    "path",
    ["{a}", "{a,b}", "{a,0}", "{a,1,b}", "{a,b,c}", "{z}", '{"ä\\"\\\\"}', "{n}", "{t}", "{u}", "{e}", "{d}", "{a,9}", "{s,x}"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["json", "jsonb"])
def test_a_path_means_what_it_means_in_sql(database, path, kind):
    documents = [
        {"a": "one"}, {"a": {"b": "two"}}, {"a": ["three", {"b": "four"}]}, {"a": {"b": {"c": "five \" \\ \n ü 😀"}}},
        {"n": 1.50, "t": True, "u": None, "e": "", "ä\"\\": "six"}, {"a": {"x": [{"a": "no"}]}, "z": "seven"},
        {"s": {"y": {"x": "no"}, "x": "eight"}}, {"a": [[], {}, "nine"]},
    ]  # fmt: skip
    texts = [json.dumps(document, ensure_ascii=ascii) for document in documents for ascii in (True, False)]
    texts += ['{"d": 1, "d": "last"}', '{"a": "x" , "a" : ["y", {"b" : "z"}] }', ' [ "a" ] ']
    for text in texts:
        found, wanted = database.row(
            f"""SELECT triage_internal.readable_text(d, p), CASE WHEN {kind}_typeof(d #> p) IN ('object', 'array') THEN NULL ELSE d #>> p END
                  FROM (SELECT %s::{kind} AS d, %s::text[] AS p) x""",
            text, path,
        )  # fmt: skip
        if wanted is not None or database.value(f"SELECT %s::{kind} #>> %s::text[] IS NULL", text, path):
            assert found == wanted, text


def test_without_a_path_all_strings_count_in_their_order(database):
    read = "SELECT triage_internal.readable_text(%s::json, NULL)"
    assert (
        database.value(
            read, '{"b": ["one", 2, {"a": "two"}], "k\\u0065y": {"x": null, "y": "th\\u0072ee\\ud83d\\ude00"}}'
        )
        == "one\ntwo\nthree😀"
    )
    assert database.value(read, '"\\ud83d \\u0000 \\udc00"') == "� � �"
    deep = "[" * 3000 + '"deep"' + "]" * 3000
    assert database.value(read, deep) == "deep"
    assert database.value(read, "{}") is None
    assert database.value("SELECT triage_internal.readable_text(NULL::jsonb, NULL)") is None


@pytest.mark.parametrize(
    ("column", "path"),
    [
        ("payload->>'body'", ["payload", "body"]),
        (" ( payload -> 'message' ->> 'body' )::text ", ["payload", "message", "body"]),
        ("payload #>> '{message,body}'::text[]", ["payload", "message", "body"]),
        ("payload.message.body", ["payload", "message", "body"]),
        ("payload.message-id", ["payload", "message-id"]),
        ("payload->'items'->0->>'it''s'", ["payload", "items", "0", "it's"]),
        ("payload['message'][0]", ["payload", "message", "0"]),
        ('"Pay load".x."y.z"', ["Pay load", "x", "y.z"]),
        ("payload->>'a.b'", ["payload", "a.b"]),
        ("payload", ["payload"]),
        ("payload->>", None), ("lower(payload)", None), ("payload || ''", None), ("a; DROP TABLE mail", None), ("", None),
        ("payload->>'x' || 'y'", None), ("payload #>> '{a'", None),
    ],
)  # fmt: skip
def test_paths_are_written_as_people_write_them(database, column, path):
    assert database.value("SELECT triage_internal.text_path(%s)", column) == path


def test_several_paths_in_one_column_and_a_column_beside(desk):
    desk.run('CREATE TABLE mail (id int PRIMARY KEY, payload jsonb, "note.text" text, category text)')
    desk.run("""SELECT triage.attach('mail', ARRAY['payload->>''subject''', 'note.text', 'Payload.message.subject', 'payload.body'],
                                     'category')""")
    desk.run(
        """INSERT INTO mail VALUES (1, '{"subject": "invoice", "message": {"subject": "due"}, "body": "payment"}', 'overdue')"""
    )
    assert desk.value("SELECT category = classify_email(E'invoice\\noverdue\\ndue\\npayment') FROM mail")
    assert desk.row('SELECT payload_subject, "note.text", payload_message_subject, body FROM triage.mail_queue') == (
        "invoice", "overdue", "due", "payment"
    )  # fmt: skip
    desk.run("ALTER TABLE mail RENAME payload TO document")
    desk.run("""UPDATE mail SET document = '{"subject": "login", "body": "password"}', "note.text" = NULL""")
    assert desk.value("SELECT category = classify_email(E'login\\npassword') FROM mail")
    # What is elsewhere in the document is no text.
    version = desk.value("SELECT row_version FROM triage.review")
    desk.run("""UPDATE mail SET document = document || '{"read": true}'""")
    assert desk.value("SELECT row_version FROM triage.review") == version


@pytest.mark.parametrize(
    ("column", "state", "words"),
    [
        ("id", "22023", ["integer", "text, varchar, char, citext, xml, json or jsonb", "bytea"]),
        ("tags", "22023", ["text[]", "text columns must be"]),
        ("body->>'x'", "22023", ["body", "only json and jsonb have paths"]),
        ("nothing->>'x'", "42703", ["nothing", "there are: id, body, tags, payload, category"]),
        ("payload ->> x", "22023", ["not understood", "payload->>'body'"]),
        ("payload #>> '{NULL}'", "22023", ["not understood"]),
        ("payload #>> '{a,NULL,b}'", "22023", ["not understood"]),
        ("payload #>> '{{a},{b}}'", "22023", ["not understood"]),
        ("payload" + ".a" * 520, "22023", ["not understood", "1024 bytes"]),
        ("(" * 500_000 + "payload" + ")" * 500_000, "22023", ["not understood", "1024 bytes"]),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_can(desk, column, state, words):
    desk.run("CREATE TABLE mail (id int PRIMARY KEY, body text, tags text[], payload jsonb, category text)")
    with refused(state, *words):
        desk.run("SELECT triage.attach('mail', ARRAY[%s], 'category')", column)
    with refused(state, *words):
        desk.run("SELECT triage.learn_from('default', 'mail', ARRAY[%s], 'category')", column)
    with refused("22023", "name a column twice"):
        desk.run("SELECT triage.attach('mail', ARRAY['payload.a', 'payload->>''a'''], 'category')")


def test_a_generated_column_of_several_with_the_rights_of_who_inserts(desk):
    desk.run(
        "CREATE TABLE mail (id int PRIMARY KEY, a text, b text, body text GENERATED ALWAYS AS (coalesce(a, '') || ' ' || coalesce(b, '')) STORED, category text)"
    )
    desk.run("SELECT triage.attach('mail', ARRAY['body'], 'category')")
    desk.role("app")
    desk.run("GRANT SELECT, INSERT, UPDATE ON mail TO app")
    app = desk.connect("app")
    assert app.value("INSERT INTO mail (id, a, b) VALUES (1, 'login', 'password') RETURNING category") == "support"
    app.run("INSERT INTO mail (id) VALUES (2)")
    assert app.value("SELECT category FROM mail WHERE id = 2") is None
    assert app.value("UPDATE mail SET b = 'invoice payment' WHERE id = 2 RETURNING category") == "billing"
    assert desk.value("SELECT bool_and(category = classify_email(body)) FROM mail")
