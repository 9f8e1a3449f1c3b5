//! Inside the server, each test in a transaction that is rolled back.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    const TWO_LABELS: &str = "SELECT train_classifier(body, label) FROM (VALUES
        ('invoice paid twice', 'billing'), ('refund the invoice', 'billing'),
        ('login error again', 'support'), ('error after update', 'support')) t (body, label)";

    fn text(query: &str) -> Option<String> {
        Spi::get_one::<String>(query).unwrap()
    }

    fn number(query: &str) -> Option<i64> {
        Spi::get_one::<i64>(query).unwrap()
    }

    fn deploy(labels: [&str; 2]) {
        Spi::run(&format!(
            "SELECT triage.deploy('default', train_classifier(body, label)) FROM (VALUES
             ('invoice paid', '{}'), ('login error', '{}')) t (body, label)",
            labels[0], labels[1]
        ))
        .unwrap();
    }

    /// SQLSTATE and message of a statement that must fail, in a subtransaction.
    fn error_of(statement: &str) -> (String, String) {
        Spi::run(
            "CREATE OR REPLACE FUNCTION pg_temp.error_of(statement text, OUT state text, OUT message text)
             LANGUAGE plpgsql AS $$
             BEGIN
                 EXECUTE statement;
             EXCEPTION WHEN OTHERS THEN
                 state := SQLSTATE;
                 message := SQLERRM;
             END $$",
        )
        .unwrap();
        let (state, message) = Spi::get_two_with_args::<String, String>(
            "SELECT state, message FROM pg_temp.error_of($1)",
            &[statement.into()],
        )
        .unwrap();
        (state.expect("the statement succeeded"), message.unwrap())
    }

    /// A value that no row of a dump can hold makes the whole database undumpable.
    #[pg_test]
    fn what_could_not_be_dumped_is_refused() {
        use crate::artifact_types::{MAX_VALUE_BYTES, storable};
        let longest_row = 1 << 30;
        assert!(MAX_VALUE_BYTES.div_ceil(3) * 4 + (1 << 20) < longest_row);
        assert!(storable(vec![0; MAX_VALUE_BYTES], "email_model").is_ok());
        assert!(storable(vec![0; MAX_VALUE_BYTES + 1], "email_model").is_err());
    }

    /// Who holds on to the session's model makes each decision begin with a copy of it.
    #[pg_test]
    fn a_decision_leaves_the_model_to_its_session() {
        deploy(["billing", "support"]);
        Spi::run("INSERT INTO triage.email (body) VALUES ('the invoice'), ('a login')").unwrap();
        for label in ["support", "billing"] {
            let correct = format!(
                "SELECT triage.correct(review_id, '{label}') FROM triage.review ORDER BY review_id LIMIT 1"
            );
            Spi::run(&correct).unwrap();
            assert_eq!(crate::cache::holders("default"), Some(1));
        }
    }

    #[pg_test]
    fn no_usable_row_gives_no_model() {
        for rows in [
            "SELECT NULL::text, 'x'",
            "SELECT 'x', NULL::text",
            "SELECT 'x', ' '",
            "SELECT 'x', 'x' WHERE false",
        ] {
            let query = format!("SELECT train_classifier(a, b)::text FROM ({rows}) t (a, b)");
            assert_eq!(text(&query), None, "{rows}");
        }
    }

    #[pg_test]
    fn aggregates_work_in_groups_and_windows() {
        let groups = "SELECT count(DISTINCT m) FROM (SELECT train_classifier(b, l)::text AS m
            FROM (VALUES (1, 'aa', 'x'), (1, 'bb', 'y'), (2, 'aa', 'x'), (2, 'bb', 'y'), (3, 'cc', 'x')) t (g, b, l)
            GROUP BY g) s";
        assert_eq!(number(groups), Some(2));
        let running = "SELECT string_agg(classify_with(m, 'bb bb'), ',' ORDER BY i) FROM (
            SELECT i, train_classifier(b, l) OVER (ORDER BY i) AS m
              FROM (VALUES (1, 'aa', 'x'), (2, 'bb', 'y'), (3, 'bb', 'y')) t (i, b, l)) s";
        assert_eq!(text(running).as_deref(), Some("x,y,y"));
    }

    #[pg_test]
    fn the_two_halves_equal_the_whole() {
        let halves = "SELECT fit_email_model(merge_states(s))::text FROM (
            SELECT collect_emails(b, l) AS s FROM (VALUES (1, 'aa', 'x'), (2, 'bb', 'y'), (3, 'cc', 'x')) t (i, b, l)
            GROUP BY i) parts";
        let whole = "SELECT train_classifier(b, l)::text FROM (VALUES ('bb', 'y'), ('cc', 'x'), ('aa', 'x')) t (b, l)";
        assert_eq!(text(halves), text(whole));
    }

    #[pg_test]
    fn a_session_sees_its_own_activation_and_its_undoing() {
        deploy(["billing", "support"]);
        assert_eq!(
            text("SELECT classify_email('invoice')").as_deref(),
            Some("billing")
        );
        let (state, _) = error_of(
            "DO $$ BEGIN
                 PERFORM triage.deploy('default', train_classifier(b, l)) FROM (VALUES ('invoice', 'other')) t (b, l);
                 ASSERT classify_email('invoice') = 'other';
                 RAISE EXCEPTION USING ERRCODE = 'P9999';
             END $$",
        );
        assert_eq!(state, "P9999");
        assert_eq!(
            text("SELECT classify_email('invoice')").as_deref(),
            Some("billing")
        );
    }

    #[pg_test]
    fn rollback_is_a_stack() {
        for label in ["one", "two", "three"] {
            deploy([label, "rest"]);
        }
        let mut seen = Vec::new();
        for _ in 0..2 {
            Spi::run("SELECT triage.rollback('default')").unwrap();
            seen.extend(text("SELECT classify_email('invoice')"));
        }
        assert_eq!(seen, ["two", "one"]);
        let (state, message) = error_of("SELECT triage.rollback('default')");
        assert_eq!(state, "55000");
        assert!(message.contains("no earlier activation"), "{message}");
        Spi::run("SELECT triage.activate('default', 3)").unwrap();
        assert_eq!(number("SELECT triage.rollback('default')::bigint"), Some(1));
    }

    #[pg_test]
    fn errors_name_the_fix() {
        Spi::run("SELECT triage.create_classifier('spam')").unwrap();
        for (statement, state, part) in [
            (
                "SELECT classify_email('x', 'spma')",
                "42704",
                "did you mean \"spam\"? known: default, spam",
            ),
            (
                "SELECT triage.activate('default', 9)",
                "42704",
                "version 9 of classifier \"default\" does not exist",
            ),
            (
                "SELECT triage.deploy('default', NULL)",
                "22004",
                "no model to deploy",
            ),
            (
                "SELECT triage.deploy('nope', fit_email_model(collect_emails('a', 'b')))",
                "42704",
                "classifier \"nope\" does not exist",
            ),
            (
                "SELECT triage.create_classifier('spam')",
                "42710",
                "already exists",
            ),
            (
                "SELECT triage.create_classifier(' x')",
                "42602",
                "white space",
            ),
            (
                "SELECT triage.add_label('default', '')",
                "22023",
                "must not be empty",
            ),
            (
                "SELECT triage.add_label('default', repeat('x', 3000))",
                "22001",
                "too long",
            ),
            (
                "SELECT 'AAAA'::email_model",
                "22P03",
                "not a valid email_model",
            ),
            ("SELECT '?'::email_state", "22P02", "not base64"),
            (
                "SELECT fit_email_model(s::text::email_state) FROM (SELECT collect_emails(NULL, NULL) AS s) t",
                "22023",
                "no labelled emails",
            ),
            (
                "SET pg_triage.training_memory = '1kB'",
                "22023",
                "outside the valid range",
            ),
            (
                "SET pg_triage.trainig_memory = '1GB'",
                "42602",
                "invalid configuration parameter name",
            ),
        ] {
            let (found, message) = error_of(statement);
            assert_eq!(found, state, "{statement}: {message}");
            assert!(message.contains(part), "{statement}: {message}");
        }
    }

    #[pg_test]
    fn training_memory_is_bounded() {
        Spi::run("SET LOCAL pg_triage.training_memory = '1MB'").unwrap();
        let (state, message) = error_of(
            "SELECT train_classifier(md5(i::text) || ' ' || md5((-i)::text), 'x') FROM generate_series(1, 100000) i",
        );
        assert_eq!(state, "53400");
        assert!(
            message.contains("pg_triage.training_memory (1 MB)"),
            "{message}"
        );
    }

    #[pg_test]
    fn one_statement_may_use_several_models() {
        let query = "SELECT string_agg(classify_with(m, 'aa'), ',' ORDER BY i) FROM (
            SELECT i, train_classifier('aa', 'label ' || i) AS m FROM generate_series(1, 3) i GROUP BY i) t";
        assert_eq!(text(query).as_deref(), Some("label 1,label 2,label 3"));
    }

    #[pg_test]
    fn a_stored_model_is_pinned_in_a_scan() {
        Spi::run(&format!("CREATE TEMP TABLE m AS {TWO_LABELS}")).unwrap();
        let query = "SELECT count(*) FROM m, generate_series(1, 1000) i
            WHERE classify_with(m.train_classifier, 'invoice ' || i) = 'billing'";
        assert_eq!(number(query), Some(1000));
    }

    #[pg_test]
    fn labels_are_spelled_as_in_the_catalogue() {
        Spi::run("SELECT triage.add_label('default', 'BILLING', 'about money')").unwrap();
        deploy(["billing", "support"]);
        assert_eq!(
            text("SELECT classify_email('invoice')").as_deref(),
            Some("BILLING")
        );
        assert_eq!(number("SELECT count(*) FROM triage.label"), Some(2));
        assert_eq!(
            text("SELECT triage.add_label('default', 'Support')").as_deref(),
            Some("support")
        );
    }

    #[pg_test]
    fn scores_are_ranked_and_add_up() {
        deploy(["billing", "support"]);
        let sum = Spi::get_one::<f64>(
            "SELECT sum(probability) FROM classify_email_scores('the invoice')",
        );
        assert!((sum.unwrap().unwrap() - 1.0).abs() < 1e-9);
        assert_eq!(
            text("SELECT label FROM classify_email_scores('the invoice') WHERE rank = 1"),
            text("SELECT classify_email('the invoice')")
        );
        assert_eq!(
            number("SELECT count(*) FROM classify_email_scores(NULL)"),
            Some(0)
        );
    }

    #[pg_test]
    fn the_sample_loads_once_and_trains() {
        assert_eq!(number("SELECT triage.load_sample()"), Some(360));
        assert_eq!(number("SELECT triage.load_sample()"), Some(0));
        assert_eq!(
            number("SELECT count(*) FROM triage.email WHERE body = '' OR subject IS NULL"),
            Some(0)
        );
        let sha256 = text(
            "SELECT encode(sha256(email_model_send(train_classifier(concat_ws(E'\\n', subject, body), label))), 'hex')
               FROM triage.email WHERE mailbox = 'sample/train'",
        );
        let manifest = include_str!("../../model_artifacts/MANIFEST.toml");
        assert!(
            manifest.contains(&sha256.unwrap()),
            "SQL and core disagree about the sample model"
        );
    }
}
