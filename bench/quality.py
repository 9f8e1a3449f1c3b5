#!/usr/bin/env python3
"""Measures how good the answers are, beside scikit-learn, fastText and bogofilter.

    quality.py [--ours] [--fresh] [PART [NAME...]]...

    PART     batch, stream, active or suspects; all of them if none is given
    NAME     corpora of batch and stream, as the files are called; newsgroups20_bare, enron
    --ours   run no peer: show only those that have run before
    --fresh  run peers that have run before, too

Connects as psql does. We answer through SQL: trained with train_classifier(), and in a
stream as people do it, with a row that arrives and a decision about it. What peers said is
kept in target/bench-quality, because it stays the same as long as they and the mails do.
"""

import argparse
import hashlib
import json
import math
import os
import random
import subprocess
import sys
import time
from functools import cache
from statistics import mean

import numpy
import psycopg
from judging import BATCH, CORPORA, ENRON, PROJECT, STREAMS, batch, judge_matrix, judge_stream, resident, stream
from psycopg import sql
from quality_peers import REVISION, peers_of, version_of
from run import ONE_THREAD, cpu, say, table

KEPT = PROJECT / "target" / "bench-quality"

# In a stream, a training when there are that many decisions, and whenever they have doubled.
FIRST_TRAINING = 100

# Active learning: mails drawn at random to begin with, then those asked for at a time; the
# curve of random mails has as many points.
FIRST_ASKED, ASKED, RANDOM_POINTS = 500, 250, 10
# So much less than with all mails is the same accuracy: one standard error on 7,529 test
# mails is .004.
SAME_ACCURACY = 0.005

FLIPPED = 0.05

NAMES = {
    "ours": "pg_triage",
    "multinomial": "sklearn MultinomialNB, word counts",
    "complement": "sklearn ComplementNB, tf-idf, words and pairs",
    "svm": "sklearn LinearSVC, tf-idf, words and pairs",
    "svm_characters": "sklearn LinearSVC, tf-idf, 2 to 5 characters",
    "fasttext": "fastText, words and pairs, 25 epochs",
    "bogofilter": "bogofilter",
    "sgd": "sklearn SGDClassifier, log loss, words and pairs",
}
SKLEARN = ("multinomial", "complement", "svm", "svm_characters")


def require(holds, what):
    """A figure for work that was not done would be worth nothing."""
    if not holds:
        sys.exit(f"error: {what}")


# ---- we ----------------------------------------------------------------------


class Database:
    """A session in a new database, which is dropped at the end."""

    # Serial, as the peers are.
    OPTIONS = "-c max_parallel_workers_per_gather=0 -c jit=off -c client_min_messages=warning -c synchronous_commit=off"

    def __enter__(self):
        self.name = f"quality_{os.getpid()}"
        with psycopg.connect(dbname="postgres", autocommit=True) as session:
            session.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.name)))
        self.connect()
        self.run("CREATE EXTENSION pg_triage")
        return self

    def __exit__(self, *_):
        self.session.close()
        with psycopg.connect(dbname="postgres", autocommit=True) as session:
            session.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(self.name)))

    def connect(self):
        """Anew: a session's memory peak is then that of what follows."""
        self.session = psycopg.connect(dbname=self.name, options=self.OPTIONS, autocommit=True)
        self.run = self.session.execute

    def value(self, query, *parameters):
        return self.run(query, parameters).fetchone()[0]

    def copy(self, into, rows):
        with self.session.cursor().copy(f"COPY {into} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    def memory(self, field):
        """Bytes of the server process; None where that cannot be seen."""
        try:
            return resident(field, self.session.info.backend_pid)
        except OSError:
            return None

    def peak_since(self, before):
        """Without the server's shared memory, which is not the session's."""
        peak = self.memory("VmHWM")
        return None if None in (peak, before) else peak - self.memory("RssShmem") - before

    def private(self):
        now = self.memory("VmRSS")
        return None if now is None else now - self.memory("RssShmem")


def timed(function, *arguments):
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def train_and_answer(db, truth):
    """Trains on table `train`, answers table `test`."""
    db.connect()
    db.run("SELECT count(length(body)) FROM train")
    before = db.private()
    train, _ = timed(db.run, "SELECT triage.deploy('default', train_classifier(body, label)) FROM train")
    memory = db.peak_since(before)
    db.run("SELECT classify_email('a')")
    classify, _ = timed(db.run, "SELECT count(classify_email(body)) FROM test")
    answers = db.run("""
        SELECT array_agg(s.label), array_agg(s.probability)
          FROM test, classify_email_scores(body) AS s GROUP BY n ORDER BY n""").fetchall()
    require(len(answers) == len(truth), f"{len(answers)} answers to {len(truth)} mails")
    labels = sorted(answers[0][0])
    probabilities = numpy.array([[p for _, p in sorted(zip(*answer))] for answer in answers])
    result = judge_matrix(truth, labels, probabilities)
    return result | {"train": train, "us": classify / len(truth) * 1e6, "memory": memory}


def our_batch(name):
    with Database() as db:
        train, test = batch(name)
        for split, mails in (("train", train), ("test", test)):
            db.run(f"CREATE TABLE {split} (n integer, body text NOT NULL, label text NOT NULL)")
            db.copy(split, ((n, *mail) for n, mail in enumerate(mails)))
        db.run("ANALYZE")
        return train_and_answer(db, [label for _, label in test])


INSERT = "INSERT INTO inbox (mail_id, body) VALUES (%s, %s) RETURNING label"
CORRECT = "UPDATE inbox SET label = %s WHERE mail_id = %s"
# The row has that label already, so an UPDATE of it would change nothing.
ACCEPT = "SELECT triage.accept(review_id) FROM triage.review WHERE source = 'public.inbox' AND email_key = %s"


def our_stream(name):
    mails = stream(name)
    with Database() as db:
        db.run("""
            CREATE TABLE inbox (mail_id integer PRIMARY KEY, body text NOT NULL, label text);
            SELECT triage.create_classifier('spam');
            SELECT triage.add_label('spam', 'ham'), triage.add_label('spam', 'spam');
            SELECT triage.attach('inbox', ARRAY['body'], 'label', classifier => 'spam')""")
        before = db.private()
        answers, training, next_training = [], 0.0, FIRST_TRAINING
        start = time.perf_counter()
        for n, (text, truth) in enumerate(mails):
            answer = db.run(INSERT, (n, text), prepare=True).fetchone()[0]
            answers.append(answer)
            if answer == truth:
                db.run(ACCEPT, (str(n),), prepare=True)
            else:
                db.run(CORRECT, (truth, n), prepare=True)
            if n + 1 == next_training:
                training += timed(db.run, "SELECT triage.retrain('spam')")[0]
                next_training *= 2
        seconds = time.perf_counter() - start
        memory = db.peak_since(before)
        decisions = db.value("SELECT count(*) FROM triage.decision WHERE kind IN ('accept', 'correct')")
        require(decisions == len(mails), f"{decisions} decisions about {len(mails)} mails")
        reviews = db.run("""
            SELECT predicted_label, confidence, second_confidence FROM triage.review
             WHERE source = 'public.inbox' ORDER BY email_key::integer""").fetchall()
    require([label for label, *_ in reviews] == answers, "reviews say something else than the rows did")
    result = judge_stream([truth for _, truth in mails], answers, [log_odds(*review) for review in reviews])
    return result | {"train": training, "us": seconds / len(mails) * 1e6, "memory": memory}


def log_odds(label, confidence, second):
    """Of spam. The smaller probability tells more than its distance to 1."""
    if label is None:
        return 0
    odds = math.log(confidence) - math.log(max(second, 1e-300))
    return odds if label == "spam" else -odds


# ---- the peers ---------------------------------------------------------------


@cache
def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def peer_result(part, name, peer, options):
    """None if it is not there, or not to be run."""
    version = version_of(peer)
    if version is None:
        return None
    corpus = (BATCH if part == "batch" else STREAMS)[name]
    key = [digest(corpus.path), version, REVISION]
    kept = KEPT / f"{part}-{name}-{peer}.json"
    if kept.exists() and not options.fresh:
        found = json.loads(kept.read_text())
        if found["key"] == key:
            return found["result"]
    if options.ours:
        return None
    say(f"{part} {name}: {NAMES[peer]}")
    done = subprocess.run(
        [sys.executable, PROJECT / "bench" / "quality_peers.py", part, name, peer],
        env=os.environ | ONE_THREAD,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    if done.returncode != 0:
        say(f"failed: {part} {name}, {NAMES[peer]} (see above)")
        return None
    result = json.loads(done.stdout)
    KEPT.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps({"key": key, "result": result}))
    return result


def contestants(part, name, options):
    say(f"{part} {name}: {NAMES['ours']}")
    results = {"ours": our_batch(name) if part == "batch" else our_stream(name)}
    for peer in peers_of(part, name):
        result = peer_result(part, name, peer, options)
        if result:
            results[peer] = result
    return results


def mean_of(streams):
    """The mean of each figure over several streams, of those who took part in all."""
    results = {}
    for contestant in streams[0]:
        if all(contestant in one for one in streams):
            runs = [one[contestant] for one in streams]
            results[contestant] = {
                figure: None if any(run.get(figure) is None for run in runs) else mean(run[figure] for run in runs)
                for figure in runs[0]
            }
            results[contestant]["mails"] = sum(run["mails"] for run in runs)
    return results


# ---- asking, and suspecting ----------------------------------------------------


def accuracy_of(db, condition):
    db.run(f"SELECT triage.deploy('default', train_classifier(body, label)) FROM train WHERE {condition}")
    return float(db.value("SELECT avg((classify_email(body) = label)::integer) FROM test"))


# The smallest distance of the two most probable labels.
ASK = """
    UPDATE train SET asked = true WHERE n IN (
        SELECT n FROM train, classify_email_scores(body) AS s WHERE NOT asked AND rank <= 2
         GROUP BY n ORDER BY max(probability) - min(probability), n LIMIT %s)"""


def active():
    """Labels needed for the accuracy of all: by margin, and drawn at random."""
    with Database() as db:
        train, test = batch("newsgroups20")
        db.run("CREATE TABLE train (n integer, body text NOT NULL, label text NOT NULL, drawn integer, asked boolean)")
        db.run("CREATE TABLE test (n integer, body text NOT NULL, label text NOT NULL)")
        drawn = random.Random(1).sample(range(len(train)), len(train))
        db.copy("train", ((n, *mail, drawn[n], drawn[n] < FIRST_ASKED) for n, mail in enumerate(train)))
        db.copy("test", ((n, *mail) for n, mail in enumerate(test)))
        db.run("ANALYZE")
        full = accuracy_of(db, "true")
        wanted = full - SAME_ACCURACY
        asked, curve, needed = FIRST_ASKED, [], None
        while True:
            curve.append((asked, accuracy_of(db, "asked")))
            # Once may be chance.
            if len(curve) > 1 and min(accuracy for _, accuracy in curve[-2:]) >= wanted:
                needed = curve[-2][0]
                break
            if asked == len(train):
                break
            db.run(ASK, (ASKED,))
            asked = db.value("SELECT count(*) FROM train WHERE asked")
        sizes = [len(train) * i // RANDOM_POINTS for i in range(1, RANDOM_POINTS)]
        by_chance = [(size, accuracy_of(db, f"drawn < {size}")) for size in sizes] + [(len(train), full)]
    return {
        "mails": len(train),
        "full": full,
        "wanted": wanted,
        "curve": curve,
        "needed": needed or len(train),
        "random": by_chance,
        "random_needed": next(size for size, accuracy in by_chance if accuracy >= wanted),
    }


def suspects():
    """Of wrong labels in an imported history, the share among as many suspects; None
    where this version has no such view."""
    with Database() as db:
        if db.value("SELECT to_regclass('triage.suspect_labels')") is None:
            return None
        train, _ = batch("newsgroups20")
        chance = random.Random(1)
        labels = sorted({label for _, label in train})
        flipped = set(chance.sample(range(len(train)), round(len(train) * FLIPPED)))
        db.run("""
            CREATE TABLE history (mail_id integer PRIMARY KEY, body text NOT NULL, label text NOT NULL);
            SELECT triage.create_classifier('news')""")
        db.copy(
            "history",
            (
                (n, body, chance.choice([other for other in labels if other != label]) if n in flipped else label)
                for n, (body, label) in enumerate(train)
            ),
        )
        learned = db.value("SELECT triage.learn_from('news', 'history', ARRAY['body'], 'label')")
        require(learned == len(train), f"learned {learned} mails, of {len(train)}")
        seconds, rows = timed(
            lambda: db.run(
                "SELECT email_key FROM triage.suspect_labels WHERE source = 'public.history' LIMIT %s", (len(flipped),)
            ).fetchall()
        )
        found = len(flipped & {int(key) for (key,) in rows})
    return {
        "mails": len(train),
        "flipped": len(flipped),
        "listed": len(rows),
        "found": found / len(flipped),
        "seconds": seconds,
    }


# ---- saying it ---------------------------------------------------------------

COLUMNS = ("", "accuracy", "macro-F1", "log loss", "ECE", "1-ROCA %", "train s", "us/mail", "mails/s", "memory MB")


def figure(result, key, digits, scale=1):
    value = result.get(key)
    return "-" if value is None else f"{value * scale:.{digits}f}"


def table_rows(title, results):
    rows = [("",) * len(COLUMNS), (title, *[""] * (len(COLUMNS) - 1))]
    for contestant, result in results.items():
        rows.append(
            (
                f"  {NAMES[contestant]}",
                figure(result, "accuracy", 4),
                figure(result, "macro_f1", 4),
                figure(result, "log_loss", 3),
                figure(result, "ece", 3),
                figure(result, "roca", 3),
                figure(result, "train", 1),
                figure(result, "us", 0),
                f"{1e6 / result['us']:.0f}",
                figure(result, "memory", 0, 1e-6),
            )
        )
    return rows


def title_of(part, name, results):
    mails = results["ours"]["mails"]
    if part == "batch":
        return f"{BATCH[name].title}: trained at once, {mails} to classify"
    title = "Enron-Spam, mean of six streams" if name == "enron" else STREAMS[name].title
    return f"{title}: {mails} arrive, each is learned"


def streams_table(streams):
    """Accuracy and 1-ROCA of each."""
    rows = []
    for contestant in streams[0]:
        cells = [one.get(contestant) for one in streams]
        rows.append(
            (
                f"  {NAMES[contestant]}",
                *("-" if cell is None else f"{cell['accuracy'] * 100:.2f} / {cell['roca']:.3f}" for cell in cells),
            )
        )
    table(("Enron-Spam, accuracy % / 1-ROCA %", *ENRON), rows)


def notes(measured):
    print("\nTrain: ours chooses a score form, calibrates and evaluates, too; in a stream all trainings together.")
    print("us/mail: to classify; in a stream to classify, to learn and to train, ours with two commits, not flushed.")
    print("Memory: most that it added to its process; of bogofilter all of it. ECE: 15 bins of equal width.")
    if any(part == "stream" for part, _ in measured):
        print(f"Streams: ours is trained at {FIRST_TRAINING} decisions and whenever they have doubled.")
    for (part, name), results in measured.items():
        peer = results.get("bogofilter")
        if peer:
            print(
                f"bogofilter, {part} {name}: accuracy is its verdict's, {peer['unsure'] * 100:.1f} % unsure "
                f"counted as wrong; {peer['cut']:.4f} if cut at .5"
            )
        ours = results["ours"]
        if ours.get("tied"):
            print(f"ours, {part} {name}: {ours['tied'] * 100:.2f} % of the mails have a score that another has, too")


def best(results, peers):
    """None if not all of them took part."""
    return max(results[peer]["accuracy"] for peer in peers) if all(peer in results for peer in peers) else None


def targets(measured, asked, suspected):
    """What is wanted, what was measured, and the bound; None is what was not measured."""

    def of(part, name, key="accuracy"):
        result = measured.get((part, name), {}).get("ours")
        return result and result.get(key)

    def peers(name, some):
        return best(measured.get(("batch", name), {}), some)

    yield "newsgroups20, accuracy", of("batch", "newsgroups20"), ">=", 0.870
    yield (
        "newsgroups20_bare, accuracy, beside LinearSVC",
        of("batch", "newsgroups20_bare"),
        ">=",
        peers("newsgroups20_bare", ["svm"]),
    )
    for name in "tickets_de_synthetic", "codealltag_de":
        yield f"{name}, accuracy, beside the best of scikit-learn", of("batch", name), ">=", peers(name, SKLEARN)
    for name, accuracy, roca in (("enron", 0.986, 0.13), ("spamassassin", 0.982, 0.21), ("trec07p_half", None, 0.07)):
        if accuracy:
            yield f"{name} stream, accuracy", of("stream", name), ">=", accuracy
        yield f"{name} stream, 1-ROCA %", of("stream", name, "roca"), "<=", roca
    for name in BATCH:
        yield f"{name}, ECE", of("batch", name, "ece"), "<=", 0.03
    yield "enron streams, mean ECE", of("stream", "enron", "ece"), "<=", 0.05
    yield "labels asked by margin, share of all", asked and asked["needed"] / asked["mails"], "<=", 0.60
    yield "wrong labels among as many suspects", suspected and suspected["found"], ">=", 0.80


def targets_table(found):
    rows = []
    for what, value, comparison, bound in found:
        if value is None:
            continue
        if bound is None:
            verdict = "no peer"
        else:
            verdict = "OK" if (value >= bound if comparison == ">=" else value <= bound) else "MISSED"
        rows.append((what, f"{value:.4f}", "-" if bound is None else f"{comparison} {bound:.4f}", verdict))
    if rows:
        table(("Target", "measured", "wanted", ""), rows)


def active_table(asked):
    def cells(curve):
        return [(f"  {size} ({size / asked['mails'] * 100:.0f} %)", f"{accuracy:.4f}") for size, accuracy in curve]

    title = f"Active learning, 20 Newsgroups: all {asked['mails']} labels give {asked['full']:.4f}, wanted {asked['wanted']:.4f}"
    rows = [(f"asked by margin: {asked['needed']} labels needed", ""), *cells(asked["curve"])]
    rows += [(f"drawn at random: {asked['random_needed']} or fewer", ""), *cells(asked["random"])]
    table((title, "accuracy"), rows)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--fresh", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    known = {
        "batch": list(BATCH),
        "stream": ["enron", *(n for n in STREAMS if n not in ENRON)],
        "active": [],
        "suspects": [],
    }
    wanted = {}
    part = None
    for word in options.words:
        if word in known:
            part = word
            wanted.setdefault(part, [])
        elif part and word in known[part]:
            wanted[part].append(word)
        else:
            sys.exit(
                f"error: not known: {word}; parts and their names: "
                + "; ".join(" ".join([p, *n]) for p, n in known.items())
            )
    options.parts = {part: names or known[part] for part, names in (wanted or dict.fromkeys(known)).items()}
    return options


def is_there(part, name):
    if part == "stream":
        corpus = STREAMS["enron1" if name == "enron" else name]
    else:
        corpus = BATCH[name]
    if not corpus.path.is_file():
        say(f"skipped: {part} {name}, no corpus {corpus.path.name} in {CORPORA}")
    return corpus.path.is_file()


def main():
    options = arguments()
    measured, enron, asked, suspected = {}, None, None, None
    for part in "batch", "stream":
        for name in options.parts.get(part, []):
            if not is_there(part, name):
                continue
            if name == "enron":
                enron = [contestants(part, one, options) for one in ENRON]
                measured[part, name] = mean_of(enron)
            else:
                measured[part, name] = contestants(part, name, options)
    if "active" in options.parts and is_there("active", "newsgroups20"):
        say("active newsgroups20")
        asked = active()
    if "suspects" in options.parts and is_there("suspects", "newsgroups20"):
        say("suspects newsgroups20")
        suspected = suspects()
        if not suspected:
            say("skipped: suspects, because this version has no view triage.suspect_labels")
    if not (measured or asked or suspected):
        return

    with Database() as db:
        version = db.value("SELECT extversion FROM pg_extension WHERE extname = 'pg_triage'")
        server = db.value("SHOW server_version").split()[0]
    peers = [f"scikit-learn {version_of('svm')}"] + [
        f"{p} {version_of(p)}" for p in ("fasttext", "bogofilter") if version_of(p)
    ]
    print(f"\npg_triage {version}, PostgreSQL {server}, {', '.join(peers)}, {cpu()}")
    if measured:
        rows = [
            row
            for (part, name), results in measured.items()
            for row in table_rows(title_of(part, name, results), results)
        ]
        table(COLUMNS, rows[1:])
        notes(measured)
    if enron:
        streams_table(enron)
    if asked:
        active_table(asked)
    if suspected:
        print(
            f"\nSuspect labels, 20 Newsgroups: of {suspected['flipped']} wrong labels in {suspected['mails']}, "
            f"{suspected['found'] * 100:.1f} % are among the first {suspected['listed']}; {suspected['seconds']:.1f} s"
        )
    targets_table(targets(measured, asked, suspected))
    missing = [peer for peer in ("fasttext", "bogofilter") if version_of(peer) is None]
    if missing:
        print(f"skipped: {', '.join(missing)}, because it is not installed")


if __name__ == "__main__":
    main()
