"""Senders and recipients are read as a person reads them, also where names have no quotation marks,
brackets are doubled or missing, or encoded words stand where none may: as phishing mail has them."""

import pytest


@pytest.mark.parametrize(
    ("value", "sender"),
    [
        ("Müller, Anna <anna@example.org>", "Müller, Anna <anna@example.org>"),
        ("Shop, Inc. <orders@example.org>", "Shop, Inc. <orders@example.org>"),
        ("Shop: Order 12:30 <orders@example.org>", "Shop: Order 12:30 <orders@example.org>"),
        ("bank@example.com <thief@example.net>", "bank@example.com <thief@example.net>"),
        ('"bank@example.com" thief@example.net', "bank@example.com <thief@example.net>"),
        ("Bank <<thief@example.net>>", "Bank <thief@example.net>"),
        ("<Bank> <thief@example.net>", "Bank <thief@example.net>"),
        ('"Bank <thief@example.net>', "Bank <thief@example.net>"),
        ("Bank (Security <thief@example.net>", "Bank Security <thief@example.net>"),
        ("Bank [mailto:thief@example.net]", "Bank <thief@example.net>"),
        ("=?utf-8?b?QmFuayA8Yj5AeA==?= <thief@example.net>", "Bank <b>@x <thief@example.net>"),
        ("Bank <=?utf-8?q?thief=40example=2Enet?=>", "Bank <thief@example.net>"),
        ("thief @ example.net", "thief@example.net"),
        ("MAILER-DAEMON (Mail Delivery System)", "Mail Delivery System <MAILER-DAEMON>"),
    ],
)
def test_the_sender_is_who_a_person_would_answer(module_database, value, sender):
    raw = f"From: {value}\n\nx".encode()
    assert module_database.value("SELECT sender FROM parse_email(%s)", raw) == sender


@pytest.mark.parametrize(
    ("value", "recipients"),
    [
        ("Lee, Ann <a@example.org>, Coe, Cy <c@example.org>", "Lee, Ann <a@example.org>, Coe, Cy <c@example.org>"),
        ("Us: a@example.org, Bob <b@example.org>;, c@example.org", "a@example.org, Bob <b@example.org>, c@example.org"),
        ("a@example.org; b@example.org c@example.org", "a@example.org, b@example.org, c@example.org"),
        ("root, Ann <a@example.org>", "root, Ann <a@example.org>"),
        ("undisclosed-recipients:; (nobody is named)", None),
    ],
)
def test_recipients_are_all_addresses(module_database, value, recipients):
    raw = f"To: {value}\n\nx".encode()
    assert module_database.value("SELECT recipients FROM parse_email(%s)", raw) == recipients
