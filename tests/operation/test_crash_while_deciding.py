"""The worker is killed, and the server stopped on the spot, at random moments while decisions
are made. After each of them: one active model that loads, every acknowledged decision in the
ledger once, the model is what the ledger alone leads to, and the worker is back.

PG_TRIAGE_CRASH_SEED repeats the random choices, not their order in time.
"""

import os
import random
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from support.server import new_server
from support.waiting import wait_for
from support.worker import PRELOAD, kill

SEED = int(os.environ.get("PG_TRIAGE_CRASH_SEED", str(time.time_ns() % 1_000_000)))
LABELS = ["billing", "logistics", "sales"]
EMAILS = 300

# Each decision is compacted, and now and then a version trained. The worker is to be found at
# work: a task takes a moment before and after it has written.
SETUP = f"""
CREATE EXTENSION pg_triage;
ALTER ROLE triage_worker SET pg_triage.compact_after = 2;
ALTER ROLE triage_worker SET pg_triage.retrain_after = 20;
SELECT triage.deploy('default', train_classifier(b, l))
  FROM (VALUES ('invoice payment', 'billing'), ('parcel driver', 'logistics'), ('offer discount', 'sales')) t (b, l);
INSERT INTO triage.email (subject)
SELECT (ARRAY['invoice', 'parcel', 'offer'])[1 + n % 3] || ' ' || md5(n::text) FROM generate_series(1, {EMAILS}) n;
CREATE FUNCTION public.linger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_catalog.pg_sleep(pg_catalog.random() * 0.1); RETURN NEW; END $$;
CREATE TRIGGER linger_before BEFORE INSERT OR UPDATE ON triage_internal.base FOR EACH ROW EXECUTE FUNCTION public.linger();
CREATE TRIGGER linger_after AFTER INSERT OR UPDATE ON triage_internal.base FOR EACH ROW EXECUTE FUNCTION public.linger();
"""
STATE = """
SELECT classify_email('invoice') IS NOT NULL,
       (SELECT count(*) FROM triage.model_versions WHERE classifier = 'default' AND status = 'active'),
       triage.learned_state('default')::text = triage.replayed_state('default')::text,
       (SELECT count(*) = count(DISTINCT actor) FROM triage.decision)"""
BACK = "SELECT served AND (worker_pid IS NOT NULL OR last_ended_at IS NOT NULL) FROM triage.worker_status()"
# Else the worker would wait for a minute.
MOST_SECONDS_AWAY = 45


class Reviewer(threading.Thread):
    """Decides about one email after the other, and remembers what was acknowledged. Each
    decision has a name of its own as its actor."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server = server
        self.random = random.Random(SEED + 1)
        self.lock = threading.Lock()  # held while a decision is under way
        self.acknowledged: dict[str, int] = {}
        self.unknown: set[str] = set()  # sent, but not acknowledged
        self.ended = False

    def run(self):
        number, session = 0, None
        while not self.ended:
            with self.lock:
                number += 1
                token = f"decision {number}"
                try:
                    session = session or self.server.connect()
                    self.acknowledged[token] = self.decide(session, token)
                except psycopg.OperationalError:
                    self.unknown.add(token)
                    session = None
            time.sleep(0.01 if session else 0.1)

    def decide(self, session, token):
        """A label that the email does not have yet; the number of the decision."""
        review, choice = self.random.randrange(1, EMAILS + 1), self.random.randrange(len(LABELS))
        label, other = LABELS[choice], LABELS[choice - 1]
        return session.value(
            f"SELECT triage.correct({review}, CASE human_label WHEN '{label}' THEN '{other}' ELSE '{label}' END, "
            f"actor => '{token}') FROM triage.review WHERE review_id = {review}"
        )


def patiently(server, do):
    """What `do` returns, given a session: the server may be starting, or about to notice that a
    process of its own was killed, which ends all others."""
    results = []

    def done():
        try:
            with server.connect() as session:
                results.append(do(session))
        except psycopg.OperationalError:
            return False
        return True

    wait_for(done, 30, "the server answers")
    return results[-1]


def ask(server, question):
    """The only row."""
    return patiently(server, lambda session: session.row(question))


@dataclass
class Ordeal:
    """What was found after each of the kills and stops."""

    kills: int
    hits: int = 0
    acknowledged: int = 0
    seconds_away: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    left: int = -1

    def look(self, server, reviewer, event):
        """While nothing is decided."""

        def read(session):
            decided = session.rows("SELECT actor, decision_id FROM triage.decision WHERE door <> 'import'")
            state = session.row(STATE)
            # Each interruption is to be the first one: a task that ends its process again and again waits.
            session.run("DELETE FROM triage_internal.job WHERE status = 'interrupted'")
            return decided, state

        decided, state = patiently(server, read)
        found = dict(decided)
        lost = [token for token, decision in reviewer.acknowledged.items() if found.get(token) != decision]
        strange = found.keys() - reviewer.acknowledged.keys() - reviewer.unknown
        if lost or strange or len(found) != len(decided) or state != (True, 1, True, True):
            self.wrong.append(f"{event}: lost {lost[:5]}, strange {sorted(strange)[:5]}, state {state}")


def kill_the_worker(server, chance):
    """Whether one was hit."""
    pid = None
    while pid is None:
        time.sleep(chance.random() * 0.05)
        (pid,) = ask(server, "SELECT worker_pid FROM triage.worker_status()")
    time.sleep(chance.random() * 0.15)
    if not Path(f"/proc/{pid}").exists():
        return False
    kill(pid)
    return True


def stop_the_server(server, chance):
    time.sleep(chance.random() * 0.5)
    server.stop("immediate")
    server.start()


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((10, 5), id="10 kills and 5 stops"),
        pytest.param((50, 20), id="50 kills and 20 stops", marks=pytest.mark.long),
    ],
)
def ordeal(request):
    kills, stops = request.param
    chance = random.Random(SEED)
    events = ["kill"] * kills + ["stop"] * stops
    chance.shuffle(events)
    ordeal = Ordeal(kills)
    with new_server("worker_crash", PRELOAD) as server:
        server.run(SETUP)
        reviewer = Reviewer(server)
        reviewer.start()
        for event in events:
            if event == "kill":
                ordeal.hits += kill_the_worker(server, chance)
            else:
                stop_the_server(server, chance)
            stopped = time.monotonic()
            with reviewer.lock:
                wait_for(
                    lambda: ask(server, BACK)[0], 2 * MOST_SECONDS_AWAY, f"seed {SEED}: the worker is back", pause=0.03
                )
                ordeal.seconds_away.append(time.monotonic() - stopped)
                ordeal.look(server, reviewer, event)
        reviewer.ended = True
        reviewer.join()
        pending = "SELECT count(*) FROM triage_internal.pending"
        wait_for(lambda: ask(server, pending)[0] == 0, 2 * MOST_SECONDS_AWAY, "what was left is done")
        ordeal.look(server, reviewer, "end")
        (ordeal.left,) = ask(server, pending)
        ordeal.acknowledged = len(reviewer.acknowledged)
    return ordeal


def test_most_kills_hit_a_worker_at_work_while_decisions_went_on(ordeal):
    assert ordeal.hits >= ordeal.kills * 0.6
    assert ordeal.acknowledged > 4 * ordeal.kills


def test_after_each_there_is_one_model_that_loads_and_every_decision_once(ordeal):
    assert ordeal.wrong == [], f"seed {SEED}"


def test_the_worker_is_back_each_time(ordeal):
    assert max(ordeal.seconds_away) < MOST_SECONDS_AWAY


def test_the_worker_does_what_was_left(ordeal):
    assert ordeal.left == 0
