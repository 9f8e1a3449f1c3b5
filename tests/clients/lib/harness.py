"""What the client tests share: results as lines, and SQL through psql.

A test program is a list of functions, each run by `run(...)`. Its results are lines
"ok - name", "not ok - name" and "skip - reason"; its exit code says whether any failed.
The connection comes from the environment (PGHOST, PGPORT, PGUSER, PGDATABASE).
"""

import os
import re
import shlex
import subprocess
import sys
import time
import traceback
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
PSQL = ["psql", "-X", "-A", "-t", "-q", "-v", "VERBOSITY=verbose", "-v", "SHOW_CONTEXT=never"]

failures = 0


# ---- results -----------------------------------------------------------------


def check(passed, name, detail=""):
    """One result. `detail` is shown when it failed."""
    global failures
    print(f"{'ok' if passed else 'not ok'} - {name}", flush=True)
    if not passed:
        failures += 1
        for line in str(detail).splitlines()[:20]:
            print(f"#   {line[:400]}", flush=True)
    return passed


def equal(found, wanted, name):
    return check(found == wanted, name, f"found:  {found!r}\nwanted: {wanted!r}")


def skip(reason):
    print(f"skip - {reason}", flush=True)


def say(text):
    """A figure or a remark, which is no result."""
    print(f"# {text}", flush=True)


def run(*tests):
    """Runs the tests; one that breaks off is a failed one, and the others still run."""
    for test in tests:
        try:
            test()
        except Exception:
            check(False, f"{test.__name__} broke off", traceback.format_exc())
    sys.exit(1 if failures else 0)


class timed:
    """`with timed() as t: ...` and then `t.seconds`."""

    def __enter__(self):
        self.start = time.monotonic()
        return self

    def __exit__(self, *_):
        self.seconds = time.monotonic() - self.start


# ---- SQL ---------------------------------------------------------------------


class SqlError(Exception):
    """The first error that the server reported."""

    def __init__(self, stderr):
        match = re.search(r"(?:ERROR|FATAL|PANIC):  (\w{5}): (.*)", stderr)
        self.sqlstate, self.message = match.groups() if match else (None, stderr.strip())
        super().__init__(f"{self.sqlstate}: {self.message}")


def environment(database=None, user=None, **settings):
    env = dict(os.environ)
    if database:
        env["PGDATABASE"] = database
    if user:
        env["PGUSER"] = user
    options = [f"-c {name}={value}" for name, value in settings.items()]
    env["PGOPTIONS"] = " ".join([env.get("PGOPTIONS", ""), *options]).strip()
    return env


def ask(sql, notices=None, **connection):
    """Runs SQL in a connection of its own, up to the first error, and returns what it
    printed. Notices are appended to the list `notices`."""
    done = subprocess.run(
        [*PSQL, "-v", "ON_ERROR_STOP=1"],
        input=sql,
        text=True,
        capture_output=True,
        env=environment(**connection),
    )
    if notices is not None:
        notices += re.findall(r"NOTICE:  \w{5}: (.*)", done.stderr)
    if done.returncode != 0:
        raise SqlError(done.stderr)
    return done.stdout.rstrip("\n")


def rows(sql, **connection):
    """The result as a list of lists of strings; NULL is an empty one."""
    return [line.split("|") for line in ask(sql, **connection).splitlines()]


def error_of(sql, **connection):
    """The error that the SQL ends with, or None."""
    try:
        ask(sql, **connection)
    except SqlError as error:
        return error
    return None


def refused(sql, sqlstate, name, *words, **connection):
    """The SQL has to end with this SQLSTATE and these words in its primary message."""
    error = error_of(sql, **connection)
    passed = error is not None and error.sqlstate == sqlstate and all(w in error.message for w in words)
    return check(passed, name, f"found:  {error}\nwanted: {sqlstate} with {words}")


@contextmanager
def connected_to(**variables):
    """Everything connects as these environment variables say."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def as_server_user(*command):
    """PostgreSQL refuses to run as root; scripts/lib.sh knows who it runs as."""
    script = 'source "$0"; as_server_user "$@"'
    done = subprocess.run(
        ["bash", "-c", script, str(PROJECT / "scripts/lib.sh"), *command], text=True, capture_output=True
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command}: {done.stderr}")
    return done.stdout.strip()


@contextmanager
def server(name, *settings):
    """A server of its own with these settings, removed afterwards; gives the variables to
    connect to it."""
    cluster = [PROJECT / "scripts/cluster"]
    subprocess.run([*cluster, "remove", name], check=True)
    try:
        subprocess.run([*cluster, "start", name, "fsync=off", *settings], check=True, stdout=subprocess.DEVNULL)
        exports = subprocess.run([*cluster, "env", name], check=True, capture_output=True, text=True).stdout
        yield dict(word.split("=", 1) for word in shlex.split(exports)[1:])
    finally:
        subprocess.run([*cluster, "remove", name], check=True)


class Session:
    """A psql that stays connected, for what has to happen in one session."""

    MARK = "--- end of answer ---"

    def __init__(self, **connection):
        self.psql = subprocess.Popen(
            PSQL,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment(**connection),
        )
        self.pid = int(self.ask("SELECT pg_backend_pid()"))

    def ask(self, sql):
        """Everything that psql printed, errors and notices among it."""
        self.psql.stdin.write(f"{sql};\n\\echo {self.MARK}\n")
        self.psql.stdin.flush()
        lines = []
        for line in self.psql.stdout:
            if line.rstrip("\n") == self.MARK:
                return "".join(lines).rstrip("\n")
            lines.append(line)
        raise SqlError("psql ended:\n" + "".join(lines))

    def close(self):
        self.psql.stdin.close()
        self.psql.wait()


def literal(text):
    """A string as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


class Bystander:
    """A session that does nothing. A crash of any session ends it, and all others."""

    def __init__(self):
        self.session = Session()
        self.started = ask("SELECT pg_postmaster_start_time()")

    def check(self, name):
        try:
            alive = self.session.ask("SELECT pg_backend_pid()") == str(self.session.pid)
        except (SqlError, BrokenPipeError):
            alive = False
        same = ask("SELECT pg_postmaster_start_time()") == self.started
        check(alive and same, name, f"bystander alive: {alive}, same start of the server: {same}")
        self.session.close()


# ---- data --------------------------------------------------------------------


def deploy(label):
    """A statement after which this is the answer to "invoice"."""
    return (
        "SELECT triage.deploy('default', train_classifier(b, l)) "
        f"FROM (VALUES ('invoice', '{label}'), ('login', 'rest')) t (b, l)"
    )


def load_sample(**connection):
    ask("SELECT triage.load_sample()", **connection)


# Subject in the first line, as the README does it.
MAILS = r"(SELECT email_id, mailbox, label, concat_ws(E'\n', subject, body) AS body FROM triage.email) AS mail"
