"""What the shapes are built from."""

import random

HEAD = b"From: Ann Example <ann@example.org>\r\nTo: desk@example.com\r\nSubject: hello\r\nMIME-Version: 1.0\r\n"
BODY = b"Could you send the invoice again?\r\n"

# name: function of a size in bytes and a random.Random
SHAPES = {}
# name: what a shape begins with, and what it repeats, where that is all it does
UNITS = {}


def shape(function):
    """Registers a function as the shape of its name."""
    SHAPES[function.__name__.replace("_", " ")] = function
    return function


def repeated(name, head, unit, tail=b""):
    """Registers a shape that is mostly one unit, again and again; `{n}` in it is a number that
    goes up."""
    UNITS[name] = head, unit
    SHAPES[name] = lambda size, _: head + fill(unit, size - len(head) - len(tail)) + tail


def fill(unit, size):
    """About as many bytes, at least one unit."""
    if b"{n}" not in unit:
        return unit * max(size // len(unit), 1)
    pieces = []
    while size > 0 or not pieces:
        pieces.append(unit.replace(b"{n}", b"%d" % len(pieces)))
        size -= len(pieces[-1])
    return b"".join(pieces)


def typed(content_type, *fields):
    """The head of a message, up to its body."""
    return HEAD + b"".join(field + b"\r\n" for field in (b"Content-Type: " + content_type, *fields)) + b"\r\n"


def encoded(encoding, content_type=b"text/plain; charset=utf-8"):
    return typed(content_type, b"Content-Transfer-Encoding: " + encoding)


MIXED = typed(b"multipart/mixed; boundary=b")

# What has a meaning somewhere: put into the middle of something else.
TOKENS = [
    b"\0",
    b"\r",
    b"\n",
    b"\r\n\r\n",
    b"\n\n",
    b"--b\r\n",
    b"--b--\r\n",
    b"--",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"=?utf-8?b?",
    b"?=",
    b"=?",
    b"=\r\n",
    b"=",
    b"(",
    b")",
    b'"',
    b"<",
    b">",
    b"<!--",
    b"<![CDATA[",
    b"<script>",
    b"&#",
    b"&",
    b";",
    b":",
    b",",
    b"@",
    b"\\",
    b"Content-Type: multipart/mixed; boundary=b\r\n",
    b"Content-Type: message/rfc822\r\n\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
    b"From ",
    b" ",
    b"\t",
    b"\x1b$B",
    b"\x0e",
    b"+ADw-",
    b"begin 644 x\n",
    b"Content-Type: text/calendar\r\n",
    b"Content-Type: message/delivery-status\r\n",
    b"Content-Type: application/octet-stream\r\n",
    b"BEGIN:VEVENT\r\n",
    b"END:VEVENT\r\n",
    b"DTSTART;TZID=x:20260310T090000Z\r\n",
    b"SUMMARY;ENCODING=QUOTED-PRINTABLE:",
    b"DESCRIPTION:",
    b"BEGIN:VCARD\r\nFN:",
    b"Final-Recipient: rfc822;",
    b"Action: failed\r\n",
]


def mutated(raw, chance):
    """The message after a few accidents."""
    raw = bytearray(raw)
    for _ in range(chance.randint(1, 8)):
        at = chance.randint(0, len(raw))
        end = min(at + chance.randint(1, 200), len(raw))
        match chance.randrange(7):
            case 0:
                raw[at:at] = chance.choice(TOKENS)
            case 1:
                raw[at:end] = chance.choice(TOKENS)
            case 2:
                raw[at:end] = chance.randbytes(end - at)
            case 3:
                del raw[at:end]
            case 4:
                raw[at:at] = raw[at:end] * chance.randint(1, 5)
            case 5:
                raw = raw.replace(b"\r\n", chance.choice([b"\n", b"\r", b"\n\r", b"\r\r\n"]))
            case 6 if chance.random() < 0.3:
                del raw[at:]
    return bytes(raw)


def make(name, size=1_000, seed=0):
    """The message of this shape, of about this many bytes."""
    chance = random.Random(f"{name} {size} {seed}")
    raw = SHAPES[name](size, chance)
    return mutated(raw, chance) if seed else raw
