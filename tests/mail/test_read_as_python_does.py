"""Messages of other parsers' test suites are read as Python's `email` reads them, or it is known
who is right. `PYTHONPATH=tests target/tools/bin/python -m mime_suites` shows what is new."""

import mime_suites
import pytest

pytestmark = pytest.mark.corpora("mime_suites.tar.gz")

# Of the messages in which Python finds no defect.
LEAST = 0.985


@pytest.fixture(scope="module")
def files():
    return mime_suites.messages()


@pytest.fixture(scope="module")
def found(module_database, files):
    return list(mime_suites.disagreements(module_database, files))


def test_subject_sender_date_and_text_agree(files, found):
    assert len(files) > 700
    assert mime_suites.share_of_agreement(files, found) >= LEAST


def test_every_message_is_read(module_database, files):
    assert len(mime_suites.our_readings(module_database, files)) == len(files)


def test_every_disagreement_has_a_verdict(found):
    known = mime_suites.verdicts()
    assert [str(one) for one in found if (one.file, one.field) not in known] == []


def test_every_verdict_is_of_a_disagreement(found):
    assert set(mime_suites.verdicts()) - {(one.file, one.field) for one in found} == set()


def test_the_page_shows_them(files, found):
    assert mime_suites.PAGE.read_text() == mime_suites.page(files, found), (
        "write it anew: PYTHONPATH=tests target/tools/bin/python -m mime_suites --write"
    )
