"""What the server's catalogues say of the extension: every object tells what it is for, arguments
have names, and PUBLIC gets pure functions only."""

import pytest
from support.mails import TWO_MAILS
from support.sessions import error_of

# They hide columns of a table, and could be made to show them by a cheap function in a WHERE
# clause. The others hide no rows of a review or decision, and a barrier would keep ORDER BY and
# LIMIT from their indexes.
BARRIERS = "activations", "model_versions"

MEMBERS = """
    WITH member AS (
        SELECT classid, objid FROM pg_depend
         WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
           AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_triage')
           -- From PostgreSQL 18 on, row and array types are members, too.
           AND NOT (classid = 'pg_type'::regclass
                    AND (SELECT typelem <> 0 OR typrelid <> 0 FROM pg_type WHERE oid = objid)))"""

# They show what a person wrote: mails, notes on them, or names that clients give themselves (actors).
# Every other view of schema triage is for triage_analyst.
VIEWS_WITH_TEXT = {"batches", "decision_history", "email_queue", "labelled_email", "review_queue", "suspect_labels"}

INTERNAL_CALLS = [
    "triage_internal.train_accumulate(NULL, 'x', 'y')",
    "triage_internal.train_accumulate_state(NULL, state)",
    "triage_internal.train_combine(NULL, NULL)",
    "triage_internal.train_final_model(NULL)",
    "triage_internal.train_final_state(NULL)",
    "triage_internal.train_serialize(NULL)",
    "triage_internal.train_deserialize('\\x00', NULL)",
    "email_model_recv(NULL)",
    "triage_internal.signal_change()",
    "email_model_send(NULL)",
    "triage_internal.label_key(NULL)",
]


@pytest.mark.parametrize("view", BARRIERS)
def test_views_that_hide_columns_are_security_barriers(module_database, view):
    options = module_database.value(f"SELECT reloptions FROM pg_class WHERE oid = 'triage.{view}'::regclass")
    assert any(option.startswith("security_barrier") for option in options)


@pytest.fixture(scope="module")
def given(module_database):
    """A table with a state."""
    module_database.run(f"CREATE TABLE given AS SELECT collect_emails(body, label) AS state FROM {TWO_MAILS}")
    return module_database


@pytest.mark.parametrize("call", INTERNAL_CALLS)
def test_internal_functions_called_by_hand_are_refused_and_do_not_crash(given, call):
    error = error_of(given.session, f"SELECT {call} IS NULL FROM given")
    assert error is None or error.sqlstate and not error.sqlstate.startswith("XX"), error
    assert given.value("SELECT 1") == 1


def test_an_aggregate_of_ones_own_on_the_same_functions(module_database):
    """Only a superuser can make an aggregate with a state of type internal."""
    module_database.run(
        """CREATE AGGREGATE public.mine(text, text) (SFUNC = triage_internal.train_accumulate, STYPE = internal,
                                                     FINALFUNC = triage_internal.train_final_model)"""
    )
    assert module_database.value("SELECT public.mine('a', 'b') IS NULL") is False


def test_every_object_has_a_comment(module_database):
    objects = f"""{MEMBERS}, object AS (
        SELECT classid, objid, 0 AS objsubid FROM member
        UNION ALL
        SELECT classid, objid, attnum FROM member JOIN pg_attribute ON attrelid = objid AND classid = 'pg_class'::regclass
         WHERE attnum > 0 AND NOT attisdropped AND (SELECT relkind IN ('r', 'v', 'm', 'p') FROM pg_class WHERE oid = objid)
        UNION ALL
        SELECT 'pg_trigger'::regclass, t.oid, 0 FROM member JOIN pg_trigger AS t ON tgrelid = objid AND classid = 'pg_class'::regclass
         WHERE NOT tgisinternal)
        SELECT pg_describe_object(classid, objid, objsubid) FROM object
         WHERE coalesce((SELECT description FROM pg_description AS d
                          WHERE d.classoid = classid AND d.objoid = objid AND d.objsubid = object.objsubid), '') = '' ORDER BY 1"""
    assert module_database.column(objects) == []
    assert module_database.value(
        "SELECT obj_description(oid, 'pg_extension') FROM pg_extension WHERE extname = 'pg_triage'"
    )


def test_every_role_has_a_comment(module_database):
    roles = "SELECT count(*), count(shobj_description(oid, 'pg_authid')) FROM pg_roles WHERE rolname ~ '^triage_'"
    all_roles, commented = module_database.row(roles)
    assert all_roles == commented > 0


def test_arguments_have_names(module_database):
    """A call can name its arguments, except of operators' and aggregates' inner functions, and of
    triage.ingest_json(): PostgREST passes the body of a request to an argument without one."""
    unnamed = rf"""{MEMBERS}
        SELECT objid::regprocedure::text
          FROM member JOIN pg_proc ON pg_proc.oid = objid AND classid = 'pg_proc'::regclass
         WHERE pronargs > 0 AND proargnames IS NULL AND NOT proname ~ '_(in|out|recv|send)$'
           AND proname <> 'ingest_json' AND NOT objid::regprocedure::text ~ '^triage_internal\.train_' ORDER BY 1"""
    assert module_database.column(unnamed) == []


@pytest.fixture(scope="module")
def nobody(module_database):
    """A role without any rights: what it may, PUBLIC may."""
    return module_database.role("pt_nobody")


# Called by what attach() makes, for whoever changes the table or reads the view: they tell nothing but what
# they are given, and whether the session's own statement changes a text.
OF_ATTACHED_TABLES = ['triage_internal.readable_text("any",text[])', "triage_internal.text_has_changed()"]


def test_public_may_call_immutable_functions_and_read_raw_messages(module_database, nobody):
    """The latter depends on settings."""
    public = f"""{MEMBERS}
        SELECT objid::regprocedure::text
          FROM member JOIN pg_proc AS p ON p.oid = objid AND classid = 'pg_proc'::regclass
         WHERE has_function_privilege('{nobody}', objid, 'EXECUTE') AND provolatile <> 'i' ORDER BY 1"""
    assert module_database.column(public) == ["email_text(bytea)", "parse_email(bytea)", *OF_ATTACHED_TABLES]


def test_public_has_no_right_on_any_table_or_view(module_database, nobody):
    tables = f"""{MEMBERS}
        SELECT objid::regclass::text FROM member JOIN pg_class AS c ON c.oid = objid AND classid = 'pg_class'::regclass
         WHERE relkind <> 'S'
           AND has_table_privilege('{nobody}', objid, 'SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER')"""
    assert module_database.column(tables) == []


def test_every_security_definer_function_sets_its_search_path(module_database):
    definers = f"""{MEMBERS}
        SELECT objid::regprocedure::text
          FROM member JOIN pg_proc AS p ON p.oid = objid AND classid = 'pg_proc'::regclass
         WHERE prosecdef AND NOT EXISTS (SELECT FROM unnest(proconfig) AS c WHERE c LIKE 'search_path=%')"""
    assert module_database.column(definers) == []


# Views, and columns that hold what a person wrote wherever they are.
VIEWS = f"""{MEMBERS}
    SELECT c.relname FROM member JOIN pg_class AS c ON c.oid = objid AND classid = 'pg_class'::regclass
     WHERE relkind IN ('v', 'm') AND relnamespace = 'triage'::regnamespace"""
WRITTEN_BY_PEOPLE = {
    "subject", "body", "body_excerpt", "body_preview", "header", "sender", "recipients", "attachments", "raw",
    "email_key", "actor", "reviewed_by", "application_name", "connected_as", "acting_as",
}  # fmt: skip


def test_every_view_is_for_analysts_or_has_text(module_database):
    """A new view goes into sql/privileges.sql, or above."""
    granted = set(
        module_database.column(f"{VIEWS} AND has_table_privilege('triage_analyst', objid, 'SELECT') ORDER BY 1")
    )
    views = set(module_database.column(VIEWS))
    assert views - granted == VIEWS_WITH_TEXT
    assert len(granted) > 15


def test_no_view_for_analysts_has_a_column_of_text(module_database):
    columns = f"""{VIEWS} AND has_any_column_privilege('triage_analyst', objid, 'SELECT')
        AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = objid AND attname = ANY (%s)
                       -- What an alert is about is no subject of a mail.
                       AND NOT (relname = 'alerts' AND attname = 'subject')) ORDER BY 1"""
    assert module_database.column(columns, list(WRITTEN_BY_PEOPLE)) == []


def test_analysts_may_read_their_views_and_nothing_else(module_database):
    """No table, no sequence, nothing to write, and no function but those that views need."""
    database = module_database
    other = f"""{MEMBERS}
        SELECT objid::regclass::text FROM member JOIN pg_class AS c ON c.oid = objid AND classid = 'pg_class'::regclass
         WHERE CASE relkind WHEN 'S' THEN has_sequence_privilege('triage_analyst', objid, 'USAGE,SELECT,UPDATE')
               ELSE has_any_column_privilege('triage_analyst', objid, 'INSERT,UPDATE,REFERENCES')
                    OR has_table_privilege('triage_analyst', objid, 'DELETE,TRUNCATE,TRIGGER')
                    OR relkind NOT IN ('v', 'm') AND has_any_column_privilege('triage_analyst', objid, 'SELECT') END"""
    assert database.column(other) == []
    functions = f"""{MEMBERS}
        SELECT objid::regprocedure::text
          FROM member JOIN pg_proc AS p ON p.oid = objid AND classid = 'pg_proc'::regclass
         WHERE has_function_privilege('triage_analyst', objid, 'EXECUTE')
           AND NOT EXISTS (SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner)))
                            WHERE grantee = 0 AND privilege_type = 'EXECUTE') ORDER BY 1"""
    assert database.column(functions) == [
        "triage.worker_status()",
        "triage_internal.statistics_entry(triage_internal.review_change,text)",
    ]
    analyst = database.connect(database.role("pt_analyst_of_all", "triage_analyst"))
    for view in database.column(f"{VIEWS} AND has_table_privilege('triage_analyst', objid, 'SELECT')"):
        analyst.run(f"SELECT * FROM triage.{view}")


def test_functions_inside_are_called_by_views_and_triggers_only(module_database):
    """What a role other than the owner may execute of triage_internal is called on its behalf, by
    something that the server knows, and by name it can be called by nobody."""
    module_database.run("CREATE TABLE letter (id int PRIMARY KEY, content jsonb, label text)")
    module_database.run("SELECT triage.attach('letter', ARRAY['content.text'], 'label')")
    assert not module_database.value("SELECT has_table_privilege('triage_analyst', 'triage.letter_queue', 'SELECT')")
    executable = f"""{MEMBERS}
        SELECT DISTINCT objid::regprocedure::text
          FROM member JOIN pg_proc AS p ON p.oid = objid AND classid = 'pg_proc'::regclass,
               aclexplode(coalesce(proacl, acldefault('f', proowner))) AS acl
         WHERE pronamespace = 'triage_internal'::regnamespace AND acl.grantee <> proowner
           -- A view, a trigger's condition, an index, a constraint, a function that the server has parsed.
           AND NOT EXISTS (SELECT FROM pg_depend AS d
                            WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid = member.objid AND d.deptype = 'n'
                              AND d.classid IN ('pg_rewrite'::regclass, 'pg_trigger'::regclass, 'pg_proc'::regclass,
                                                'pg_class'::regclass, 'pg_constraint'::regclass)) ORDER BY 1"""
    assert module_database.column(executable) == []
    may_look_inside = """SELECT rolname FROM pg_roles
                          WHERE rolname ~ '^triage_' AND has_schema_privilege(oid, 'triage_internal', 'USAGE')"""
    assert module_database.column(may_look_inside) == ["triage_admin"]


# What reviewers may do that analysts may not: each is part of their work.
REVIEWERS_CALL = {
    "accept", "ask_again", "correct", "correct_many", "skip", "undo", "undo_batch",
    "classify_email", "classify_email_scores", "explain_email", "ingest", "ingest_json",
    "ingest_json_all", "ingest_payload", "find_suspects", "is_changing_labels", "is_restoring", "is_undone",
}  # fmt: skip


def test_reviewers_may_call_what_they_decide_with(module_database):
    functions = f"""{MEMBERS}
        SELECT DISTINCT proname::text FROM member JOIN pg_proc AS p ON p.oid = objid AND classid = 'pg_proc'::regclass
         WHERE has_function_privilege('triage_reviewer', objid, 'EXECUTE')
           AND NOT has_function_privilege('triage_analyst', objid, 'EXECUTE')"""
    assert set(module_database.column(functions)) == REVIEWERS_CALL
