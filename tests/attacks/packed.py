"""Parts that hold others: what is signed, and what Outlook sends. And how such parts are written."""

import base64
import zlib

from .build import BODY, HEAD, MIXED, fill, shape, typed

# ---- S/MIME ------------------------------------------------------------------

DATA = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"
SIGNED = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"
COMPRESSED = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x09"
ZLIB = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x03\x08"
SMIME_TYPE = b"application/pkcs7-mime; smime-type=signed-data; name=smime.p7m"


def der(tag, contents):
    """An element with its length."""
    return bytes([tag, 0x84]) + len(contents).to_bytes(4, "big") + contents


def ber(tag, contents):
    """An element whose end is marked."""
    return bytes([tag, 0x80]) + contents + b"\0\0"


def signed(content, write=der):
    """Content in a signature that nobody made. `write` writes what may be written both ways."""
    string = der(4, content) if write is der else ber(0x24, der(4, content[:9]) + der(4, content[9:]))
    data = write(0x30, der(6, DATA) + write(0xA0, string))
    parts = der(2, b"\1") + write(0x31, b"") + data + write(0x31, b"")
    return write(0x30, der(6, SIGNED) + write(0xA0, write(0x30, parts)))


def compressed(content):
    data = der(0x30, der(6, DATA) + der(0xA0, der(4, zlib.compress(content))))
    parts = der(2, b"\0") + der(0x30, der(6, ZLIB)) + data
    return der(0x30, der(6, COMPRESSED) + der(0xA0, der(0x30, parts)))


def packed(content_type, content):
    """The header and body of a part with these bytes."""
    head = b"Content-Type: " + content_type + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return head + base64.encodebytes(content)


def smime(content):
    return packed(SMIME_TYPE, content)


@shape
def signed_text(size, _):
    return HEAD + smime(signed(b"Content-Type: text/plain\r\n\r\n" + fill(BODY, size * 3 // 4)))


@shape
def signed_text_in_pieces(size, _):
    pieces = ber(0x24, fill(der(4, b"x"), size * 3 // 4))
    start = b"\x30\x80" + der(6, SIGNED) + b"\xa0\x80\x30\x80" + der(2, b"\1") + ber(0x31, b"")
    return HEAD + smime(start + b"\x30\x80" + der(6, DATA) + b"\xa0\x80" + pieces)


@shape
def signed_and_never_ended(size, _):
    start = b"\x30\x80" + der(6, SIGNED) + b"\xa0\x80\x30\x80" + der(2, b"\1")
    return HEAD + smime(start + fill(b"\x31\x80", size * 3 // 4))


@shape
def signatures_in_signatures(size, _):
    """Each level makes the message a third larger."""
    raw = b"Content-Type: text/plain\r\n\r\n" + BODY
    while len(raw) * 4 // 3 < size:
        raw = smime(signed(raw))
    return HEAD + raw


@shape
def signed_multiparts_in_signed_multiparts(size, _):
    raw = b"Content-Type: text/plain\r\n\r\n" + BODY
    while len(raw) * 4 // 3 < size:
        raw = smime(signed(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + raw + b"\r\n--b--\r\n"))
    return HEAD + raw


@shape
def signed_parts(size, _):
    part = b"--b\r\n" + smime(signed(b"Content-Type: text/plain\r\n\r\n" + BODY))
    return MIXED + fill(part, size) + b"--b--\r\n"


@shape
def signed_parts_of_many_parts(size, _):
    inner = MIXED + fill(b"--b\nContent-Type: a/b\n\n", min(size, 20_000))
    return MIXED + fill(b"--b\r\n" + smime(signed(inner)), size) + b"--b--\r\n"


@shape
def compressed_zeros(size, _):
    """A thousand times as much when it is read."""
    plain = b"Content-Type: text/plain\r\n\r\n" + b"0" * min(size * 500, 64 << 20)
    return HEAD + smime(compressed(plain))


@shape
def compressed_parts(size, _):
    plain = b"Content-Type: text/plain\r\n\r\n" + b"0" * 1_000_000
    return MIXED + fill(b"--b\r\n" + smime(compressed(plain)), size) + b"--b--\r\n"


# ---- Outlook -----------------------------------------------------------------

TNEF_TYPE = b"application/ms-tnef; name=winmail.dat"
TEXT, PROPERTIES, FILE_BEGINS, FILE_TITLE, FILE_DATA = 0x0002800C, 0x00069003, 0x00069002, 0x00018010, 0x0006800F


def attribute(attribute_id, data):
    level = 2 if attribute_id in (FILE_BEGINS, FILE_TITLE, FILE_DATA) else 1
    numbers = attribute_id.to_bytes(4, "little") + len(data).to_bytes(4, "little")
    return bytes([level]) + numbers + data + (sum(data) % 0x10000).to_bytes(2, "little")


def properties(*binary):
    """Properties by number and value: all are bytes."""
    raw = len(binary).to_bytes(4, "little")
    for number, data in binary:
        sizes = (1).to_bytes(4, "little") + len(data).to_bytes(4, "little")
        raw += b"\x02\x01" + number.to_bytes(2, "little") + sizes + data + bytes(-len(data) % 4)
    return attribute(PROPERTIES, raw)


def rtf(kind, data):
    """A property with RTF: as it is (MELA), or compressed (LZFu)."""
    return 0x1009, (len(data) + 12).to_bytes(4, "little") + len(data).to_bytes(4, "little") + kind + bytes(4) + data


def file(name, data):
    return attribute(FILE_BEGINS, bytes(14)) + attribute(FILE_TITLE, name + b"\0") + attribute(FILE_DATA, data)


def tnef(*attributes):
    return packed(TNEF_TYPE, b"\x78\x9f\x3e\x22\x01\x00" + b"".join(attributes))


@shape
def outlook_text(size, _):
    return HEAD + tnef(attribute(TEXT, fill(BODY, size * 3 // 4)))


@shape
def outlook_attributes(size, _):
    return HEAD + tnef(fill(attribute(0, b""), size * 3 // 4))


@shape
def outlook_properties(size, _):
    """More than there are, by their number."""
    raw = b"\xff\xff\xff\xff" + fill(b"\x03\x00\x01\x00\x00\x00\x00\x00", size * 3 // 4)
    return HEAD + tnef(attribute(PROPERTIES, raw))


@shape
def outlook_values(size, _):
    """One property with more values than there are."""
    raw = b"\x01\0\0\0\x1e\x10\x00\x10\xff\xff\xff\xff" + bytes(size * 3 // 4)
    return HEAD + tnef(attribute(PROPERTIES, raw))


@shape
def outlook_files(size, _):
    return HEAD + tnef(fill(file(b"a.txt", b"x"), size * 3 // 4))


@shape
def outlook_rich_text(size, _):
    text = b"{\\rtf1\\ansi " + fill(b"{\\b\\u8364?\\'e9{\\*\\x y}}\\par ", size * 3 // 4)
    return HEAD + tnef(properties(rtf(b"MELA", text)))


@shape
def outlook_groups(size, _):
    return HEAD + tnef(properties(rtf(b"MELA", b"{\\rtf1" + b"{" * (size * 3 // 4))))


@shape
def outlook_bombs(size, _):
    """Eight times as much when it is read."""
    run = b"\xff" + b"\x0c\xee" * 8
    part = b"--b\r\n" + tnef(properties(rtf(b"LZFu", b"\0{\\rtf1 a" + run * 2_000)))
    return MIXED + fill(part, size) + b"--b--\r\n"


@shape
def outlook_parts(size, _):
    return typed(b"multipart/mixed; boundary=b") + fill(b"--b\r\n" + tnef(attribute(TEXT, b" ")), size)
