"""What Python's `email` reads of a raw message, put together as a mail program would show it."""

import codecs
import email
import email.policy
import html
import re
from datetime import UTC
from email.utils import parseaddr

TEXT = "text/plain", "text/html", "text/enriched", "text/richtext"
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
    for address in getattr(header(message, "From"), "addresses", ()):
        name, spec = address.display_name, address.addr_spec.strip("<>")
        if spec and not name:  # a comment: joe@example.org (Joe)
            name, same = parseaddr(raw)
            name = name if same == spec else ""
        if spec or name:
            return written(name, spec if "@" in spec else spec.strip('"'))
    return written(*parseaddr(raw)) or raw.strip(' ()<>"')  # no address at all


def date_of(message):
    value = header(message, "Date")
    found = getattr(value, "datetime", None)
    if found is None:
        return None
    if found.tzinfo is None:  # as parse_email does
        found = found.replace(tzinfo=UTC)
    return int(found.timestamp())


def leaf(part):
    """A part's text. A charset that Python does not know, or that is wrong, is UTF-8 or
    windows-1252."""
    try:
        text = part.get_content()
        if "\ufffd" in text:
            raise LookupError
    except (LookupError, ValueError, AssertionError):
        text = guessed(part.get_payload(decode=True) or b"")
    return text if part.get_content_type() == "text/plain" else stripped(text)


def stripped(markup):
    """HTML without its tags. Alternative texts stay."""
    markup = re.sub(r"(?s)<!--.*?-->", "", markup)
    markup = re.sub(r"(?is)<(script|style|title)\b.*?</\1\s*>", "", markup)
    markup = re.sub(r"""(?is)<img\b[^>]*?\balt\s*=\s*(?:"([^"]*)"|'([^']*)')[^>]*>""", r"\1\2", markup)
    return html.unescape(re.sub(r"(?s)</?[a-zA-Z!?][^>]*>", "", markup))


def texts_of(part, later, root=False):
    """The texts that a mail program shows of a part, decoded by Python. Messages in it come
    later."""
    kind = part.get_content_type()
    if kind in MESSAGES:
        later.append(part)
    elif kind == "multipart/alternative":
        bodies = [part.get_body((kind,)) for kind in ("plain", "html")]
        texts = [leaf(body) for body in bodies if body is not None]
        yield next((text for text in texts if text.strip()), "")
    elif kind == "multipart/related":
        yield from texts_of(next(part.iter_parts()), later)
    elif part.is_multipart():
        for child in part.iter_parts():
            yield from texts_of(child, later)
    elif kind in TEXT and (root or not part.is_attachment()):
        yield leaf(part)


def text_of(message):
    later = []
    found = [*texts_of(message, later, root=True)]
    for part in later:
        for inner in part.iter_parts():
            heading = {"Subject": subject_of(inner), "From": sender_of(inner)}
            found += [f"{name}: {value}" for name, value in heading.items() if value]
            found.append(text_of(inner))
    return "\n".join(found)


def written(name, address):
    return f"{name} <{address}>" if name and address else name or address


def python_reading(raw):
    """Subject, sender, date in seconds, and text of these bytes."""
    message = decoded(email.message_from_bytes(raw, policy=email.policy.default))
    return {
        "subject": subject_of(message),
        "sender": sender_of(message),
        "date": date_of(message),
        "text": text_of(message),
    }
