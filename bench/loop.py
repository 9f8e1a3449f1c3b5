#!/usr/bin/env python3
"""Measures the loop: rows labelled as they arrive, and what a correction costs.

    loop.py [PYTHON]     connects as psql does; PYTHON has the packages of requirements.txt

As in run.py, contestants take turns, figures are medians of the rounds, and ratios are
medians of the rounds' ratios. Times of single statements are what psql's \\timing says:
with the way to the server and the commit. Ratios are taken without waiting for the disk
(synchronous_commit = off), which would make everything alike.
"""

import gzip
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from statistics import median

from run import CORPORA, ONE_THREAD, PROJECT, Session, copy_line, cpu, ratio, rounds, sample, say, table, versions

CORPUS = CORPORA / "trec07p_half.jsonl.gz"
SIZES = {"train": 5_000, "test": 30_000}

COPY_ROUNDS = 3
# A row after the other the old way needs a minute for all of them; the cost is per mail.
EACH_MAILS = 5_000
POLL_SECONDS = 10
ARRIVAL_SECONDS = 30
ARRIVALS_PER_SECOND = 20

LABELS = (2, 200)
LEARNED = {"small": 1_000, "large": 100_000}
CORRECT_ROUNDS = 8
CORRECTIONS = 50
# UPDATE and classify_email() per round.
OTHERS = 20

ROWS = {"small": 1_000, "large": 1_000_000}
INSERT_ROUNDS = 30
# Few, so that the small table stays small.
SINGLE_INSERTS = 20
MULTI_INSERT = 20

MAIL_CHARACTERS = 2_048
MAIL_TABLE = """
    (mail_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text NOT NULL, label text,
     arrived_at timestamptz DEFAULT clock_timestamp(), labelled_at timestamptz)"""


def require(holds, what):
    """A figure for work that was not done would be worth nothing."""
    if not holds:
        sys.exit(f"error: {what}")


def timed(session, statements, flushed=False):
    """Milliseconds that each statement took, and the other lines that they printed."""
    session.run(f"SET synchronous_commit = {'on' if flushed else 'off'};")
    lines = session.run("\n".join(["\\timing on", *statements, "\\timing off"]))
    session.run("RESET synchronous_commit;")
    times = [float(line.split()[1]) for line in lines if line.startswith("Time: ")]
    require(len(times) == len(statements), f"psql timed {len(times)} of {len(statements)} statements")
    return times, [line for line in lines if not line.startswith("Time: ")]


def database(name):
    """A session in a new database."""
    Session().run(f"CREATE DATABASE {name};")
    session = Session(name)
    session.run("CREATE EXTENSION pg_triage;")
    return session


# ---- the mails ---------------------------------------------------------------


def corpus():
    """In the order in which they arrived: the first ones are there to be learned."""
    splits = [split for split, size in SIZES.items() for _ in range(size)]
    with gzip.open(CORPUS, "rt", encoding="utf-8") as lines:
        for split, mail in zip(splits, map(json.loads, lines)):
            yield {"split": split, "label": mail["label"], "text": mail["text"]}


def same_length(mails):
    """All mails in a row, cut into pieces."""
    rest = ""
    for mail in mails:
        rest += mail["text"] + "\n"
        while len(rest) >= MAIL_CHARACTERS:
            yield rest[:MAIL_CHARACTERS]
            rest = rest[MAIL_CHARACTERS:]


def literal(text):
    return "'" + text.replace("'", "''") + "'"


def write_mails(folder, mails):
    """Files for COPY, and for Python."""
    test = [mail for mail in mails if mail["split"] == "test"]
    train = [mail for mail in mails if mail["split"] == "train"]
    files = {name: folder / f"{name}.copy" for name in ("train", "test", "some")}
    for name, some, keys in (
        ("train", train, ("label", "text")),
        ("test", test, ("text",)),
        ("some", test[:: len(test) // EACH_MAILS], ("text",)),
    ):
        with open(files[name], "w", encoding="utf-8") as file:
            file.writelines(copy_line(mail, keys) for mail in some)
    files["python"] = folder / "train.jsonl"
    with open(files["python"], "w", encoding="utf-8") as file:
        file.writelines(json.dumps(mail) + "\n" for mail in train)
    return files


# ---- arriving ----------------------------------------------------------------


class OldWay:
    """The Python program that labels rows of table `old_way`."""

    def __init__(self, python, messages):
        self.process = subprocess.Popen(
            [python, PROJECT / "bench" / "old_way.py", messages, "old_way", str(POLL_SECONDS)],
            env={**os.environ, **ONE_THREAD, "PGDATABASE": "loop"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        self.read()

    def read(self):
        line = self.process.stdout.readline()
        require(line, "the old way stopped (see above)")
        return line

    def tell(self, command):
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()

    def drain(self, how):
        self.tell(how)
        return json.loads(self.read())

    def end(self):
        """Lets it finish; returns what it says last."""
        self.process.stdin.close()
        said = self.process.stdout.read()
        require(self.process.wait() == 0, "the old way failed (see above)")
        return said


def prepare_arrivals(session, files):
    session.run(f"""
        CREATE TABLE train (label text, text text);
        \\copy train FROM '{files["train"]}'
        SELECT triage.deploy('default', train_classifier(text, label)) FROM train;
        CREATE TABLE plain {MAIL_TABLE};
        CREATE TABLE attached {MAIL_TABLE};
        CREATE TABLE old_way {MAIL_TABLE};
        SELECT triage.attach('attached', ARRAY['body'], 'label');
        VACUUM (FREEZE, ANALYZE);""")


def copy_into(session, name, file):
    """Milliseconds to fill a table that was empty."""
    session.run(f"TRUNCATE {name} RESTART IDENTITY; CHECKPOINT;")
    if name == "attached":
        session.run("SET session_replication_role = replica; TRUNCATE triage.review; RESET session_replication_role;")
    return timed(session, [f"\\copy {name} (body) FROM '{file}'"], flushed=True)[0][0]


def labelled(session, name, mails):
    """Every mail is there, and has a label."""
    found = session.value(f"SELECT count(*) || ' ' || count(label) FROM {name};")
    require(found == f"{mails} {mails}", f"rows and labels in {name}: {found}, of {mails} mails")


def copy_attached(session, file):
    """Milliseconds per mail."""
    ms = copy_into(session, "attached", file)
    mails = SIZES["test"]
    labelled(session, "attached", mails)
    reviews = session.value("""
        SELECT count(*) FROM triage.review r JOIN attached a ON r.email_key = a.mail_id::text
         WHERE r.source = 'public.attached' AND r.predicted_label = a.label;""")
    require(reviews == str(mails), f"{reviews} reviews with the label of their row, of {mails} mails")
    return ms / mails


def copy_old_way(session, peer, file, mails, how):
    """Milliseconds per mail: they have to be loaded there, too."""
    ms = copy_into(session, "old_way", file) + peer.drain(how)["seconds"] * 1000
    labelled(session, "old_way", mails)
    return ms / mails


def copy_rounds(session, files, peer):
    """Milliseconds per mail: {name: [round, ...]}."""
    say(f"{SIZES['test']} mails arrive, {COPY_ROUNDS} rounds")
    contestants = {
        "COPY, no trigger, no label": lambda: copy_into(session, "plain", files["test"]) / SIZES["test"],
        "COPY into an attached table": lambda: copy_attached(session, files["test"]),
    }
    if peer:
        contestants |= {
            f"old way: scikit-learn, row by row ({EACH_MAILS})": lambda: copy_old_way(
                session, peer, files["some"], EACH_MAILS, "each"
            ),
            "the same, a thousand at once": lambda: copy_old_way(session, peer, files["test"], SIZES["test"], "batch"),
        }
    return rounds(COPY_ROUNDS, contestants)


def copy_table(times):
    plain, ours = islice(times.values(), 2)
    return [
        (name, f"{median(t) * 1000:.0f}", f"{1000 / median(t):.0f}", ratio(t, plain), ratio(t, ours))
        for name, t in times.items()
    ]


def delay_table(session, peer):
    """Mails arrive evenly at both; when do they have a label?"""
    say(f"{ARRIVALS_PER_SECOND} mails a second arrive, {ARRIVAL_SECONDS} s")
    session.run("TRUNCATE old_way RESTART IDENTITY;")
    mails, insert_times, ours = ARRIVAL_SECONDS * ARRIVALS_PER_SECOND, [], []
    if peer:
        peer.tell("watch")
    start = time.monotonic()
    for n in range(mails):
        time.sleep(max(0, start + n / ARRIVALS_PER_SECOND - time.monotonic()))
        arrives = f"(body) SELECT body FROM plain WHERE mail_id = {n + 1}"
        session.run(f"INSERT INTO old_way {arrives};")
        times, lines = timed(session, [f"INSERT INTO attached {arrives} RETURNING label IS NOT NULL;"], flushed=True)
        insert_times += times
        ours += lines
    require(ours == ["t"] * mails, f"{ours.count('t')} labels when INSERT returned, of {mails} mails")
    # It was there when INSERT returned: no delay to measure.
    rows = [("INSERT into an attached table", "0", "0", f"{median(insert_times):.2f}")]
    if peer:
        due = time.monotonic() + 2 * POLL_SECONDS
        while session.value("SELECT count(*) FROM old_way WHERE label IS NULL;") != "0":
            require(time.monotonic() < due, "the old way leaves rows without a label")
            time.sleep(0.5)
        labelled(session, "old_way", mails)
        delays = session.value("""
            SELECT concat_ws(' ', round(percentile_cont(0.5) WITHIN GROUP (ORDER BY delay)::numeric, 2), round(max(delay), 2))
              FROM (SELECT extract(epoch FROM labelled_at - arrived_at) AS delay FROM old_way) AS d;""")
        rows.append((f"old way, polls every {POLL_SECONDS} s", *delays.split(), "-"))
    return rows


# ---- correcting --------------------------------------------------------------


def prepare_corrections(session, files, texts, documents):
    """Per number of labels a classifier that has learned `documents` mails, and a table."""
    mails = CORRECT_ROUNDS * (2 * CORRECTIONS + 2 * OTHERS)
    session.run(f"""
        CREATE TABLE mail (n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text);
        \\copy mail (body) FROM '{files["some"]}'
        CREATE TABLE ticks (n integer);
        CREATE TABLE text (n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text);
        SET pg_triage.compact_after = 0;""")
    session.run("COPY text (body) FROM STDIN;", [*(copy_line({"text": t}, ("text",)) for t in texts), "\\.\n"])
    for labels in LABELS:
        # Beginnings of mails: the ledger's size and the model's are what could matter.
        session.run(f"""
            SELECT triage.create_classifier('labels_{labels}');
            CREATE TABLE history AS
            SELECT i AS id, left(body, 300) || ' reference ' || i AS body, 'label ' || i % {labels} AS label
              FROM generate_series(1, {documents}) AS i JOIN mail ON n = 1 + i % {EACH_MAILS};
            ALTER TABLE history ADD PRIMARY KEY (id);""")
        learned = session.value(f"SELECT triage.learn_from('labels_{labels}', 'history', ARRAY['body'], 'label');")
        require(learned == str(documents), f"learned {learned} mails, of {documents}")
        session.run(f"""
            DROP TABLE history;
            CREATE TABLE inbox_{labels} {MAIL_TABLE};
            SELECT triage.attach('inbox_{labels}', ARRAY['body'], 'label', classifier => 'labels_{labels}');
            INSERT INTO inbox_{labels} (body) SELECT body FROM text ORDER BY n LIMIT {mails};""")
    session.run("VACUUM (ANALYZE);")
    session.run("CHECKPOINT;")


class Corrections:
    """What is corrected in one table: each mail once."""

    def __init__(self, session, other, labels, texts):
        self.session, self.other, self.labels, self.texts = session, other, labels, texts
        self.name = f"inbox_{labels}"
        self.reviews = iter(
            session.run(f"""
            SELECT review_id, email_key, substr(predicted_label, 7) FROM triage.review
             WHERE source = 'public.{self.name}' ORDER BY email_key::bigint;""")
        )
        self.chance = random.Random(1)

    def next(self, number):
        """As many mails, each with another label than it has."""
        for line in islice(self.reviews, number):
            review, mail, label = map(int, line.split("|"))
            yield review, mail, f"label {(label + self.chance.randrange(1, self.labels)) % self.labels}"

    def correct(self, flushed):
        statements = [f"SELECT triage.correct({r}, '{label}');" for r, _, label in self.next(CORRECTIONS)]
        return timed(self.session, statements, flushed)[0]

    def update(self):
        update = f"UPDATE {self.name} SET label"
        return timed(self.session, [f"{update} = '{label}' WHERE mail_id = {m};" for _, m, label in self.next(OTHERS)])[
            0
        ]

    def measure(self):
        return {
            "correct": self.correct(False),
            "flushed": self.correct(True),
            "update": self.update(),
            "classify": self.classify(),
        }

    def classify(self):
        """In another session, right after a correction, and once more."""
        first, again = [], []
        for review, _, label in self.next(OTHERS):
            question = f"SELECT classify_email({literal(self.chance.choice(self.texts))}, 'labels_{self.labels}');"
            self.session.run(f"SELECT triage.correct({review}, '{label}');")
            times, _ = timed(self.other, [question, question])
            first.append(times[0])
            again.append(times[1])
        return first, again


def correct_rounds(sessions, texts):
    say(f"{CORRECTIONS} corrections in each of {len(sessions) * len(LABELS)} tables, {CORRECT_ROUNDS} rounds")
    tables = {
        f"{LEARNED[size]} documents, {labels} labels": Corrections(session, Session(size), labels, texts)
        for size, session in sessions.items()
        for labels in LABELS
    }
    contestants = {name: t.measure for name, t in tables.items()}
    tick = ["INSERT INTO ticks VALUES (1);"] * CORRECTIONS
    contestants["INSERT of a number, plain table"] = lambda: {
        "correct": timed(sessions["small"], tick)[0],
        "flushed": timed(sessions["small"], tick, True)[0],
    }
    results = rounds(CORRECT_ROUNDS, contestants)
    for t in tables.values():
        decisions = t.session.value(f"""
            SELECT count(*) FROM triage.decision d JOIN triage.review r ON r.decision_id = d.decision_id
              JOIN {t.name} m ON m.mail_id::text = r.email_key
             WHERE r.source = 'public.{t.name}' AND d.kind = 'correct' AND d.features IS NOT NULL AND m.label = d.new_label;""")
        wanted = CORRECT_ROUNDS * (2 * CORRECTIONS + 2 * OTHERS)
        require(decisions == str(wanted), f"{decisions} decisions in the ledger, of {wanted} corrections")
    return results


def p99(times):
    return sorted(times)[int(len(times) * 0.99)]


def correct_table(results):
    base = [median(run["correct"]) for run in next(iter(results.values()))]
    rows = []
    for name, runs in results.items():

        def medians(figure):
            return f"{median(median(figure(run)) for run in runs):.2f}"

        def last(kind):
            return f"{p99([ms for run in runs for ms in run[kind]]):.2f}"

        others = ("-", "-", "-")
        if "update" in runs[0]:
            others = (
                medians(lambda run: run["update"]),
                medians(lambda run: run["classify"][0]),
                medians(lambda run: run["classify"][1]),
            )
        rows.append(
            (
                name,
                medians(lambda run: run["correct"]),
                ratio([median(run["correct"]) for run in runs], base),
                last("correct"),
                medians(lambda run: run["flushed"]),
                last("flushed"),
                *others,
            )
        )
    return rows


# ---- many rows ---------------------------------------------------------------


def fill(session, rows):
    """A table with as many rows and reviews, as though they had arrived before."""
    # With pending decisions, classifying takes longer.
    session.run(f"""
        SELECT triage.compact('labels_2');
        CREATE TABLE inbox {MAIL_TABLE};
        SELECT triage.attach('inbox', ARRAY['body'], 'label', classifier => 'labels_2');
        SET session_replication_role = replica;
        INSERT INTO inbox (body, label) SELECT 'mail ' || i, 'label ' || i % 2 FROM generate_series(1, {rows}) AS i;
        INSERT INTO triage.review (classifier, source, email_key, predicted_label, confidence,
                                   second_label, second_confidence, margin, model_version, queue_reason)
        SELECT 'labels_2', 'public.inbox', i::text, 'label ' || i % 2, (1 + m) / 2, 'label ' || (i + 1) % 2, (1 - m) / 2,
               m, 1, CASE WHEN m < 0.6 THEN 'uncertain' ELSE 'confident' END
          FROM (SELECT i, random() AS m FROM generate_series(1, {rows}) AS i) AS made;
        RESET session_replication_role;""")
    session.run("VACUUM (ANALYZE);")
    session.run("CHECKPOINT;")


def insert_once(session, texts):
    """Milliseconds per row."""
    values = [f"({literal(text)})" for text in texts]
    single, multi = values[:SINGLE_INSERTS], values[SINGLE_INSERTS:]
    times, lines = timed(
        session,
        [
            *(f"INSERT INTO inbox (body) VALUES {value} RETURNING label IS NOT NULL;" for value in single),
            f"INSERT INTO inbox (body) VALUES {', '.join(multi)} RETURNING label IS NOT NULL;",
        ],
    )
    require(lines == ["t"] * len(values), f"{lines.count('t')} labels when INSERT returned, of {len(values)} rows")
    return {"single": median(times[:-1]), "multi": times[-1] / len(multi)}


def insert_rounds(sessions, texts):
    say(f"inserts into tables of {ROWS['small']} and {ROWS['large']} rows, {INSERT_ROUNDS} rounds")
    some = iter(texts * 2)
    contestants = {
        size: lambda s=session: insert_once(s, list(islice(some, SINGLE_INSERTS + MULTI_INSERT)))
        for size, session in sessions.items()
    }
    return rounds(INSERT_ROUNDS, contestants)


def insert_table(results):
    base = results["small"]
    rows = []
    for size, runs in results.items():
        row = [f"INSERT, {ROWS[size]} rows and reviews"]
        for kind in ("single", "multi"):
            times = [run[kind] for run in runs]
            row += [f"{median(times) * 1000:.0f}", ratio(times, [run[kind] for run in base])]
        rows.append(tuple(row))
    return rows


# ---- saying it ---------------------------------------------------------------


def arrivals(session, files, python):
    prepare_arrivals(session, files)
    peer = OldWay(python, files["python"]) if python else None
    copied = copy_rounds(session, files, peer)
    delays = delay_table(session, peer)
    if peer:
        watched = json.loads(peer.end())["mails"]
        mails = ARRIVAL_SECONDS * ARRIVALS_PER_SECOND
        require(watched == mails, f"the old way says that it labelled {watched} mails, of {mails}")
    return copied, delays


def main(python=None):
    session = database("loop")
    if CORPUS.is_file():
        source, mails = "TREC 2007, first half", list(corpus())
    else:
        source = f"Sample mails, repeated with variation, for want of {CORPUS.name}"
        mails = list(sample(session, SIZES))
        session.run(
            "SET session_replication_role = replica; TRUNCATE triage.email, triage.review; RESET session_replication_role;"
        )
    texts = list(same_length(mails))
    with tempfile.TemporaryDirectory() as folder:
        files = write_mails(Path(folder), mails)
        copied, delays = arrivals(session, files, python)
        sessions = {size: database(size) for size in LEARNED}
        say(
            "learning "
            + " and ".join(f"{n}" for n in LEARNED.values())
            + f" mails, with {LABELS[0]} and {LABELS[1]} labels"
        )
        for size, documents in LEARNED.items():
            prepare_corrections(sessions[size], files, texts, documents)
    corrected = correct_rounds(sessions, texts)
    for size, rows in ROWS.items():
        fill(sessions[size], rows)
    inserted = insert_rounds(sessions, texts)

    characters = sum(len(mail["text"]) for mail in mails) / len(mails)
    print(f"\n{versions(session)}, {cpu()}")
    print(
        f"{source}: {SIZES['train']} mails to learn, {SIZES['test']} arrive, {characters:.0f} characters each on average"
    )
    print(
        "Medians; ratios are medians of the rounds' ratios. Every row was checked: there, with a label, with a review."
    )
    table(("Arriving mail", "us/mail", "mails/s", "x plain", "x ours"), copy_table(copied))
    table(("From arrival to label", "median s", "most s", "INSERT ms"), delays)
    print(f"\nMails of {MAIL_CHARACTERS} characters, one transaction each, from here on.")
    columns = (
        "Correction, ms",
        "correct()",
        "x first",
        "p99",
        "flushed",
        "p99",
        "UPDATE",
        "next classify",
        "once more",
    )
    table(columns, correct_table(corrected))
    table(("New rows, us per row", "single", "x", f"{MULTI_INSERT} at once", "x"), insert_table(inserted))
    if not python:
        print("skipped: the old way with scikit-learn, because its virtual environment could not be made (see above)")


if __name__ == "__main__":
    main(*sys.argv[1:])
