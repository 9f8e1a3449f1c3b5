"""Stored mail of any form comes in through scripts/load_mail as it was, and once: mbox files,
Maildirs, folders and archives."""

import gzip
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from support.load_mail import FROM_LINE, Loader, mbox, of_mailbox
from support.mails import deploy_demo_model, message
from support.system import folder

PLAIN = [message(number) for number in range(50)]


@pytest.fixture(scope="module")
def loader(module_database):
    deploy_demo_model(module_database)
    return Loader(module_database)


@pytest.fixture
def scratch():
    with folder("pgtload") as path:
        yield path


@pytest.fixture(autouse=True)
def empty(loader):
    loader.database.run("DELETE FROM triage.email")


def loads(loader, wanted, *options, code=0):
    """Whether loading gives exactly these (mailbox, message), and loading again nothing."""
    said = loader.load(*options, code=code)
    assert f"{len(wanted)} new, 0 already there" in said
    found = set(loader.database.rows("SELECT mailbox, raw FROM triage.email"))
    assert {(box, raw[-200:]) for box, raw in wanted - found} == set(), "these are lost"
    assert {(box, raw[-200:]) for box, raw in found - wanted} == set(), "these are more than there was"
    said = loader.load(*options, code=code)
    assert f"0 new, {len(wanted)} already there" in said
    assert loader.stored() == len(wanted), "as many rows as before"
    return True


# ---- mbox ---------------------------------------------------------------------------------------


def followed_by(text):
    """A message whose body goes on with this."""
    return message(1)[:-1] + b"\n" + text


def quoted(raw):
    """As mboxrd quotes it."""
    lines = raw.split(b"\n")
    return b"\n".join(b">" + line if line.lstrip(b">").startswith(b"From ") else line for line in lines)


LIES = [message(number, **{"Content-Length": "100000"}) for number in (1, 2)]
# Bodies that look like the file they are in: (messages, the file).
TRICKY = {
    "mboxrd": (
        [followed_by(b"\nFrom the top, >From memory\n>From here\n>>From there\nFrom: x\n"), PLAIN[2]],
        lambda mails: mbox(map(quoted, mails)),
    ),
    "not quoted": ([followed_by(b"\n\nFrom Monday on the office opens at 9:30 in 2026\n"), PLAIN[2]], mbox),
    "Content-Length is a lie": (LIES, mbox),
    "empty lines at the end": ([PLAIN[1] + b"\n\n\n", PLAIN[2] + b"\n"], mbox),
    ">From in the header": ([b">From a Mon Mar  2 09:00:00 2026 remote from b\n" + PLAIN[1]], mbox),
    "a line of a megabyte": (
        [followed_by(b"From " * 200_000 + b"\n"), PLAIN[2]],
        lambda mails: mbox(map(quoted, mails)),
    ),
    "no empty line between": (
        PLAIN[1:3],
        lambda mails: mbox([mails[0][:-1] + b"\n" + FROM_LINE + mails[1]]),
    ),
    "without dates": (PLAIN[:3], lambda mails: b"".join(b"From somewhere\n" + raw + b"\n" for raw in mails)),
    "CRLF": (
        [raw.replace(b"\n", b"\r\n") for raw in PLAIN[:3]],
        lambda mails: mbox(PLAIN[:3]).replace(b"\n", b"\r\n"),
    ),
    "CR": (PLAIN[:3], lambda mails: mbox(mails).replace(b"\n", b"\r")),
    "after empty lines": (PLAIN[:3], lambda mails: b"\n\r\n" + mbox(mails)),
    "after a byte order mark": (PLAIN[:3], lambda mails: b"\xef\xbb\xbf" + mbox(mails)),
    "after both": (PLAIN[:3], lambda mails: b"\xef\xbb\xbf\n" + mbox(mails)),
}


@pytest.mark.parametrize("case", TRICKY)
def test_an_mbox_is_read_as_it_was_written(loader, scratch, case):
    mails, make = TRICKY[case]
    (scratch / "box").write_bytes(make(mails))
    assert loads(loader, of_mailbox("inbox", mails), scratch / "box")


@pytest.mark.parametrize(
    "before, why",
    [
        (b"what is in here\n\n", "delete what is before the first"),
        (b"BABYL OPTIONS: -*- rmail -*-\nVersion: 5\n", "convert it to mbox"),
    ],
    ids=["after something else", "BABYL"],
)
@pytest.mark.parametrize("named", [True, False], ids=["the file", "its folder"])
def test_what_only_looks_like_an_mbox_is_not_loaded_and_why(loader, scratch, before, why, named):
    (scratch / "box").write_bytes(before + mbox(PLAIN[:3]))
    said = loader.load(scratch / "box" if named else scratch, code=1)
    assert why in said and "name the file" not in said and "1 not loaded" in said
    assert loader.stored() == 0, "nor as one message"


def test_a_compressed_mbox_goes_into_the_mailbox_that_is_asked_for(loader, scratch):
    packed = scratch / "packed.mbox.gz"
    packed.write_bytes(gzip.compress(mbox(PLAIN)))
    assert loads(loader, of_mailbox("o'süd\\!", PLAIN), "--mailbox", "o'süd\\!", packed)


def test_an_mbox_may_give_its_mailbox_the_name(loader, scratch):
    packed = scratch / "packed.mbox.gz"
    packed.write_bytes(gzip.compress(mbox(PLAIN)))
    assert loads(loader, of_mailbox("packed", PLAIN), "--mailbox-from-folder", packed)


def test_of_a_compressed_file_that_breaks_off_the_beginning_is_loaded(loader, scratch):
    packed = scratch / "packed.mbox.gz"
    whole = gzip.compress(mbox(PLAIN))
    packed.write_bytes(whole[: -len(whole) // 2])
    assert "packed.mbox.gz: Compressed file ended" in loader.load(packed, code=1)
    assert 0 < loader.stored() < len(PLAIN)


# ---- folders ------------------------------------------------------------------------------------


@pytest.fixture
def maildir(scratch):
    """Maildir++ with what other programs leave in it, a pipe and a link that never end."""
    top = scratch / "Maildir"
    for place in "cur", "new", "tmp", ".Sent.2026/cur", ".Sent.2026/new", ".Sent.2026/tmp":
        (top / place).mkdir(parents=True)
    for place, number in {"cur/1:2,S": 0, "new/2": 1, ".Sent.2026/cur/3:2,": 2}.items():
        (top / place).write_bytes(PLAIN[number])
    (top / "cur/4:2,").write_bytes(b"\xff whatever it is\n")
    (top / "cur/5:2,").write_bytes(FROM_LINE + PLAIN[5])
    (top / "tmp/6").write_bytes(PLAIN[6])
    (top / "dovecot-uidlist").write_bytes(PLAIN[7])
    os.mkfifo(top / "cur/7:2,")
    (top / "new/8").symlink_to("/dev/zero")
    return top


IN_THE_INBOX = [PLAIN[0], PLAIN[1], b"\xff whatever it is\n", FROM_LINE + PLAIN[5]]


def test_a_maildir(loader, maildir):
    assert loads(loader, of_mailbox("inbox", [*IN_THE_INBOX, PLAIN[2]]), maildir)


def test_folders_of_a_maildir_may_become_mailboxes(loader, maildir):
    wanted = of_mailbox("Maildir", IN_THE_INBOX) | of_mailbox("Maildir/Sent.2026", [PLAIN[2]])
    assert loads(loader, wanted, "--mailbox-from-folder", maildir)


@pytest.fixture
def files(scratch):
    """A folder of messages, an mbox among them, and what is no message."""
    top = scratch / "files"
    (top / "a/b").mkdir(parents=True)
    (top / "one.eml").write_bytes(PLAIN[0])
    (top / "a/two").write_bytes(FROM_LINE + PLAIN[1])
    (top / "a/b/three.gz").write_bytes(gzip.compress(PLAIN[2]))
    (top / "a/b/box").write_bytes(mbox(PLAIN[3:6]))
    (top / "a/README").write_bytes(b"what is in here\n")
    (top / ".hidden").write_bytes(PLAIN[6])
    (top / "a/empty").write_bytes(b"")
    os.mkfifo(top / "a/pipe")
    return top


def test_a_folder_of_files(loader, files):
    assert loads(loader, of_mailbox("inbox", PLAIN[:6]), files, code=1)
    said = loader.load(files, code=1)
    assert "a/README: does not begin like a message" in said
    assert "a/empty: is empty" in said
    assert "2 not loaded" in said


def test_a_file_that_is_named_is_loaded_whatever_it_is(loader, files):
    assert loads(loader, of_mailbox("inbox", [b"what is in here\n"]), files / "a/README")


def test_names_in_an_archive_are_mailboxes_and_no_commands(loader, scratch, files):
    packed = scratch / "mails.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        for name in "one.eml", "a/two", "a/b/three.gz", "a/b/box":
            archive.add(files / name, "x\n\\! touch hacked\n/" + name)
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    assert loads(loader, of_mailbox("inbox", PLAIN[:6]), packed)
    loader.load("--mailbox-from-folder", packed)
    assert not Path("hacked").exists()
    mailboxes = loader.database.column("SELECT DISTINCT mailbox FROM triage.email WHERE mailbox <> 'inbox'")
    assert len([name for name in mailboxes if name.startswith("x \\! touch hacked")]) == 3


# ---- large messages -----------------------------------------------------------------------------

# Memory of children is known only of those that have ended: so in a process of its own.
PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def test_memory_does_not_follow_the_size_of_a_message(loader, scratch):
    loader.database.run(f"ALTER ROLE {loader.role} SET pg_triage.max_message_bytes = '1MB'")
    file = scratch / "large"
    with open(file, "wb") as large:
        for number in range(3):
            large.write(FROM_LINE + message(number) + (b"and so on, " * 200 + b"\n") * 48_000 + b"\n")
    try:
        done = subprocess.run(
            [sys.executable, "-c", PEAK, loader.program, file],
            capture_output=True,
            text=True,
            env=loader.environment(),
        )
    finally:
        loader.database.run(f"ALTER ROLE {loader.role} RESET ALL")
    assert "3 new" in done.stdout and "3 cut to 1 MB" in done.stdout, done.stdout + done.stderr
    assert loader.database.column("SELECT octet_length(raw) FROM triage.email") == [1024 * 1024 + 1] * 3
    kilobytes = int(done.stdout.split()[-1])
    assert kilobytes < 100_000, "of 300 MB less than 100 MB are in memory"
