"""Reads mail whose text has files in it, as uuencode and the like, or armour: they are no text, and
neither raw mail nor a text column is labelled otherwise with them than without."""

import base64
import binascii
import random

import pytest

# What two answers to the same question may differ by.
NEARLY = 0.02


def uuencoded(file):
    lines = [binascii.b2a_uu(file[n : n + 45], backtick=True) for n in range(0, len(file), 45)]
    return f"begin 644 notes.bin\n{b''.join(lines).decode()}`\nend\n"


def yencoded(file):
    """Read as windows-1252."""
    file = bytes((byte + 42) % 256 for byte in file)
    for sign in b"=\0\n\r":
        file = file.replace(bytes([sign]), bytes([ord("="), (sign + 64) % 256]))
    lines = [file[n : n + 128].decode("latin-1") for n in range(0, len(file), 128)]
    text = "".join(c for line in lines for c in line + "\n" if c >= " " or c == "\n")
    return f"=ybegin line=128 size={len(file)} name=notes.bin\n{text}=yend size={len(file)}\n"


def in_base64(file):
    return base64.encodebytes(file).decode()


def with_first_line(file):
    return f"begin-base64 644 notes.bin\n{in_base64(file)}====\n"


def encrypted(file):
    return f"-----BEGIN PGP MESSAGE-----\nVersion: 1\n\n{in_base64(file)}=aB3/\n-----END PGP MESSAGE-----\n"


def quoted(file):
    return "".join(f"> {line}\n" for line in uuencoded(file).splitlines())


KINDS = [uuencoded, yencoded, in_base64, with_first_line, encrypted, quoted]


def noise(seed):
    return random.Random(seed).randbytes(3000)


def raw(text, subject="Question"):
    head = f"From: Ann <ann@example.org>\r\nSubject: {subject}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    return (head + text.replace("\n", "\r\n")).encode()


@pytest.mark.parametrize("encode", KINDS)
def test_a_file_in_a_text_is_listed_and_no_text(database, encode):
    text = f"See the notes.\n\n{encode(noise(1))}\nRegards, Ann\n"
    body, attachments = database.row("SELECT body, attachments FROM parse_email(%s)", raw(text))
    assert body == "See the notes.\n\nRegards, Ann"
    if "notes.bin" in text:
        name, _, size = attachments.partition(" (application/octet-stream, ")
        assert name == "notes.bin"
        # yEnc is not told apart from its escapes here.
        assert abs(int(size.removesuffix(" bytes)")) - 3000) <= (100 if encode is yencoded else 0)
    else:
        assert attachments is None
    assert database.column("SELECT token FROM email_tokens(%s) ORDER BY 1", text) == database.column(
        "SELECT token FROM email_tokens(%s) ORDER BY 1", "See the notes.\n\n\nRegards, Ann\n"
    )


def test_what_only_looks_like_it_is_text(database):
    for text in (
        "Type this:\nbegin 644 notes.bin\nand then the file.",
        "-----BEGIN NOTES-----\nHello Ann\n-----END NOTES-----",
        "Our hashes:\n" + "\n".join(noise(n)[:32].hex() for n in range(9)),
    ):
        assert database.value("SELECT body FROM parse_email(%s)", raw(text)) == text


@pytest.fixture(scope="module")
def sample(module_database):
    """Models of the sample mails: as they are, and with a file in each."""
    module_database.run("SELECT triage.load_sample()")
    mails = module_database.rows("SELECT email_id, mailbox, subject, body, label FROM triage.email ORDER BY 1")
    module_database.run("CREATE TABLE given (id bigint, test boolean, label text, plain text, filed text)")
    with module_database.session.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO given VALUES (%s, %s, %s, %s, %s)",
            [
                (
                    n,
                    mailbox != "sample/train",
                    label,
                    f"{subject}\n{body}\n",
                    f"{subject}\n{body}\n{KINDS[n % len(KINDS)](noise(n))}",
                )
                for n, mailbox, subject, body, label in mails
            ],
        )
    for name in ("plain", "filed"):
        module_database.run("SELECT triage.create_classifier(%s)", name)
        module_database.run(
            f"SELECT triage.deploy(%s, train_classifier({name}, label)) FROM given WHERE NOT test", name
        )
    return module_database


def scores(database, text, classifier):
    return dict(database.rows("SELECT label, probability FROM classify_email_scores(%s, %s)", text, classifier))


@pytest.mark.parametrize("other", ["plain", "filed"])
def test_text_columns_are_labelled_the_same(sample, other):
    """Trained and asked with files in the texts, or only asked."""
    worst, mails = sample.row(
        "SELECT max(abs(a.probability - b.probability)), count(DISTINCT id) FROM given,"
        " classify_email_scores(plain, 'plain') a, classify_email_scores(filed, %s) b"
        " WHERE test AND a.label = b.label",
        other,
    )
    assert mails > 30
    assert worst <= NEARLY


def test_raw_mail_is_labelled_the_same(sample):
    differ = []
    for n, text in sample.rows("SELECT id, plain FROM given WHERE test ORDER BY id"):
        body = text.partition("\n")[2]
        without, with_file = (
            scores(sample, sample.value("SELECT email_text(%s)", raw(body + block)), "plain")
            for block in ("", "\n" + KINDS[n % len(KINDS)](noise(n)))
        )
        differ.append(max(abs(without[label] - with_file[label]) for label in without))
    assert len(differ) > 30
    assert max(differ) <= NEARLY


STAND_INS = [
    "This message is in HTML, which your program cannot show. Ask the sender for a text.",
    "Votre logiciel ne peut pas afficher ce message. Voir en ligne : https://news.example.org/" + "7f1d" * 60,
    "您的邮件程序无法显示此邮件，请使用支持HTML的程序查看。",
]


@pytest.mark.parametrize("stand_in", STAND_INS)
def test_html_is_read_where_the_plain_text_only_says_that_there_is_html(database, stand_in):
    offers = "".join(f"<p>Offer {n}: a chair and a hose at half the price until Friday.</p>" for n in range(20))
    body = database.value("SELECT body FROM parse_email(%s)", alternatives(stand_in, offers))
    assert "Offer 19" in body
    assert stand_in[:20] not in body


@pytest.mark.parametrize("reply", ["OK", "Yes, Friday suits me.\n\nAnn", "好的，周五下午三点在会议室见。"])
def test_a_short_reply_stays(database, reply):
    legal = "This message is meant only for the person that it is addressed to. " * 5
    style = "<style>p { margin: 0 }</style>" * 20
    html = f"{style}<p>{reply}</p><p>{legal}</p>"
    assert database.value("SELECT body FROM parse_email(%s)", alternatives(reply, html)) == reply


def alternatives(plain, html):
    return (
        "MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=b\n\n"
        f"--b\nContent-Type: text/plain; charset=utf-8\n\n{plain}\n"
        f"--b\nContent-Type: text/html; charset=utf-8\n\n<html><body>{html}</body></html>\n--b--\n"
    ).encode()
