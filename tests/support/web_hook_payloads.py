"""What the common services post of one email: as fields, and as the raw message.

Every payload of FIELDS tells of the same message, of which WANTED is what the inbox has to hold;
every payload of RAW_MESSAGES carries the bytes RAW."""

import base64
import json
import uuid

from support.mails import message

RAW = message(1, newline="\r\n", **{"Content-Transfer-Encoding": "8bit"}).replace(
    b"charged", "belastet f\u00fcr \U0001f4b6 \u2013".encode()
)
TEXT = RAW.decode()

PLAIN = "We were charged twice \u2013 for order 7.\nPlease send the money back."
HTML = "<html><body><p>We were <b>charged</b> twice</p></body></html>"
PDF_BYTES = b"%PDF-1.4" + bytes(992)
PDF = base64.b64encode(PDF_BYTES).decode()
SENDER = "Anna M\u00fcller <anna@example.net>"
SUBJECT = "Invoice 7 \u20ac"
DESK = "support@example.com"
# message_id, sender, recipients, subject, sent_at, attachments.
WANTED = [
    "m7@example.net",
    SENDER,
    DESK,
    SUBJECT,
    "2026-03-02 08:00:00+00",
    "bill 7.pdf (application/pdf, 1000 bytes)",
]
HEADER = {
    "Message-ID": "<m7@example.net>",
    "Date": "Mon, 02 Mar 2026 09:00:00 +0100",
    "From": SENDER,
    "To": DESK,
    "Subject": SUBJECT,
}

MAILGUN = {
    "recipient": DESK,
    "sender": "bounce@example.net",
    "From": SENDER,
    "from": SENDER,
    "To": DESK,
    "subject": SUBJECT,
    "Subject": SUBJECT,
    "body-plain": PLAIN,
    "stripped-text": "We were",
    "body-html": HTML,
    "attachment-count": "1",
    "timestamp": "1772438410",
    "token": "a1",
    "signature": "b2",
    "message-headers": json.dumps([["Received", "by mx.example.com"], *HEADER.items()]),
    "attachments": json.dumps(
        [
            {
                "url": "https://example.com/1",
                "content-type": "application/pdf",
                "name": "bill 7.pdf",
                "size": 1000,
            }
        ]
    ),
}
SENDGRID = {
    "headers": "Received: by mx.example.com;\r\n Mon, 02 Mar 2026\r\n"
    + "".join(f"{name}: {value}\n" for name, value in HEADER.items()),
    "from": SENDER,
    "to": DESK,
    "subject": SUBJECT,
    "text": PLAIN,
    "html": HTML,
    "attachments": "1",
    "attachment-info": json.dumps(
        {"attachment1": {"filename": "bill 7.pdf", "name": "bill 7.pdf", "type": "application/pdf"}}
    ),
    "envelope": json.dumps({"to": [DESK], "from": "anna@example.net"}),
    "charsets": '{"text": "utf-8"}',
    "spam_score": "0.1",
}
POSTMARK = {
    "FromName": "Anna M\u00fcller",
    "From": "anna@example.net",
    "FromFull": {"Email": "anna@example.net", "Name": "Anna M\u00fcller", "MailboxHash": ""},
    "To": DESK,
    "ToFull": [{"Email": DESK, "Name": "", "MailboxHash": ""}],
    "Cc": "",
    "CcFull": [],
    "OriginalRecipient": DESK,
    "Subject": SUBJECT,
    "MessageID": "73e6d360-66eb-11e1-8e72-a8904824019b",
    "Date": "Mon, 2 Mar 2026 09:00:00 +01:00",
    "TextBody": PLAIN,
    "HtmlBody": HTML,
    "StrippedTextReply": "",
    "Tag": "",
    "Headers": [
        {"Name": "Message-ID", "Value": "<m7@example.net>"},
        {"Name": "X-Spam-Score", "Value": "0.1"},
    ],
    "Attachments": [{"Name": "bill 7.pdf", "Content": PDF, "ContentType": "application/pdf", "ContentLength": 1000}],
}
CLOUDMAILIN = {
    "headers": {
        "received": ["by mx.example.com", "from mail.example.net"],
        "message_id": "<m7@example.net>",
        "date": HEADER["Date"],
        "from": SENDER,
        "to": DESK,
        "subject": SUBJECT,
        "content_type": "multipart/mixed; boundary=x",
    },
    "envelope": {
        "to": DESK,
        "from": "anna@example.net",
        "recipients": [DESK],
        "helo_domain": "example.net",
    },
    "plain": PLAIN,
    "html": HTML,
    "reply_plain": "",
    "attachments": [
        {
            "content": PDF,
            "file_name": "bill 7.pdf",
            "content_type": "application/pdf",
            "size": "1000",
            "disposition": "attachment",
        }
    ],
}
MANDRILL = {
    "event": "inbound",
    "ts": 1772438400,
    "msg": {
        "from_email": "anna@example.net",
        "from_name": "Anna M\u00fcller",
        "to": [[DESK, None]],
        "email": DESK,
        "subject": SUBJECT,
        "text": PLAIN,
        "html": HTML,
        "headers": {"Received": ["by mx.example.com"], "Message-Id": "<m7@example.net>"},
        "attachments": {
            "bill 7.pdf": {
                "name": "bill 7.pdf",
                "type": "application/pdf",
                "content": PDF,
                "base64": True,
            }
        },
        "tags": [],
        "sender": None,
    },
}
OWN = {
    "message_id": "m7@example.net",
    "date": "2026-03-02T09:00:00+01:00",
    "from": {"name": "Anna M\u00fcller", "email": "anna@example.net"},
    "to": [DESK],
    "subject": SUBJECT,
    "text": PLAIN,
    "html": HTML,
    "attachments": [{"name": "bill 7.pdf", "type": "application/pdf", "content": PDF}],
}
SES = {
    "notificationType": "Received",
    "mail": {
        "timestamp": "2026-03-02T08:00:00.000Z",
        "source": "anna@example.net",
        "messageId": "x1",
        "destination": [DESK],
        "commonHeaders": {"subject": "Invoice 7"},
    },
    "receipt": {"action": {"type": "SNS", "encoding": "UTF8"}},
}


def sns(inner):
    """What Amazon SNS wraps a notification of SES into."""
    return {
        "Type": "Notification",
        "MessageId": str(uuid.uuid4()),
        "Subject": "Amazon SES Email Receipt Notification",
        "Message": json.dumps(inner),
        "Timestamp": "2026-03-02T08:00:01.000Z",
        "Signature": "c3",
    }


def _base64(text):
    return base64.b64encode(text.encode()).decode()


FIELDS = {
    "Mailgun": MAILGUN,
    "SendGrid": SENDGRID,
    "Postmark": POSTMARK,
    "CloudMailin": CLOUDMAILIN,
    "Mandrill": MANDRILL,
    "your own": OWN,
}
# These tell of files without their content, so that there is nothing to count.
WITHOUT_SIZES = "Mailgun", "SendGrid"
RAW_MESSAGES = {
    "Mailgun": MAILGUN | {"body-mime": TEXT},
    "SendGrid": {"email": TEXT, "to": DESK},
    "Postmark": POSTMARK | {"RawEmail": TEXT},
    "Amazon SES": SES | {"content": TEXT},
    "Amazon SES, base64": SES | {"content": _base64(TEXT)},
    "Amazon SNS": sns(SES | {"content": TEXT}),
    "Amazon SNS, base64": sns(SES | {"content": _base64(TEXT)}),
    "Mandrill": {"event": "inbound", "ts": 1, "msg": {"raw_msg": TEXT, "email": DESK}},
    "Mandrill, one event": {"mandrill_events": json.dumps([{"event": "inbound", "msg": {"raw_msg": TEXT}}])},
    "Gmail": {
        "id": "18f",
        "threadId": "18f",
        "snippet": "We",
        "raw": base64.urlsafe_b64encode(RAW).decode().rstrip("="),
    },
    "your own": {"raw": TEXT},
    "base64 with line breaks": {"RAW": base64.encodebytes(RAW).decode()},
}
