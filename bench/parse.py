#!/usr/bin/env python3
"""Measures what reading a raw message costs, beside Python's `email`.

    parse.py     connects as psql does

Both decode sender, subject, date and text; of HTML, Python's `html.parser` makes the text. As
in run.py, contestants take turns, figures are medians of the rounds, and ratios are medians of
the rounds' ratios.
"""

import email
import email.policy
import html.parser
import json
import platform
import random
import struct
import subprocess
import tarfile
import tempfile
import time
from email.message import EmailMessage
from pathlib import Path
from statistics import median

from loop import database
from run import CORPORA, PROJECT, cpu, say, table, varied, versions

ARCHIVE = CORPORA / "spamassassin.tar.gz"
# Every so many messages of it.
ARCHIVE_STEP = 6

ROUNDS = 5
MESSAGES = 300
ATTACHED = 200_000
CORE_SECONDS = 0.3


# ---- the messages ------------------------------------------------------------


def texts(session, chance):
    """Bodies in English and German: the sample mails, with variation."""
    session.run("SELECT triage.load_sample();")
    mails = [
        json.loads(line)
        for line in session.run(
            "SELECT json_build_object('subject', subject, 'body', body) FROM triage.email ORDER BY email_id;"
        )
    ]
    while True:
        for mail in mails:
            # Two paragraphs and what was answered, as mail is.
            quoted = "\n".join("> " + line for line in varied(mail["body"], chance).splitlines())
            yield mail["subject"], "\n\n".join([mail["body"], varied(mail["body"], chance), quoted])


def base64_like(chance, letters):
    return "".join(chance.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", k=letters))


def envelope(number, subject, chance):
    """With what mail servers add on the way."""
    message = EmailMessage(policy=email.policy.SMTP)
    for hop in range(4):
        message["Received"] = (
            f"from mx{hop}.example.org (mx{hop}.example.org [192.0.2.{hop}]) by mail.example.com with ESMTPS id "
            f"{chance.getrandbits(48):x} for <desk@example.com>; Tue, 3 Mar 2026 10:00:0{9 - hop} +0100"
        )
    message["DKIM-Signature"] = (
        f"v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=mail; h=from:to:subject:date; "
        f"bh={base64_like(chance, 44)}; b={base64_like(chance, 340)}"
    )
    message["From"] = "Jörg Müller <joerg.mueller@example.org>"
    message["To"] = "Service Desk <desk@example.com>, Ann Example <ann@example.com>"
    message["Subject"] = f"{subject} (Rückfrage {number})"
    message["Date"] = "Tue, 03 Mar 2026 10:00:00 +0100"
    message["Message-ID"] = f"<{number}.{chance.getrandbits(64):x}@example.org>"
    message["X-Mailer"] = "Example Mailer 4.2"
    return message


def newsletter(text):
    """Much markup around little text."""
    cells = "".join(
        f'<tr><td style="padding:12px 24px;font-family:Arial,Helvetica,sans-serif;font-size:14px;color:#333333" valign="top">'
        f'<p style="margin:0 0 12px 0">{line}&nbsp;&ndash; <a href="https://news.example.org/read/{n}?utm_source=mail" '
        f'style="color:#0066cc;text-decoration:none">read on</a></p><img src="https://img.example.org/{n}.png" width="1" alt=""></td></tr>\r\n'
        for n, line in enumerate(text.splitlines())
        if line
    )
    return (
        '<html><head><style type="text/css">\r\n'
        + "td.col-{} {{ width: 50%; padding: 0; }}\r\n".format("a") * 60
        + f'</style></head><body><table width="600" align="center" cellpadding="0">{cells}{cells}</table></body></html>'
    )


def plain(message, text, _):
    message.set_content(text, cte="8bit")


def quoted_printable(message, text, _):
    message.set_content(text, cte="quoted-printable")


def base64(message, text, _):
    message.set_content(text, cte="base64")


def alternative(message, text, _):
    message.set_content(text, cte="quoted-printable")
    message.add_alternative(
        f"<html><body><p>{text.replace(chr(10), '<br>')}</p></body></html>", subtype="html", cte="quoted-printable"
    )


def html_only(message, text, _):
    message.set_content(newsletter(text), subtype="html", cte="quoted-printable")


def attachment(message, text, chance):
    message.set_content(text, cte="quoted-printable")
    message.add_attachment(
        chance.randbytes(ATTACHED), maintype="application", subtype="pdf", filename="Überweisung.pdf"
    )


KINDS = {
    "plain text": plain,
    "quoted-printable": quoted_printable,
    "base64": base64,
    "plain text and HTML": alternative,
    "newsletter, HTML only": html_only,
    f"text and {ATTACHED // 1000} KB attached": attachment,
}


def generated(session):
    chance = random.Random(1)
    mails = texts(session, chance)
    sets = {}
    for kind, fill in KINDS.items():
        sets[kind] = []
        for number, (subject, text) in zip(range(MESSAGES), mails):
            message = envelope(number, subject, chance)
            fill(message, text, chance)
            sets[kind].append(message.as_bytes())
    return sets


def archived():
    with tarfile.open(ARCHIVE) as archive:
        files = [
            member
            for member in archive
            if member.isfile() and not member.name.endswith(("README.md", "MANIFEST.jsonl"))
        ]
        return [archive.extractfile(member).read() for member in files[::ARCHIVE_STEP]]


# ---- the contestants ---------------------------------------------------------


class Text(html.parser.HTMLParser):
    """The text of HTML, without what nobody sees."""

    def __init__(self):
        super().__init__()
        self.pieces = []
        self.unseen = 0

    def handle_starttag(self, tag, _):
        self.unseen += tag in ("script", "style")

    def handle_endtag(self, tag):
        self.unseen -= tag in ("script", "style")

    def handle_data(self, data):
        if not self.unseen:
            self.pieces.append(data)


def text_of(markup):
    parser = Text()
    parser.feed(markup)
    parser.close()
    return "".join(parser.pieces)


def read_by_python(raw):
    """Sender, subject, date and text; as good as it gets where the message is damaged."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    fields = []
    for name in "From", "Subject", "Date", "Message-ID":
        try:
            fields.append(str(message[name]))
        except Exception:
            fields.append(None)
    try:
        body = message.get_body(("plain", "html"))
        text = body.get_content() if body else ""
        if body and body.get_content_subtype() == "html":
            text = text_of(text)
    except Exception:
        text = (message.get_payload(decode=True) or b"").decode("utf-8", "replace")
    return *fields, text


def python_once(messages):
    start = time.perf_counter()
    for raw in messages:
        read_by_python(raw)
    return (time.perf_counter() - start) * 1e6 / len(messages)


def sql_once(session, name, count):
    ms, _ = session.explain(f"SELECT count(body) FROM {name}, parse_email(raw)")
    return ms * 1e3 / count


def core_once(program, file):
    done = subprocess.run([program, file, str(CORE_SECONDS)], stdout=subprocess.PIPE, check=True, encoding="utf-8")
    return float(done.stdout)


def core_program():
    """Builds it; quick when nothing changed."""
    build = [
        "cargo",
        "build",
        "--quiet",
        "--release",
        "-p",
        "pg_triage_bench",
        "--bin",
        "parsing",
        "--message-format=json",
    ]
    done = subprocess.run(build, cwd=PROJECT, stdout=subprocess.PIPE, check=True, encoding="utf-8")
    built = [json.loads(line).get("executable") for line in done.stdout.splitlines()]
    return next(path for path in reversed(built) if path)


# ---- the run -----------------------------------------------------------------


def load(session, folder, name, messages):
    """As a table, and as a file for the core alone."""
    with open(folder / name, "wb") as file:
        for raw in messages:
            file.write(struct.pack("<I", len(raw)) + raw)
    session.run(f"CREATE TABLE {name} (raw bytea NOT NULL); ALTER TABLE {name} ALTER COLUMN raw SET STORAGE EXTERNAL;")
    session.run(f"COPY {name} FROM STDIN;", [*(f"\\\\x{raw.hex()}\n" for raw in messages), "\\.\n"])
    session.run(f"VACUUM (FREEZE, ANALYZE) {name};")


def measure(session, program, folder, sets):
    rows = []
    for number, (kind, messages) in enumerate(sets.items()):
        say(f"{kind}: {len(messages)} messages, {ROUNDS} rounds")
        name = f"messages_{number}"
        load(session, folder, name, messages)
        contestants = {
            "sql": lambda: sql_once(session, name, len(messages)),
            "core": lambda: core_once(program, folder / name),
            "python": lambda: python_once(messages),
        }
        for contestant in contestants.values():
            contestant()
        rounds = [{name: contestant() for name, contestant in contestants.items()} for _ in range(ROUNDS)]
        figures = [f"{median(r[name] for r in rounds):.1f}" for name in contestants]
        ratios = [f"{median(r['python'] / r[name] for r in rounds):.0f}" for name in ("sql", "core")]
        rows.append((kind, f"{sum(map(len, messages)) / len(messages) / 1000:.1f}", *figures, *ratios))
    return rows


def main(*_):
    session = database("parse")
    program = core_program()
    sets = generated(session)
    if ARCHIVE.is_file():
        sets["SpamAssassin, as it came"] = archived()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(session, program, Path(folder), sets)
    print(f"\n{versions(session)}, Python {platform.python_version()}, {cpu()}")
    print("Medians; ratios are medians of the rounds' ratios: how many times as long Python's email takes.")
    table(("Reading a raw message", "KB", "parse_email us", "core us", "Python us", "x parse_email", "x core"), rows)
    if not ARCHIVE.is_file():
        print(f"skipped: real mail, for want of {ARCHIVE.name}")


if __name__ == "__main__":
    main()
