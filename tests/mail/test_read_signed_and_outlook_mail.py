"""Mail that mail servers and Outlook have wrapped up: signed as a whole (opaque S/MIME), or with its text
and files in winmail.dat. It is read, classified and stored as the mail that was written."""

import re

import pytest
from attacks import packed
from support.mails import deploy_demo_model

HEAD = "From: Ann Lee <ann@example.net>\nSubject: Invoice 7\nMessage-ID: <{}@example.net>\n"
TEXT = "We were charged twice for order 7, please send the money back."
PART = f"Content-Type: text/plain; charset=utf-8\r\n\r\n{TEXT}\r\n".encode()
PDF = b"Content-Type: application/pdf; name=invoice.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJDRA==\r\n"
MIXED = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + PART + b"\r\n--b\r\n" + PDF + b"--b--\r\n"
RTF = rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}\f0 We were charged {\b twice} for order 7, please send the money back.\par}"

OPAQUE = {
    "DER": packed.smime(packed.signed(PART)),
    "BER": packed.smime(packed.signed(PART, packed.ber)),
    "compressed": packed.smime(packed.compressed(PART)),
    "signed twice": packed.smime(packed.signed(packed.smime(packed.signed(PART)))),
    "octet-stream": packed.packed(b"application/octet-stream; name=smime.p7m", packed.signed(PART)),
}
OUTLOOK = {
    "text": packed.tnef(packed.attribute(packed.TEXT, TEXT.encode() + b"\0")),
    "HTML": packed.tnef(packed.properties((0x1013, f"<html><p>{TEXT}</p></html>".encode()))),
    "rich text": packed.tnef(packed.properties(packed.rtf(b"MELA", RTF))),
}
WRAPPED = OPAQUE | OUTLOOK


@pytest.fixture(scope="module")
def database(module_database):
    deploy_demo_model(module_database)
    return module_database


def mail(part, name="plain"):
    return HEAD.format(re.sub(r"\W", "-", name)).encode() + part


def read(database, part):
    return database.row("SELECT body, attachments FROM parse_email(%s)", mail(part))


@pytest.mark.parametrize("name", WRAPPED)
def test_wrapped_mail_is_the_mail_that_was_written(database, name):
    assert read(database, WRAPPED[name]) == (TEXT, None)
    same = "SELECT email_text(%s) = email_text(%s)"
    assert database.value(same, mail(WRAPPED[name]), mail(PART))
    assert database.value("SELECT classify_email(%s)", mail(WRAPPED[name])) == "billing"
    email_id = database.value("SELECT triage.ingest(%s)", mail(WRAPPED[name], name))
    assert database.value("SELECT body FROM triage.email WHERE email_id = %s", email_id) == TEXT


def test_files_in_it_are_listed(database):
    assert read(database, packed.smime(packed.signed(MIXED))) == (TEXT, "invoice.pdf (application/pdf, 4 bytes)")
    stream = packed.tnef(packed.attribute(packed.TEXT, TEXT.encode()), packed.file(b"invoice.pdf", b"ABCD"))
    assert read(database, stream) == (TEXT, "invoice.pdf (application/octet-stream, 4 bytes)")


def test_the_text_of_the_mail_comes_first(database):
    stream = packed.tnef(packed.attribute(packed.TEXT, b"the same, once more"), packed.file(b"a.bin", b"AB\0"))
    raw = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nown text\n--b\n" + stream + b"--b--\n"
    assert read(database, raw) == ("own text", "a.bin (application/octet-stream, 3 bytes)")


@pytest.mark.parametrize("kind", ["encrypted", "certificates"])
def test_what_cannot_be_read_is_listed(database, kind):
    identifier = packed.DATA[:-1] + b"\3" if kind == "encrypted" else packed.SIGNED
    content = packed.der(0x30, packed.der(6, identifier) + packed.der(0xA0, packed.der(0x30, packed.der(2, b"\1"))))
    body, attachments = read(database, packed.smime(content))
    assert (body, attachments) == ("", f"smime.p7m (application/pkcs7-mime, {len(content)} bytes)")
