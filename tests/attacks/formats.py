"""Texts that are neither plain nor HTML: calendars, vCards, reports; and what is attached."""

from .build import MIXED, encoded, fill, repeated, shape, typed

CALENDAR = typed(b"text/calendar; charset=utf-8; method=REQUEST") + b"BEGIN:VCALENDAR\r\n"
STATUS = typed(b"message/delivery-status")

repeated("calendar of events", CALENDAR, b"BEGIN:VEVENT\r\nSUMMARY:invoice {n}\r\nDESCRIPTION:x\r\nEND:VEVENT\r\n")
repeated("calendar of beginnings", CALENDAR, b"BEGIN:VEVENT\r\n")
repeated("calendar in one line", CALENDAR + b"BEGIN:VEVENT\r\nSUMMARY:", b"x\\n\\,")
repeated("calendar in folds", CALENDAR + b"BEGIN:VEVENT\r\nDESCRIPTION:", b"x\r\n ")
repeated("calendar in soft breaks", CALENDAR + b"BEGIN:VEVENT\r\nSUMMARY;ENCODING=QUOTED-PRINTABLE:", b"=\r\n")
repeated("calendar of parameters", CALENDAR + b"BEGIN:VEVENT\r\nATTENDEE", b';CN="a;b:c"')
repeated(
    "calendar of attendees",
    CALENDAR + b"BEGIN:VEVENT\r\n",
    b"ATTENDEE;CN=a{n};PARTSTAT=DECLINED:mailto:b@example.org\r\n",
)
repeated("calendar with HTML", CALENDAR + b"BEGIN:VEVENT\r\nDESCRIPTION:", b"</p><br a=b>")
repeated("vCards", typed(b"text/vcard"), b"BEGIN:VCARD\r\nitem1.FN;x=y:Ann;;Lee\r\n")
repeated("vCard with a picture", typed(b"text/vcard") + b"BEGIN:VCARD\r\nPHOTO:", b"aGVsbG8\r\n ")
repeated(
    "delivery status of recipients", STATUS, b"Final-Recipient: rfc822; a{n}@example.org\r\nAction: failed\r\n\r\n"
)
repeated("delivery status in folds", STATUS + b"Diagnostic-Code: smtp; ", b"=?utf-8?q?a?=\r\n ")
repeated(
    "complaints",
    typed(b"message/feedback-report"),
    b"Feedback-Type: abuse\r\nReported-URI: http://example.org/{n}\r\n\r\n",
)
repeated("returned header", typed(b"text/rfc822-headers"), b"Subject: =?utf-8?q?invoice?=\r\n")
repeated("attached texts", MIXED, b"--b\r\nContent-Disposition: attachment\r\n\r\ninvoice {n}\r\n")
repeated("attached bytes", MIXED, b"--b\r\nContent-Type: application/octet-stream\r\n\r\ninvoice {n}\r\n")
repeated("reports in parts", MIXED, b"--b\r\nContent-Type: message/delivery-status\r\n\r\nAction: failed\r\n")
repeated("bodies elsewhere", MIXED, b'--b\r\nContent-Type: message/external-body; url="http://{n}"\r\n\r\n\r\n')
repeated(
    "calendar in Base64", encoded(b"base64", b"text/calendar"), b"QkVHSU46VkVWRU5UDQpTVU1NQVJZOngNCkVORDpWRVZFTlQN"
)


@shape
def calendars_beside_a_text(size, _):
    """Each looks in the text for what it says."""
    text = b"--b\r\n\r\n" + fill(b"a" * 70 + b"\r\n", min(size // 2, 100_000))
    calendar = (
        b"--b\r\nContent-Type: text/calendar\r\n\r\nBEGIN:VEVENT\r\nDESCRIPTION:" + b"a" * 79 + b"b\r\nEND:VEVENT\r\n"
    )
    return MIXED + text + fill(calendar, size - len(text))
