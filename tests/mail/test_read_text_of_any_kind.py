"""Mail is read whatever its text is: Markdown, invitations, reports for programs, what is attached;
and it is classified by that."""

import base64

import pytest

HEAD = "From: Ann <ann@example.org>\r\nSubject: s\r\nMIME-Version: 1.0\r\n"
EVENT = (
    "BEGIN:VCALENDAR\r\nMETHOD:{}\r\nBEGIN:VEVENT\r\nUID:7@example.org\r\nDTSTART;TZID=Europe/Berlin:20260310T090000\r\n"
    "SUMMARY:Roof\r\n  inspection\r\nLOCATION:Yard 2\\, north\r\nDESCRIPTION:Bring the keys.\r\nEND:VEVENT\r\nEND:VCALENDAR"
)
STATUS = (
    "Reporting-MTA: dns; mx.example.org\r\n\r\nFinal-Recipient: rfc822; bob@example.org\r\n"
    "Action: {}\r\nStatus: {}\r\nDiagnostic-Code: smtp; mailbox full"
)


def one(content_type, text):
    return f"{HEAD}Content-Type: {content_type}\r\n\r\n{text}\r\n".encode()


def multipart(subtype, *parts):
    body = "".join(f"--b\r\n{part}\r\n" for part in parts)
    return f"{HEAD}Content-Type: multipart/{subtype}; boundary=b\r\n\r\n{body}--b--\r\n".encode()


def part(content_type, text, *fields):
    return "\r\n".join((f"Content-Type: {content_type}", *fields, "", text))


def in_base64(content_type, text):
    return part(content_type, base64.encodebytes(text.encode()).decode(), "Content-Transfer-Encoding: base64")


ATTACHED = "Content-Disposition: attachment"
PLAIN = "The roof leaks again."

RAW = {
    "Markdown": (multipart("mixed", part("text/markdown", PLAIN)), PLAIN),
    "a type that is written wrongly": (multipart("mixed", part("plain/text", PLAIN)), PLAIN),
    "an unknown kind of text": (multipart("related", part("text/x-ours", PLAIN)), PLAIN),
    "RTF": (multipart("mixed", part("text/rtf", r"{\rtf1\ansi The roof {\b leaks} again.}")), PLAIN),
    "a watch before the HTML": (
        multipart("alternative", part("text/html", "<p>The roof leaks again.</p>"), part("text/watch-html", "roof")),
        PLAIN,
    ),
    "attached text": (multipart("mixed", part("text/plain", PLAIN, ATTACHED)), PLAIN),
    "attached alternatives": (
        multipart("alternative", part("text/plain", PLAIN, ATTACHED), part("text/html", "<p>roof", ATTACHED)),
        PLAIN,
    ),
    "bytes that are text": (one("application/octet-stream; name=a.txt", PLAIN), PLAIN),
    "an invitation": (
        one("text/calendar; method=REQUEST", EVENT.format("REQUEST")),
        "Invitation: Roof inspection\nWhen: 2026-03-10 09:00 Europe/Berlin\nWhere: Yard 2, north\n\nBring the keys.",
    ),
    "an invitation beside its text": (
        multipart(
            "alternative", part("text/plain", "Bring the keys."), in_base64("text/calendar", EVENT.format("CANCEL"))
        ),
        "Bring the keys.\n\nCancelled: Roof inspection\nWhen: 2026-03-10 09:00 Europe/Berlin\nWhere: Yard 2, north",
    ),
    "a vCard": (
        multipart("mixed", part("text/vcard; name=a.vcf", "BEGIN:VCARD\r\nFN:Ann Lee\r\nTEL:123\r\nEND:VCARD")),
        "Ann Lee\n123",
    ),
    "a delivery status": (
        multipart("report", part("message/delivery-status", STATUS.format("failed", "5.2.2"))),
        "Delivery failed: bob@example.org (5.2.2)\nmailbox full",
    ),
    "a delay": (
        multipart("report", in_base64("message/delivery-status", STATUS.format("delayed", "4.2.2"))),
        "Delivery delayed: bob@example.org (4.2.2)\nmailbox full",
    ),
    "a receipt": (
        multipart("report", part("message/disposition-notification", "Disposition: manual-action; displayed")),
        "Message displayed",
    ),
    "a complaint": (
        multipart("report", part("message/feedback-report", "Feedback-Type: abuse\r\nSource-IP: 192.0.2.1")),
        "Complaint: abuse\nSource: 192.0.2.1",
    ),
    "a returned header": (
        multipart(
            "report", part("text/plain", PLAIN), part("text/rfc822-headers", "Subject: offer\r\nFrom: a@example.org")
        ),
        f"{PLAIN}\n\nSubject: offer\nFrom: a@example.org",
    ),
    "another boundary than the header has": (
        multipart("mixed", part("text/html", "<p>The roof leaks again.")).replace(b"boundary=b", b"boundary=c"),
        PLAIN,
    ),
}


@pytest.mark.parametrize("name", RAW)
def test_the_body_is_what_a_reader_sees(module_database, name):
    raw, body = RAW[name]
    assert module_database.value("SELECT body FROM parse_email(%s)", raw) == body


@pytest.mark.parametrize(
    "raw",
    [
        multipart("mixed", part("text/csv; name=a.csv", "a,b"), part("text/plain", PLAIN)),
        multipart("mixed", part("text/plain", PLAIN), part("text/plain; name=a.txt", "keys", ATTACHED)),
        multipart(
            "report", part("text/plain", PLAIN), part("message/delivery-status", STATUS.format("failed", "5.0.0"))
        ),
        multipart(
            "encrypted", part("application/octet-stream", "-----BEGIN PGP MESSAGE-----"), part("text/plain", PLAIN)
        ),
    ],
)
def test_files_and_reports_beside_a_text_are_listed_only(module_database, raw):
    body, attachments = module_database.row("SELECT body, attachments FROM parse_email(%s)", raw)
    assert body == PLAIN
    assert len(attachments.splitlines()) == 1


def test_it_is_classified_by_that_text(database):
    database.run(
        """SELECT triage.deploy('default', train_classifier(body, label))
             FROM generate_series(1, 20), (VALUES ('roof inspection', 'house'), ('delivery failed', 'bounce')) AS m (body, label)"""
    )
    labels = [
        database.value("SELECT classify_email(%s::bytea)", RAW[name][0])
        for name in ("an invitation", "a delivery status")
    ]
    assert labels == ["house", "bounce"]
