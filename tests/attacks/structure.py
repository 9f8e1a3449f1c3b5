"""Parts within parts: what is wrong with how a message is put together."""

import base64
import io
import zipfile

from .build import BODY, HEAD, MIXED, fill, repeated, shape, typed

PART = b"--b\r\nContent-Type: text/plain\r\n\r\n" + BODY
ATTACHED = b"--b\r\nContent-Type: application/zip; name=a.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n"

# ---- depth -------------------------------------------------------------------

OPENS = b"--b{n}\r\nContent-Type: multipart/mixed; boundary=b{m}\r\n\r\n"


def opened(size):
    """Multiparts that open one another, and how many there are."""
    depth = max(size // (len(OPENS) + 6), 2)
    levels = b"".join(OPENS.replace(b"{n}", b"%d" % n).replace(b"{m}", b"%d" % (n + 1)) for n in range(depth))
    return typed(b"multipart/mixed; boundary=b0") + levels + b"--b%d\r\n\r\n" % depth + BODY, depth


@shape
def nested_multiparts(size, _):
    head, depth = opened(size * 5 // 6)
    return head + b"".join(b"--b%d--\r\n" % n for n in range(depth, -1, -1))


@shape
def nested_multiparts_without_an_end(size, _):
    return opened(size)[0]


@shape
def deep_and_then_long(size, _):
    """Every line may be the boundary of any of forty open multiparts."""
    return opened(40 * 60)[0] + fill(b"--b4\t{n} is none of them\r\n", size)


@shape
def messages_in_messages_and_then_long(size, _):
    """The size of each message is that of all in it."""
    return HEAD + b"Content-Type: message/rfc822\r\n\r\n" * 30 + b"\r\n" + fill(BODY, size)


@shape
def encoded_messages_of_many_parts(size, _):
    """Whoever counts the parts of each message by itself counts too few."""
    inner = base64.encodebytes(MIXED + fill(b"--b\nContent-Type: a/b\n\n", min(size, 20_000)))
    return (
        MIXED
        + fill(b"--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n" + inner, size)
        + b"--b--\r\n"
    )


@shape
def nested_messages_in_base64(size, _):
    """Each level makes the message a third larger."""
    raw = HEAD + b"\r\n" + BODY
    while len(raw) * 4 // 3 < size:
        raw = typed(b"message/rfc822", b"Content-Transfer-Encoding: base64") + base64.encodebytes(raw)
    return raw


repeated("nested messages", HEAD, b"Content-Type: message/rfc822\r\n\r\n", b"\r\n" + BODY)
repeated(
    "nested messages with subjects",
    HEAD,
    b"Content-Type: message/rfc822\r\n\r\nSubject: {n}\r\nFrom: a{n}@example.org\r\n",
    b"\r\n" + BODY,
)
repeated(
    "messages in multiparts in messages",
    HEAD,
    b"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\nContent-Type: message/rfc822\r\n\r\n",
    b"\r\n" + BODY,
)

# ---- boundaries --------------------------------------------------------------

repeated(
    "children with their parent's boundary", MIXED, b"--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n", PART
)
repeated(
    "two boundaries in turn",
    MIXED,
    b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n",
)
repeated("empty boundary", typed(b'multipart/mixed; boundary=""'), b"--\r\n\r\ntext\r\n")
repeated("boundary of spaces", typed(b'multipart/mixed; boundary="   "'), b"--   \r\n\r\ntext\r\n")
repeated("no boundary", typed(b"multipart/mixed"), b"--b\r\n\r\ntext\r\n")
repeated(
    "boundary of 1,000 letters",
    typed(b"multipart/mixed; boundary=" + b"x" * 1000),
    b"--" + b"x" * 1000 + b"\r\n\r\ntext\r\n",
)
repeated("nearly the long boundary", typed(b"multipart/mixed; boundary=" + b"-" * 60 + b"x"), b"-" * 62 + b"y\r\n")
repeated("lines of hyphens", typed(b"multipart/mixed; boundary=--"), b"-" * 4 + b"\r\n")
repeated("one line of hyphens", typed(b"multipart/mixed; boundary=--"), b"-")
repeated("closed again and again", MIXED + PART, b"--b--\r\n")
repeated("closed before it opened", typed(b"multipart/mixed; boundary=b"), b"--b--\r\n--b\r\n")
repeated("boundary with white space", MIXED, b"--b" + b" \t" * 20 + b"\r\n\r\ntext\r\n")
repeated(
    "many boundary parameters",
    HEAD + b"Content-Type: multipart/mixed",
    b"; boundary=b{n}",
    b"\r\n\r\n--b0\r\n\r\ntext\r\n",
)


@shape
def boundaries_that_begin_alike(size, _):
    """Each is the one above it and one letter more."""
    depth = max(int((size / 2) ** 0.5), 2)
    raw = [typed(b"multipart/mixed; boundary=x")]
    for n in range(1, depth):
        raw.append(b"--%b\r\nContent-Type: multipart/mixed; boundary=%b\r\n\r\n" % (b"x" * n, b"x" * (n + 1)))
    return b"".join(raw) + b"--" + b"x" * depth + b"\r\n\r\n" + BODY


# ---- parts -------------------------------------------------------------------

repeated("empty parts", MIXED, b"--b\r\n\r\n", b"--b--\r\n")
repeated("parts without anything", MIXED, b"--b\r\n", b"--b--\r\n")
repeated("parts without an end", MIXED, PART)
repeated("parts of header only", MIXED, b"--b\r\nContent-Type: text/plain; name=a{n}.txt\r\n", b"--b--\r\n")
repeated("named parts", MIXED, b'--b\r\nContent-Type: application/pdf; name="{n}.pdf"\r\n\r\n%PDF\r\n', b"--b--\r\n")
repeated(
    "alternatives",
    typed(b"multipart/alternative; boundary=b"),
    b"--b\r\nContent-Type: text/plain\r\n\r\nplain\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>rich</p>\r\n",
    b"--b--\r\n",
)
repeated(
    "a stand-in beside HTML",
    typed(b"multipart/alternative; boundary=b")
    + b"--b\r\nContent-Type: text/plain\r\n\r\nsee the HTML\r\n--b\r\nContent-Type: text/html\r\n\r\n",
    b"<p>see the invoice</p>",
    b"\r\n--b--\r\n",
)
repeated(
    "stand-ins beside HTML beside stand-ins",
    typed(b"multipart/alternative; boundary=b"),
    b"--b\r\nContent-Type: text/plain\r\n\r\n"
    + b"invoice " * 60
    + b"\r\n--b\r\nContent-Type: text/html\r\n\r\nletter\r\n",
    b"--b--\r\n",
)
repeated("digest", typed(b"multipart/digest; boundary=b"), b"--b\r\n\r\nSubject: {n}\r\n\r\ntext\r\n", b"--b--\r\n")
repeated(
    "related parts",
    typed(b"multipart/related; boundary=b; start=zzz"),
    b"--b\r\nContent-ID: <{n}>\r\nContent-Type: text/html\r\n\r\n<img src=cid:{n}>\r\n",
)
repeated("preamble", MIXED, b"This is a message in MIME format. " * 20 + b"\r\n", PART)
repeated("epilogue", MIXED + PART + b"--b--\r\n", b"What comes after the end.\r\n")
repeated("partial message", typed(b"message/partial; number=1; total=1000000; id=x"), b"text ")
repeated(
    "delivery status",
    typed(b"message/delivery-status"),
    b"Final-Recipient: rfc822; a{n}@example.org\r\nStatus: 5.1.1\r\n\r\n",
)
repeated(
    "external body",
    typed(b"message/external-body; access-type=local-file; name=/etc/passwd"),
    b"\r\nContent-Type: text/plain\r\n",
)

# ---- attachments -------------------------------------------------------------


def bomb(megabytes):
    """A zip file of zip files, each of so many megabytes of zeros, and none with the time of day."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr(zipfile.ZipInfo("zeros"), bytes(megabytes << 20), zipfile.ZIP_DEFLATED)
    outer = io.BytesIO()
    with zipfile.ZipFile(outer, "w") as archive:
        for n in range(10):
            archive.writestr(zipfile.ZipInfo(f"{n}.zip"), inner.getvalue(), zipfile.ZIP_DEFLATED)
    return outer.getvalue()


@shape
def zip_bombs(size, _):
    attached = ATTACHED + base64.encodebytes(bomb(4))
    return MIXED + PART + fill(attached, size) + b"--b--\r\n"


@shape
def large_attachment(size, chance):
    return MIXED + PART + ATTACHED + base64.encodebytes(chance.randbytes(size * 3 // 4)) + b"--b--\r\n"


@shape
def attachment_without_line_breaks(size, chance):
    return MIXED + PART + ATTACHED + base64.b64encode(chance.randbytes(size * 3 // 4))


repeated(
    "attached line", MIXED + b"--b\r\nContent-Type: a/b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n", b"=41="
)
repeated("uuencoded", typed(b"text/plain") + b"begin 644 a.bin\r\n", b"M" + b"#0V%T" * 12 + b"\r\n", b"`\r\nend\r\n")
repeated("uuencoded again and again", typed(b"text/plain"), b"begin 644 a.bin\r\n#0V%T\r\n`\r\nend\r\n")
repeated(
    "yEnc",
    typed(b"text/plain") + b"=ybegin line=128 size=123456 name=a.bin\r\n",
    b"=}" + bytes(range(128, 250)) + b"\r\n",
)
repeated(
    "signed and signed",
    HEAD,
    b'Content-Type: multipart/signed; boundary=b{n}; protocol="application/pgp-signature"\r\n\r\n--b{n}\r\n',
    b"\r\n" + BODY,
)
