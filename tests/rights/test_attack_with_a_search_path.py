"""Somebody with a schema of their own puts in what a careless function would call. Each piece of it
reports the rights with which it was run."""

import pytest
from support.mails import MAILS, TWO_MAILS

# More specific than the server's own, or found first: evil comes before pg_catalog.
HOSTILE = """
    SET search_path = evil, pg_catalog;
    CREATE FUNCTION caught(what text) RETURNS void LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO public.trap VALUES (what, current_user); END $$;
    CREATE FUNCTION same(a text, b text) RETURNS boolean LANGUAGE plpgsql AS $$
        BEGIN PERFORM evil.caught('='); RETURN a OPERATOR(pg_catalog.=) b; END $$;
    CREATE OPERATOR = (LEFTARG = text, RIGHTARG = text, FUNCTION = same);
    CREATE FUNCTION same(a integer, b integer) RETURNS boolean LANGUAGE plpgsql AS $$
        BEGIN PERFORM evil.caught('= (integer)'); RETURN a OPERATOR(pg_catalog.=) b; END $$;
    CREATE OPERATOR = (LEFTARG = integer, RIGHTARG = integer, FUNCTION = same);
    CREATE FUNCTION plus(a integer, b integer) RETURNS integer LANGUAGE plpgsql AS $$
        BEGIN PERFORM evil.caught('+'); RETURN a OPERATOR(pg_catalog.+) b; END $$;
    CREATE OPERATOR + (LEFTARG = integer, RIGHTARG = integer, FUNCTION = plus);
    CREATE FUNCTION lower(a text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.caught('lower'); RETURN a; END $$;
    CREATE FUNCTION btrim(a text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.caught('btrim'); RETURN a; END $$;
    CREATE FUNCTION length(a text) RETURNS integer LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.caught('length'); RETURN 1; END $$;
    CREATE FUNCTION now() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.caught('now'); RETURN clock_timestamp(); END $$;
    CREATE FUNCTION to_timestamp(a double precision) RETURNS timestamptz LANGUAGE plpgsql AS $$
        BEGIN PERFORM evil.caught('to_timestamp'); RETURN clock_timestamp(); END $$;
    CREATE FUNCTION max_step(a integer, b integer) RETURNS integer LANGUAGE plpgsql AS $$
        BEGIN PERFORM evil.caught('max'); RETURN greatest(a, b); END $$;
    CREATE AGGREGATE max(integer) (SFUNC = max_step, STYPE = integer);
    CREATE FUNCTION label_key(a text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
        BEGIN PERFORM evil.caught('label_key'); RETURN a; END $$;
    GRANT USAGE ON SCHEMA evil TO PUBLIC;
"""

PATH = "SET search_path = evil, pg_temp, pg_catalog, public;"
TEMP_TABLES = """
    CREATE TEMP TABLE classifier (name text);
    CREATE TEMP TABLE activation (classifier text, version integer, activation_id bigint);
    CREATE TEMP TABLE label (classifier text, label text);
    CREATE TEMP TABLE model (classifier text, version integer, model text);
    CREATE TEMP TABLE model_signal (); CREATE TEMP TABLE email (mailbox text);
"""
CALLS = """
    SELECT public.classify_email('invoice', 'default');
    SELECT count(*) FROM public.classify_email_scores('invoice', 'default');
    SELECT sum(contribution) > 0 FROM public.explain_email('invoice', 'billing', 'default');
    SELECT triage.create_classifier('{name}', NULL);
    SELECT triage.add_label('{name}', 'A label', NULL);
    SELECT triage.deploy('{name}', model, true, NULL) FROM public.given;
    SELECT triage.deploy('{name}', model, true, NULL) FROM public.given;
    SELECT triage.activate('{name}', 1);
    SELECT triage.rollback('{name}');
    SELECT public.classify_email('invoice', '{name}');
    SELECT triage.load_sample();
    SELECT count(*) FROM triage.model_versions; SELECT count(*) FROM triage.activations;
"""


@pytest.fixture
def trap(database):
    """The database with the trainer's schema `evil`, and a table into which it reports."""
    database.role("pt_trainer", "triage_trainer")
    database.run("SELECT triage.load_sample()")
    database.run(f"SELECT triage.deploy('default', train_classifier(body, label)) FROM {MAILS}")
    database.run(
        f"""CREATE TABLE public.given AS SELECT train_classifier(body, label) AS model FROM {TWO_MAILS};
            GRANT SELECT ON public.given TO PUBLIC;
            CREATE SCHEMA evil AUTHORIZATION pt_trainer; GRANT USAGE ON SCHEMA evil TO PUBLIC;
            CREATE TABLE public.trap (what text, who text); GRANT INSERT, SELECT ON public.trap TO PUBLIC"""
    )
    database.psql(HOSTILE, "pt_trainer")
    return database


def test_nothing_of_the_callers_runs_with_other_rights(trap):
    found = trap.psql(PATH + TEMP_TABLES + CALLS.format(name="hostile"), "pt_trainer").stdout.splitlines()
    assert found[-4:] == ["billing", "0", "3", "5"], "everything works as always"
    assert trap.rows("SELECT * FROM public.trap WHERE who <> 'pt_trainer'") == []


def test_nor_when_a_superuser_calls_with_that_search_path(trap):
    found = trap.psql(PATH + CALLS.format(name="superuser")).stdout.splitlines()
    assert found[-4:] == ["billing", "0", "3", "5"]
    assert trap.rows("SELECT * FROM public.trap") == []


def test_the_trap_catches_what_is_called(trap):
    trap.psql(PATH + "SELECT lower('x'), 'a'::text = 'b'::text", "pt_trainer")
    assert trap.column("SELECT DISTINCT who FROM public.trap") == ["pt_trainer"]
