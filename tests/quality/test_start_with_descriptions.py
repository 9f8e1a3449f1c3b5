"""Labels that are only described answer sensibly, a few corrections beat that, and a label with
one email does not take over."""

import pytest
from support.sessions import refused

DESCRIBED = {
    "billing": "invoices, payments, refunds, charged twice; Rechnung, Zahlung, Mahnung, Gutschrift, Betrag",
    "hr": "vacation, sick leave, payslip, job application, contract of employment; Urlaub, Krankmeldung, Gehalt, Bewerbung",
    "logistics": "parcel, delivery, shipment, driver, tracking, warehouse; Paket, Lieferung, Sendung, Spedition",
    "sales": "offer, quote, price list, order, discount, demo; Angebot, Preis, Bestellung, Rabatt",
    "spam": "winner, prize, free, click here, casino, lottery; Gewinn, kostenlos, gratis, klicken",
    "support": "login, password, error message, crash, does not work; Fehler, Passwort, Anmeldung, funktioniert nicht",
}
TEXT = "concat_ws(E'\\n', subject, body)"
# Only what is wrong, until each label has ten.
TEN_CORRECTIONS_EACH = f"""
    DO $$
    DECLARE
        mail record;
    BEGIN
        FOR mail IN SELECT id, truth FROM cold ORDER BY md5(id::text) LOOP
            IF classify_email((SELECT {TEXT} FROM cold WHERE id = mail.id), 'cold') <> mail.truth
               AND (SELECT count(*) FROM triage.decision WHERE new_label = mail.truth AND door <> 'description') < 10 THEN
                PERFORM triage.correct(review_id, mail.truth) FROM triage.review
                  WHERE classifier = 'cold' AND email_key = mail.id::text;
            END IF;
        END LOOP;
    END $$"""


@pytest.fixture(scope="module")
def mails(module_database):
    module_database.run("SELECT triage.load_sample()")
    return module_database


@pytest.fixture(scope="module")
def cold(mails):
    """A classifier of described labels and a table of mails whose truth it has not seen."""
    mails.run("SELECT triage.create_classifier('cold')")
    for label, description in DESCRIBED.items():
        mails.run("SELECT triage.add_label('cold', %s, %s)", label, description)
    mails.run("""
        CREATE TABLE cold AS SELECT email_id AS id, subject, body, label AS truth, NULL::text AS label FROM triage.email
         WHERE mailbox = 'sample/train';
        ALTER TABLE cold ADD PRIMARY KEY (id);
        SELECT triage.attach('cold', ARRAY['subject', 'body'], 'label', classifier => 'cold')""")
    mails.run("SELECT triage.classify_pending('cold')")
    return mails


def percent_right(database):
    return float(
        database.value(
            f"SELECT 100 * avg((classify_email({TEXT}, 'cold') = label)::int) FROM triage.email WHERE mailbox = 'sample/new'"
        )
    )


def test_described_labels_answer_and_corrections_make_them_better(cold):
    described = percent_right(cold)
    assert described >= 40, "not even twice as good as chance"
    assert (
        cold.value("SELECT avg((queue_reason = 'uncertain')::int) FROM triage.review WHERE classifier = 'cold'") > 0.9
    )
    assert cold.row("SELECT count(*), count(DISTINCT new_label) FROM triage.decision WHERE door = 'description'") == (
        6,
        6,
    )

    cold.run(TEN_CORRECTIONS_EACH)
    # As far as there were so many mistakes.
    assert 50 <= cold.value("SELECT count(*) FROM triage.decision WHERE door = 'function'") <= 60
    corrected = percent_right(cold)
    assert corrected > described

    cold.run(
        "SELECT triage.correct(review_id, truth) FROM triage.review JOIN cold ON id::text = email_key WHERE classifier = 'cold'"
    )
    cold.run("SELECT triage.retrain('cold')")
    assert percent_right(cold) > corrected + 5
    assert cold.value("SELECT triage.learned_model('cold')::text = triage.replayed_model('cold')::text")


def test_descriptions_change(database):
    decisions = "SELECT count(*) FROM triage.decision WHERE classifier = 'changing'"
    database.run("SELECT triage.create_classifier('changing')")
    database.run("SELECT triage.add_label('changing', 'fruit', 'apple pear')")
    database.run("SELECT triage.add_label('changing', 'drink', 'coffee tea')")
    assert database.value("SELECT classify_email('a cup of coffee', 'changing')") == "drink"
    assert database.value("SELECT classify_email('a ripe pear', 'changing')") == "fruit"
    database.run("SELECT triage.add_label('changing', 'drink', 'water')")
    database.run("SELECT triage.add_label('changing', 'fruit', 'coffee cherries')")
    assert database.value("SELECT classify_email('a cup of coffee', 'changing')") == "fruit"
    assert database.value(decisions) == 4, "the old ones stay in the ledger"
    database.run("SELECT triage.add_label('changing', 'fruit', 'coffee cherries')")
    assert database.value(decisions) == 4, "said again: no decision"
    database.run("SELECT triage.add_label('changing', 'fruit', '')")
    assert database.value("SELECT classify_email('a cup of coffee', 'changing')") == "drink", "all that is left"
    assert database.value("SELECT triage.learned_state('changing')::text = triage.replayed_state('changing')::text")
    # What was taken back leaves no trace, what was learned does.
    database.run("DELETE FROM triage.label WHERE classifier = 'changing' AND label = 'fruit'")
    with refused("55006"):
        database.run("DELETE FROM triage.label WHERE classifier = 'changing'")
    assert database.column("SELECT label FROM triage.label WHERE classifier = 'changing'") == ["drink"]


def test_a_label_with_one_email_does_not_take_over(mails):
    mails.run("SELECT triage.create_classifier('rare')")
    mails.run(f"""
        SELECT triage.deploy('rare', train_classifier(body, label)) FROM (
            SELECT {TEXT} AS body, label FROM triage.email WHERE mailbox = 'sample/train'
            UNION ALL SELECT 'The canteen closes at two, please return the trays', 'canteen') AS mail""")
    # Of 90 mails about other things.
    assert (
        mails.value(
            f"SELECT count(*) FROM triage.email WHERE mailbox = 'sample/new' AND classify_email({TEXT}, 'rare') = 'canteen'"
        )
        <= 2
    )
    assert mails.value("SELECT classify_email('please return the canteen trays before two', 'rare')") == "canteen"
