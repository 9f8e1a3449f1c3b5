#!/usr/bin/env python3
"""Measures pg_triage beside PostgreSQL's own text functions and scikit-learn.

    run.py [PYTHON]     connects as psql does; PYTHON has the packages of requirements.txt

Every figure is a median over rounds in which the contestants take turns, and every
ratio the median of the rounds' ratios: what else the machine does hits them alike.
Times inside the server are the execution times of EXPLAIN ANALYZE.
"""

import gzip
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

PROJECT = Path(__file__).resolve().parent.parent
CORPORA = Path(os.environ.get("PG_TRIAGE_CORPORA") or PROJECT.parent / "shared" / "corpora")
CORPUS = CORPORA / "newsgroups20.jsonl.gz"

CLASSIFY_ROUNDS = 5
CONNECT_ROUNDS = 15
TRAIN_ROUNDS = 3
WORKERS = 2
# Mails made of the sample mails where there is no corpus.
SAMPLE_SIZES = {"train": 11000, "test": 7500}

# Serial unless a measurement says otherwise. JIT could start for one contestant only,
# because its planner cost is higher, and change the ratios for no reason of its own.
OPTIONS = "-c max_parallel_workers_per_gather=0 -c jit=off -c client_min_messages=warning"

MARK = "--- done ---"


def say(text):
    print(f"==> {text}", flush=True)


class Session:
    """One psql that stays open."""

    def __init__(self, database=None):
        self.psql = subprocess.Popen(
            ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", *([database] if database else [])],
            env={**os.environ, "PGOPTIONS": OPTIONS},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

    def run(self, sql, data=()):
        """The lines that `sql` prints; `data` is what follows a COPY."""
        write = self.psql.stdin.write
        try:
            write(f"{sql}\n")
            for line in data:
                write(line)
            write(f"\\echo {MARK}\n")
            self.psql.stdin.flush()
        except BrokenPipeError:
            pass
        lines = []
        for line in self.psql.stdout:
            if line == f"{MARK}\n":
                return lines
            lines.append(line.rstrip("\n"))
        # psql has said on stderr what was wrong.
        sys.exit(f"error: psql stopped in: {sql}")

    def value(self, sql):
        return self.run(sql)[0]

    def explain(self, query):
        """Milliseconds and the number of workers that took part."""
        plan = json.loads("\n".join(self.run(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {query};")))[0]
        return plan["Execution Time"], workers(plan["Plan"])

    def workers(self, number):
        self.run(f"SET max_parallel_workers_per_gather = {number};")

    def reconnect(self):
        self.run("\\connect")

    def memory(self, field):
        """Bytes of the session's server process; None where that cannot be seen."""
        try:
            status = Path(f"/proc/{self.value('SELECT pg_backend_pid();')}/status").read_text()
        except OSError:
            return None
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(field))


def workers(plan):
    return max([plan.get("Workers Launched", 0), *map(workers, plan.get("Plans", []))])


# ---- the mails ---------------------------------------------------------------


def corpus():
    with gzip.open(CORPUS, "rt", encoding="utf-8") as lines:
        for mail in map(json.loads, lines):
            yield {key: mail[key] for key in ("split", "label", "text")}


def varied(text, chance):
    """The lines in another order, without a fifth of the words, with a number of its own."""
    lines = text.split("\n")
    chance.shuffle(lines)
    words = [" ".join(w for w in line.split(" ") if chance.random() > 0.2) for line in lines]
    return "\n".join([*words, f"reference {chance.getrandbits(40):x}"])


def sample(session, sizes=SAMPLE_SIZES):
    session.run("SELECT triage.load_sample();")
    mails = [
        json.loads(line)
        for line in session.run("""
        SELECT json_build_object(
            'split', CASE mailbox WHEN 'sample/train' THEN 'train' ELSE 'test' END,
            'label', label, 'text', concat_ws(E'\\n', subject, body))
        FROM triage.email ORDER BY email_id;""")
    ]
    chance = random.Random(1)
    for split, size in sizes.items():
        originals = [mail for mail in mails if mail["split"] == split]
        for i in range(size):
            mail = originals[i % len(originals)]
            yield {**mail, "text": varied(mail["text"], chance)}


def copy_line(mail, keys=("label", "text")):
    escaped = (
        mail[key].replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t") for key in keys
    )
    return "\t".join(escaped) + "\n"


def load(session, mails):
    """One table per split. Uncompressed: unpacking is not what is compared."""
    for split in ("train", "test"):
        session.run(f"""
            CREATE TABLE {split} (label text NOT NULL, text text NOT NULL) WITH (parallel_workers = {WORKERS});
            ALTER TABLE {split} ALTER COLUMN text SET STORAGE EXTERNAL;""")
        rows = (copy_line(mail) for mail in mails if mail["split"] == split)
        session.run(f"COPY {split} FROM STDIN;", [*rows, "\\.\n"])
    session.run("VACUUM (FREEZE, ANALYZE);")
    session.run("CHECKPOINT;")


def deploy(session):
    session.run("""
        SELECT triage.deploy('default', train_classifier(text, label)) FROM train;
        CREATE TABLE pinned AS SELECT model FROM triage_internal.model;
        CREATE TABLE tiny AS
        SELECT train_classifier(text, label) AS model FROM (VALUES ('this', 'a'), ('that', 'b')) AS v (text, label);""")


# ---- measuring ---------------------------------------------------------------


def rounds(number, contestants):
    """Measures all of them in turn, `number` times: {name: [result, ...]}."""
    results = {name: [] for name in contestants}
    for _ in range(number):
        for name, measure in contestants.items():
            results[name].append(measure())
    return results


def ratio(times, base):
    return f"{median(a / b for a, b in zip(times, base)):.2f}"


def parallel(session, query):
    session.workers(WORKERS)
    result = session.explain(query)
    session.workers(0)
    return result


CLASSIFY = {
    "md5(text)": "SELECT count(md5(text)) FROM test",
    "to_tsvector('simple', text)": "SELECT count(to_tsvector('simple', text)) FROM test",
    "classify_email(text)": "SELECT count(classify_email(text)) FROM test",
    "classify_with(model, text)": "SELECT count(classify_with((SELECT model FROM pinned), text)) FROM test",
    "classify_with(tiny model, text): no look-ups": "SELECT count(classify_with((SELECT model FROM tiny), text)) FROM test",
    "email_tokens(text): a row per word": "SELECT count(*) FROM test, email_tokens(text)",
    "text < 'x': reading only": """SELECT count(text COLLATE "C" < 'x') FROM test""",
}


def classify_rounds(session):
    """Milliseconds for all mails: {name: [round, ...]}."""
    say(f"classifying, {CLASSIFY_ROUNDS} rounds")
    contestants = {name: lambda q=query: session.explain(q) for name, query in CLASSIFY.items()}
    contestants["parallel"] = lambda: parallel(session, CLASSIFY["classify_email(text)"])
    rounds(1, contestants)
    results = rounds(CLASSIFY_ROUNDS, contestants)
    helpers = min(launched for _, launched in results["parallel"])
    results[f"classify_email(text), {helpers} parallel workers"] = results.pop("parallel")
    return {name: [ms for ms, _ in result] for name, result in results.items()}


def classify_table(mails, times):
    md5, tsvector = times["md5(text)"], times["to_tsvector('simple', text)"]
    return [(name, f"{median(t) / mails * 1000:.1f}", ratio(t, md5), ratio(t, tsvector)) for name, t in times.items()]


def first_answer(session, query):
    start = time.perf_counter()
    session.run(f"\\connect\nSELECT {query};")
    return (time.perf_counter() - start) * 1000


def connect_table(session):
    say(f"first answers of new sessions, {CONNECT_ROUNDS} rounds")
    queries = ["md5('payment failed')", "classify_email('payment failed')"]
    contestants = {f"connect, {q}": lambda q=q: first_answer(session, q) for q in queries}
    rounds(1, contestants)
    times = rounds(CONNECT_ROUNDS, contestants)
    base = times[next(iter(times))]
    return [(name, f"{median(t):.2f}", ratio(t, base)) for name, t in times.items()]


def train_once(session, aggregate, helpers):
    """In a new session, so that its memory peak is the training's."""
    session.reconnect()
    # The library and the table's pages are in memory before, and not counted.
    session.run("SELECT count(length(text)) FROM train; SELECT count(*) FROM email_tokens('a');")
    session.workers(helpers)
    before = session.memory("VmRSS")
    ms, launched = session.explain(f"SELECT {aggregate}(text, label) FROM train")
    after = session.memory("VmHWM")
    result = {"train": ms, "workers": launched}
    # The workers' share cannot be seen afterwards.
    if before is not None and after is not None and not launched:
        result["memory"] = after - before
    return result


ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}


def peer_once(python, messages, peer):
    done = subprocess.run(
        [python, PROJECT / "bench" / "peers.py", messages, peer],
        env={**os.environ, **ONE_THREAD},
        stdout=subprocess.PIPE,
        check=True,
        encoding="utf-8",
    )
    return json.loads(done.stdout)


PEERS = {
    "multinomial": "sklearn HashingVectorizer, MultinomialNB",
    "pairs": "the same with words and pairs, binary",
    "complement": "sklearn HashingVectorizer, ComplementNB",
}


def train_rounds(session, python, messages):
    say(f"training, {TRAIN_ROUNDS} rounds")
    contestants = {
        "serial": lambda: train_once(session, "train_classifier", 0),
        "parallel": lambda: train_once(session, "train_classifier", WORKERS),
        "collect": lambda: train_once(session, "collect_emails", 0),
    }
    if python:
        contestants |= {peer: lambda p=peer: peer_once(python, messages, p) for peer in PEERS}
    return rounds(TRAIN_ROUNDS, contestants)


def add_own(session, results, classify):
    """Adds what was not measured while training. The same rows give the same model."""
    session.workers(0)
    own = {
        "accuracy": float(session.value("SELECT avg((classify_email(text) = label)::int) FROM test;")),
        "model": int(session.value("SELECT bytes FROM triage_internal.model;")),
    }
    for run in results["serial"] + results["parallel"]:
        run |= own
    results["serial"][0]["classify"] = median(classify)


def train_table(mails, results):
    helpers = min(run["workers"] for run in results["parallel"])
    names = {
        "serial": "train_classifier",
        "parallel": f"train_classifier, {helpers} parallel workers",
        "collect": "collect_emails: counting only",
        **PEERS,
    }
    base = [run["train"] for run in results.get("multinomial", [])]
    rows = []
    for key, runs in results.items():
        times = [run["train"] for run in runs]

        def figure(field, scale, digits):
            known = [run[field] for run in runs if field in run]
            return f"{median(known) * scale:.{digits}f}" if known else "-"

        rows.append(
            (
                names[key],
                figure("train", 1 / 1000, 2),
                ratio(times, base) if base else "-",
                figure("accuracy", 1, 3),
                figure("model", 1e-6, 0),
                figure("memory", 1e-6, 0),
                figure("classify", 1000 / mails, 1),
            )
        )
    return rows


# ---- saying it ---------------------------------------------------------------


def table(columns, rows):
    """The first column to the left, figures to the right."""
    widths = [max(len(row[i]) for row in [columns, *rows]) for i in range(len(columns))]
    widths[0] = max(widths[0], 46)
    print()
    for row in [columns, *rows]:
        figures = (text.rjust(width) for text, width in zip(row[1:], widths[1:]))
        print("  ".join([row[0].ljust(widths[0]), *figures]).rstrip())


def cpu():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.machine()
    return f"{model}, {os.cpu_count()} cores"


def versions(session):
    version = session.value("SELECT extversion FROM pg_extension WHERE extname = 'pg_triage';")
    server = session.value("SHOW server_version;").split()[0]
    return f"pg_triage {version}, PostgreSQL {server}"


def headline(session, source, mails, results):
    sizes = {split: sum(mail["split"] == split for mail in mails) for split in ("train", "test")}
    characters = sum(len(mail["text"]) for mail in mails) / len(mails)
    peer = "".join(f", scikit-learn {run['version']}" for run in results.get("multinomial", [])[:1])
    print(f"\n{versions(session)}{peer}, {cpu()}")
    print(
        f"{source}: {sizes['train']} mails to learn, {sizes['test']} to classify, "
        f"{len({mail['label'] for mail in mails})} labels, {characters:.0f} characters each on average"
    )
    print("Medians; ratios are medians of the rounds' ratios.")
    print("Memory: most that training added to its process. Model: ours includes the counts to learn on.")


def main(python=None):
    session = Session()
    session.run("CREATE EXTENSION pg_triage;")
    if CORPUS.is_file():
        source, mails = "20 Newsgroups by date", list(corpus())
    else:
        source = f"Sample mails, repeated with variation, for want of {CORPUS.name} (accuracy says little)"
        mails = list(sample(session))
    say(f"loading {len(mails)} mails and training")
    load(session, mails)
    deploy(session)
    tested = sum(mail["split"] == "test" for mail in mails)

    classified = classify_rounds(session)
    connected = connect_table(session)
    with tempfile.TemporaryDirectory() as folder:
        messages = Path(folder) / "mails.jsonl"
        with open(messages, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(mail) + "\n" for mail in mails)
        results = train_rounds(session, python, messages)
    add_own(session, results, classified["classify_email(text)"])

    headline(session, source, mails, results)
    table(("Classify, warm session", "us/mail", "x md5", "x to_tsvector"), classify_table(tested, classified))
    table(("First answer of a new session", "ms", "x"), connected)
    table(("Train", "s", "x sklearn", "accuracy", "model MB", "memory MB", "classify us"), train_table(tested, results))
    if not python:
        print("skipped: scikit-learn, because its virtual environment could not be made (see above)")


if __name__ == "__main__":
    main(*sys.argv[1:])
