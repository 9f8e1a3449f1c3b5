"""Text in any charset is read, however its label spells it: as Python's codecs read it where they
know it, for every byte and every character of several bytes; and without a label as a person would."""

import base64
import sys
import unicodedata

import pytest

ONE_BYTE = """cp037 cp1006 cp1026 cp1125 cp1140 cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258 cp273
    cp424 cp437 cp500 cp720 cp737 cp775 cp850 cp852 cp855 cp856 cp857 cp858 cp860 cp861 cp862 cp863 cp864 cp865 cp866
    cp869 cp874 cp875 hp_roman8 iso8859_1 iso8859_10 iso8859_11 iso8859_13 iso8859_14 iso8859_15 iso8859_16 iso8859_2
    iso8859_3 iso8859_4 iso8859_5 iso8859_6 iso8859_7 iso8859_8 iso8859_9 koi8_r koi8_t koi8_u kz1048 mac_arabic
    mac_croatian mac_cyrillic mac_farsi mac_greek mac_iceland mac_latin2 mac_roman mac_romanian mac_turkish palmos
    ptcp154 tis_620""".split()
SEVERAL_BYTES = """cp932 cp949 big5hkscs euc_jp gb18030 gb2312 gbk shift_jis johab iso2022_kr hz iso2022_jp iso2022_jp_1
    iso2022_jp_2 iso2022_jp_ext utf_7 utf_16 utf_16_le utf_16_be utf_32 utf_32_le utf_32_be""".split()
# Browsers, and mail programs with them, have KOI8-RU for KOI8-U, and Microsoft's characters where
# Python has those of the standards: signs of the same look.
LIKE_BROWSERS = {
    "koi8_u": "╝╬",
    "gb2312": "―・",
    "hz": "―・",
    "big5hkscs": "¢£¥•‾∼☉♁／＼､",
    "japanese": "¢£¥¬‖‾−〜",
}


def message(label, body):
    head = f'Content-Type: text/plain; charset="{label}"\nContent-Transfer-Encoding: base64\n\n'
    return head.encode() + base64.encodebytes(body)


def body(database, raw):
    return database.value("SELECT body FROM parse_email(%s)", raw)


def characters_of_one_byte(codec):
    for byte in range(256):
        character = bytes([byte]).decode(codec, "replace")
        if character != "\ufffd" and unicodedata.category(character) != "Cc":
            yield character


def characters_of_several_bytes(codec):
    """Enough of each row, and no private ones."""
    step = 97 if codec.startswith("utf") else 11 if codec == "gb18030" else 3
    for code in range(0xA0, sys.maxunicode, 1 if codec.startswith("iso2022") else step):
        if not 0xD800 <= code < 0xF900 and chr(code).encode(codec, "ignore"):
            yield chr(code)


@pytest.mark.parametrize("codec", ONE_BYTE + SEVERAL_BYTES)
def test_every_character_is_what_python_says(module_database, codec):
    characters_of = characters_of_one_byte if codec in ONE_BYTE else characters_of_several_bytes
    other = LIKE_BROWSERS.get("japanese" if codec.startswith(("iso2022_jp", "euc_jp", "shift", "cp932")) else codec, "")
    characters = [character for character in characters_of(codec) if character not in other]
    assert len(characters) > 100
    text = "\n".join(f"x{character}x" for character in characters)
    assert body(module_database, message(codec.replace("_", "-"), text.encode(codec))).split("\n") == text.split("\n")


@pytest.mark.parametrize(
    ("label", "codec", "text"),
    [
        ("iso-2022-jp-ms", "iso2022_jp", "こんにちは"),
        ("cp50220", "iso2022_jp", "こんにちは"),
        ("CP50221", "iso2022_jp_ext", "ｺﾝﾆﾁﾊ"),
        ("csISO2022KR", "iso2022_kr", "한국어"),
        ("hz-gb-2312", "hz", "你好吗"),
        ("x-cp1250", "cp1250", "příliš"),
        ("cp-850", "cp850", "Grüße"),
        ("IBM00858", "cp858", "5 € für Öl"),
        ("'windows-1251'", "cp1251", "Привет"),
        ("windows-1252http-equivcontent-type", "cp1252", "5 € für Öl"),
        ("_iso-8859-1$ESC", "cp1252", "Grüße"),
        ("utf8mb4", "utf-8", "Grüße, 日本語"),
        ("ansi_x3.4", "ascii", "plain"),
        ("windows-874", "cp874", "สวัสดี"),
        ("strk1048-2002", "kz1048", "Сәлем"),
        ("x-mac-ce", "mac_latin2", "příliš"),
        ("utf-16", "utf_16_be", "Grüße an alle"),
        ("utf-16", "utf_16_be", "こんにちは、世界のみなさん。お元気ですか"),
        ("iso-10646-ucs-4", "utf_32_le", "Grüße, 日本語"),
        ("us-ascii", "utf_16_le", "Grüße an alle"),
        ("us-ascii", "iso2022_jp", "こんにちは"),
        ("iso-2022-jp", "euc_jp", "こんにちは、世界"),
        ("x-unknown", "utf-8", "Grüße"),
        ("x-unknown", "cp1252", "Grüße"),
    ],
)
def test_labels_are_read_as_they_are_met(module_database, label, codec, text):
    assert body(module_database, message(label, text.encode(codec))) == text


def test_folders_of_imap_and_sets_of_two_languages(module_database):
    assert body(module_database, message("utf-7-imap", b"Entw&APw-rfe &- mehr")) == "Entwürfe & mehr"
    assert body(module_database, message("iso-2022-cn", b"\x1b$)A\x0eDc:C\x0f!")) == "你好!"
    assert body(module_database, message("viscii", b"Vi\xaet")) == "Việt"


@pytest.mark.parametrize(
    ("label", "subject", "expected"),
    [
        ("koi8-r", "Привет".encode("koi8-r"), "Привет"),
        ("koi8-r", "Привет".encode(), "Привет"),
        ("shift_jis", "見積り".encode("shift_jis"), "見積り"),
        ("iso-8859-2", b"=?utf-8?q?P=C5=99=C3=ADli=C5=A1?=", "Příliš"),
        ("utf-8", "Grüße".encode("cp1252"), "Grüße"),
        ("utf-8", "見積り".encode("iso2022_jp"), "見積り"),
        ("hz-gb-2312", "你好".encode("hz"), "你好"),
    ],
)
def test_header_fields_without_a_charset_follow_the_body(module_database, label, subject, expected):
    raw = b"Subject: " + subject + f"\nContent-Type: text/plain; charset={label}\n\nx".encode()
    nested = b"Subject: " + subject + b"\nContent-Type: multipart/mixed; boundary=b\n\n--b\n" + raw
    for one in (raw, nested):
        assert module_database.value("SELECT subject FROM parse_email(%s)", one) == expected
