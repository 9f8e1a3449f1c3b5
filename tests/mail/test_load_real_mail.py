"""Real mail, in all its brokenness, comes in through scripts/load_mail: every message of the raw
SpamAssassin archive is labelled, and a second run adds nothing."""

import subprocess
import tarfile

import pytest
from support.load_mail import Loader
from support.mails import deploy_demo_model
from support.system import CORPORA

pytestmark = pytest.mark.corpora("spamassassin.tar.gz")

ARCHIVE = CORPORA / "spamassassin.tar.gz"


@pytest.fixture(scope="module")
def messages():
    with tarfile.open(ARCHIVE) as members:
        return sum(member.isfile() for member in members)


@pytest.fixture(scope="module")
def database(module_database):
    deploy_demo_model(module_database)
    return module_database


def load(database):
    """What it printed."""
    done = subprocess.run(
        [Loader.program, "--mailbox", "corpus", ARCHIVE], capture_output=True, text=True, env=database.environment()
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_an_archive_is_loaded_and_labelled_once(database, messages):
    said = load(database)
    assert f"{messages:,} messages in" in said and "\n0 not loaded" in said
    assert "% of it parsing" in said, "where the time goes is measured"
    rows, labelled, of_mailbox = database.row(
        "SELECT count(*), count(label), count(*) FILTER (WHERE mailbox = 'corpus') FROM triage.email"
    )
    assert rows > 0.99 * messages, "they are different ones, but for a few"
    assert labelled == of_mailbox == rows
    assert "\n0 new" in load(database), "a second run adds nothing"
    assert database.value("SELECT count(*) FROM triage.email") == rows
