"""What the tests of the ways in share: messages, a labelled database to put them into, and
the code in docs/, so that what a page shows is what is tested. Needs the path of
lib/harness.py."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from harness import MAILS, PROJECT, ask, load_sample

# Two topics that the sample mails teach, so that labels are not all the same.
TOPICS = [
    ("Invoice {0} is wrong", "We were charged twice for order {0}, please send the money back."),
    ("Login {0} fails", "The app shows error {0} after the update, and the login does not work."),
]

# Mail programs are in sbin, which is only on root's path.
os.environ["PATH"] += ":/usr/sbin:/sbin"

# Also who is ended clears up: servers would stay, and keep running.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def message(number, to="inbox@example.com", newline="\n", **fields):
    """A message like no other: bytes, with an id that has the number."""
    subject, body = TOPICS[number % len(TOPICS)]
    header = {"From": f"Customer {number} <c{number}@example.net>", "To": to, "Subject": subject.format(number),
              "Message-ID": f"<m{number}@example.net>", "Date": "Mon, 02 Mar 2026 09:00:00 +0100", "Content-Type": "text/plain; charset=utf-8", **fields}
    lines = [*(f"{name}: {value}" for name, value in header.items()), "", body.format(number), ""]
    return newline.join(lines).encode()


def extension(database=None):
    """The extension with the model of the sample mails, and without the sample mails; in a
    database of its own where one is named."""
    if database:
        ask(f"CREATE DATABASE {database}", database="postgres")
        os.environ["PGDATABASE"] = database
        ask("CREATE EXTENSION pg_triage")
    load_sample()
    ask(f"SELECT triage.deploy('default', train_classifier(body, label)) FROM {MAILS}; DELETE FROM triage.email")


@contextmanager
def writer(name):
    """A role that may hand in mail and nothing else."""
    ask(f"DROP ROLE IF EXISTS {name}; CREATE ROLE {name} LOGIN IN ROLE triage_writer")
    try:
        yield name
    finally:
        ask(f"DROP ROLE {name}", database="postgres")


def cluster(*words):
    subprocess.run([PROJECT / "scripts/cluster", *words], check=True, stdout=subprocess.DEVNULL)


def fences(page, language):
    """The blocks of code in this language on a page of docs/."""
    text = (PROJECT / "docs" / page).read_text()
    return re.findall(rf"^```{re.escape(language)}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def fence(page, language, replaced={}):
    """The only block of its language, with these words replaced, each of which is there."""
    (code,) = fences(page, language)
    for old, new in replaced.items():
        assert old in code, f"{page}: no {old} in {code}"
        code = code.replace(old, new)
    return code


def wait_until(done, seconds, what):
    until = time.monotonic() + seconds
    while not done():
        if time.monotonic() > until:
            raise RuntimeError(f"not within {seconds} s: {what}")
        time.sleep(.2)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def as_root(*command, check=True, daemon=False):
    """What it printed; a daemon would hold the pipe for ever."""
    script = 'source "$0"; as_root "$@"'
    output = subprocess.DEVNULL if daemon else subprocess.PIPE
    done = subprocess.run(["bash", "-c", script, str(PROJECT / "scripts/lib.sh"), *map(str, command)],
                          text=True, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    if check and done.returncode != 0:
        raise RuntimeError(f"{command}: {done.stdout}{done.stderr}")
    return done.stdout


def can_be_root():
    script = 'source "$0"; can_be_root'
    return subprocess.run(["bash", "-c", script, str(PROJECT / "scripts/lib.sh")]).returncode == 0


@contextmanager
def folder(prefix):
    """A folder in /tmp that everybody may enter, removed afterwards whoever owns what is in it."""
    path = Path(tempfile.mkdtemp(prefix=f"{prefix}.", dir="/tmp"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        if path.exists():
            as_root("rm", "-rf", path)
