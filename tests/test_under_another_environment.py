"""Whatever the caller has in their environment for PostgreSQL's clients, for language or time zone: tests
pass as they do without."""

import os
import subprocess
import sys

from support.system import PROJECT

HOSTILE = {
    "PGOPTIONS": "-c client_min_messages=error -c DateStyle=German -c search_path=nowhere",
    "PGHOST": "/nowhere",
    "PGPORT": "1",
    "PGUSER": "nobody",
    "PGDATABASE": "nothing",
    "PGSERVICE": "none",
    "PGTZ": "Asia/Tokyo",
    "PGCLIENTENCODING": "LATIN1",
    "LC_ALL": "tr_TR.UTF-8",
    "LANGUAGE": "tr",
    "TZ": "Pacific/Apia",
    "PSQLRC": "/nowhere",
    "PAGER": "false",
}
# Through psycopg and psql, with notices, figures and dates among what they look at.
FILES = ["tests/test_run_the_demo.py", "tests/bad_input/test_ask_before_there_is_a_model.py"]


def test_tests_pass_as_they_do_without(server, monkeypatch):
    # The server has the worker's number in its name already.
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *FILES],
        cwd=PROJECT,
        env=os.environ | HOSTILE | {"PG_TRIAGE_TEST_SERVER": server.name},
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
