"""What Python's `email` reads of a raw message, put together as a mail program would show it."""

import codecs
import email
import email.policy
import html
import re
from datetime import UTC
from email.utils import parseaddr

NO_TEXT = "text/calendar", "text/x-vcalendar", "text/vcard", "text/x-vcard", "text/directory"
HEADERS = "text/rfc822-headers"
# What Python has no reader for, and parse_email tells in lines of its own.
TOLD = "text/calendar", "application/ics", "message/delivery-status"
# Labels mean what browsers and mail programs take them for (WHATWG Encoding).
WIDER = {"gb2312": "gb18030", "ks_c_5601-1987": "cp949", "shift_jis": "cp932", "iso-8859-1": "windows-1252"}
MESSAGES = "message/rfc822", "message/global", "message/news", "message/partial"


def western(error):
    """Windows-1252 as browsers have it: bytes that mean nothing are control characters."""
    return "".join(map(chr, error.object[error.start : error.end])), error.end


codecs.register_error("western", western)


def guessed(raw):
    """Text of bytes in no known charset."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("windows-1252", "western")


def with_wider_charsets(raw):
    """These bytes with encoded words under the label that is meant."""
    return re.sub(rb"(?i)(?<==\?)gb2312(?=\?[bq]\?)", b"gb18030", raw)


def decoded(message):
    """The message with text where its header has bytes, which Python leaves to its caller."""
    for name, value in message.raw_items():
        if re.search("[\udc80-\udcff]", value) and "=?" not in value:
            text = guessed(value.encode("utf-8", "surrogateescape"))
            message.replace_header(name, re.sub(r"\r?\n", "", text))
    return message


def raw_header(message, name):
    return next((value for other, value in message.raw_items() if other.lower() == name.lower()), None)


def header(message, name):
    """A header object, or None. Some values make Python's header parser raise."""
    try:
        return message[name]
    except Exception:
        return None


def subject_of(message):
    value = header(message, "Subject")
    return None if value is None else str(value)


def sender_of(message):
    """The first address in From."""
    raw = raw_header(message, "From")
    if raw is None:
        return None
    if named := re.fullmatch(r"\s*([^\s\"<>,;:()]+@[^\s\"<>,;:()]+)\s*<([^<>\s]+@[^<>\s]+)>\s*", raw):
        return written(*named.groups())
    for address in getattr(header(message, "From"), "addresses", ()):
        name, spec = address.display_name, address.addr_spec.strip("<>")
        if spec and not name:  # a comment: joe@example.org (Joe)
            name, same = parseaddr(raw)
            name = name if same == spec else ""
        if spec or name:
            return written(name, spec if "@" in spec else spec.strip('"'))
    return written(*parseaddr(raw)) or raw.strip(' ()<>"')  # no address at all


def date_of(message):
    raw = raw_header(message, "Date")
    value = header(message, "Date")
    if raw is not None and "(" in raw:
        value = email.policy.default.header_factory("Date", re.sub(r"\([^()]*\)|[\r\n]", " ", raw))
    found = getattr(value, "datetime", None)
    if found is None:
        return None
    if found.tzinfo is None:  # as parse_email does
        found = found.replace(tzinfo=UTC)
    return int(found.timestamp())


def leaf(part):
    """A part's text. What is UTF-8 is UTF-8; a charset that Python does not know, or that is
    wrong, is UTF-8 or windows-1252. A document is HTML if nothing says what it is."""
    raw = part.get_payload(decode=True) or b""
    label = (part.get_content_charset() or "").lower()
    try:
        if not label.startswith(("utf", "iso-2022")) and not raw.isascii():
            text = raw.decode("utf-8")
        else:
            raise UnicodeError
    except UnicodeError:
        try:
            if label in WIDER:
                part.set_param("charset", WIDER[label])
            text = part.get_content()
            if "\ufffd" in text:
                raise LookupError
        except (LookupError, ValueError, AssertionError, KeyError):
            text = guessed(raw)
    if part.get_content_type() != "text/plain":
        return stripped(text)
    document = "Content-Type" not in part and re.match(r"(?i)\s*<(html|!doctype html)", text)
    return stripped(text) if document else text


def stripped(markup):
    """HTML without its tags. Alternative texts stay."""
    markup = re.sub(r"(?s)<!--.*?-->", "", markup)
    markup = re.sub(r"(?is)<(script|style|title)\b.*?</\1\s*>", "", markup)
    markup = re.sub(r"""(?is)<img\b[^>]*?\balt\s*=\s*(?:"([^"]*)"|'([^']*)')[^>]*>""", r"\1\2", markup)
    return html.unescape(re.sub(r"(?s)</?[a-zA-Z!?][^>]*>", "", markup))


def without_blocks(text):
    """Text without files that are encoded in it."""
    text = text.replace("\r\n", "\n")
    text = re.sub(r"(?m)^begin [0-7]{3} .*\n(?:[ -`]{0,62}\n)*?end *$", "", text)
    return re.sub(r"(?m)(?:^[A-Za-z0-9+/]{60,76}\n){3,}[A-Za-z0-9+/]*={0,2} *$", "", text)


def is_text(kind):
    return kind.startswith("text/") and kind not in (*NO_TEXT, HEADERS)


def texts_of(part, later, root=False, attached=False):
    """The texts that a mail program shows of a part, decoded by Python. Messages and headers in
    it come later."""
    kind = part.get_content_type()
    if kind in (*MESSAGES, HEADERS):
        later.append(part)
    elif kind == "multipart/alternative":
        yield alternative(list(part.iter_parts()), later)
    elif kind == "multipart/related":
        parts = list(part.iter_parts())
        texts = [part for part in parts if part.is_multipart() or is_text(part.get_content_type())]
        yield from texts_of((texts or parts)[0], later)
    elif part.is_multipart():
        for child in part.iter_parts():
            yield from texts_of(child, later, attached=attached)
    elif is_text(kind) and (root or attached or not part.is_attachment()):
        yield leaf(part)


def alternative(parts, later):
    """Of alternatives the plain one, or the HTML if that is blank."""
    first = {}
    for part in parts:
        inner = part
        while inner.get_content_maintype() == "multipart" and inner.get_payload():
            inner = inner.get_payload()[0]
        first.setdefault(inner.get_content_type(), part)
    for kind in ("text/plain", "text/html"):
        text = "\n".join(texts_of(first[kind], later)) if kind in first else ""
        if text.strip():
            return text
    return ""


def text_of(message):
    later = []
    found = [*texts_of(message, later, root=True)]
    for part in later:
        if part.get_content_type() == HEADERS:
            inner = decoded(email.message_from_string(part.get_content(), policy=email.policy.default))
            found += headings(inner)
            continue
        for inner in part.iter_parts():
            found += headings(inner)
            found.append(text_of(inner))
    if not "".join(found).strip():
        found = [*texts_of(message, [], attached=True)]
    return "\n".join(found)


def headings(message):
    values = {"Subject": subject_of(message), "From": sender_of(message)}
    return [f"{name}: {value}" for name, value in values.items() if value]


def written(name, address):
    return f"{name} <{address}>" if name and address else name or address


def python_reading(raw):
    """Subject, sender, date in seconds, and text of these bytes, and whether parse_email tells
    more than Python can."""
    message = decoded(email.message_from_bytes(with_wider_charsets(raw), policy=email.policy.default))
    return {
        "subject": subject_of(message),
        "sender": sender_of(message),
        "date": date_of(message),
        "text": without_blocks(text_of(message)),
        "told": any(part.get_content_type() in TOLD for part in message.walk()),
    }
