"""How good we are while people decide, through SQL: in an attached table, with INSERT, UPDATE and
triage.accept; which labels to ask for; which labels are wrong. Part of quality.py.
"""

import math
import random
import time
from collections import Counter, defaultdict

from judging import batch, corrections, hashed, judge_corrections, judge_stream, splits, stream
from quality_ours import Database, accuracy_of, require, timed

# In a stream, a training when there are that many decisions, and whenever they have doubled.
FIRST_TRAINING = 100

# Active learning: mails drawn at random to begin with, then those asked for at a time; the
# curve of random mails has as many points.
FIRST_ASKED, ASKED, RANDOM_POINTS = 500, 250, 10
# So much less than with all mails is the same accuracy: one standard error on 7,529 test
# mails is .004.
SAME_ACCURACY = 0.005

FLIPPED = 0.05

# How many decisions of one label come after a training.
DECISIONS = (1, 2, 5, 20)
# Of the 60 sample mails of each label, so that one of all is less than a hundredth.
TESTED_SAMPLES = 17


class Inbox:
    """An attached table in which mail comes in, and people decide."""

    def __init__(self, db, classifier, table="inbox"):
        self.db, self.classifier, self.decisions = db, classifier, 0
        self.next_training, self.training = FIRST_TRAINING, 0.0
        db.run(f"CREATE TABLE {table} (mail_id integer PRIMARY KEY, body text NOT NULL, label text)")
        db.run("SELECT triage.attach(%s, ARRAY['body'], 'label', classifier => %s)", (table, classifier))
        self.insert = f"INSERT INTO {table} (mail_id, body) VALUES (%s, %s) RETURNING label"
        self.update = f"UPDATE {table} SET label = %s WHERE mail_id = %s"
        # Their row has that label already, so an UPDATE of it would change nothing.
        self.confirm = (
            f"SELECT triage.accept(review_id) FROM triage.review WHERE source = 'public.{table}' AND email_key = %s"
        )

    def take(self, number, text):
        """The label that a new mail gets."""
        return self.db.run(self.insert, (number, text), prepare=True).fetchone()[0]

    def correct(self, number, label):
        self.db.run(self.update, (label, number), prepare=True)
        self.decisions += 1

    def accept(self, number):
        self.db.run(self.confirm, (str(number),), prepare=True)
        self.decisions += 1

    def decide(self, number, answer, truth):
        if answer == truth:
            self.accept(number)
        else:
            self.correct(number, truth)

    def retrain_when_doubled(self):
        """As the background worker does, at each of these numbers once."""
        if self.decisions == self.next_training:
            self.training += timed(self.db.run, "SELECT triage.retrain(%s)", (self.classifier,))[0]
            self.next_training *= 2

    def require_decisions(self):
        """That all of them count."""
        stored = self.db.value(
            "SELECT count(*) FROM triage.decision WHERE classifier = %s AND kind IN ('accept', 'correct')",
            self.classifier,
        )
        require(stored == self.decisions, f"{stored} decisions are stored, of {self.decisions}")


# ---- streams -----------------------------------------------------------------


def our_stream(name):
    """All mails are decided."""
    mails = stream(name)
    with Database() as db:
        db.run("""
            SELECT triage.create_classifier('spam');
            SELECT triage.add_label('spam', 'ham'), triage.add_label('spam', 'spam')""")
        inbox = Inbox(db, "spam")
        before = db.private()
        answers = []
        start = time.perf_counter()
        for n, (text, truth) in enumerate(mails):
            answers.append(inbox.take(n, text))
            inbox.decide(n, answers[-1], truth)
            inbox.retrain_when_doubled()
        seconds = time.perf_counter() - start
        memory = db.peak_since(before)
        inbox.require_decisions()
        reviews = db.run("""
            SELECT predicted_label, confidence, second_confidence FROM triage.review
             WHERE source = 'public.inbox' ORDER BY email_key::integer""").fetchall()
    require([label for label, *_ in reviews] == answers, "reviews say something else than the rows did")
    result = judge_stream([truth for _, truth in mails], answers, [log_odds(*review) for review in reviews])
    return result | {"train": inbox.training, "us": seconds / len(mails) * 1e6, "memory": memory}


def log_odds(label, confidence, second):
    """Of spam. The smaller probability tells more than its distance to 1."""
    if label is None:
        return 0
    odds = math.log(confidence) - math.log(max(second, 1e-300))
    return odds if label == "spam" else -odds


def our_corrections(name):
    """Only mistakes are decided; what is right is left alone. A label is known from its first mail on."""
    mails = corrections(name)
    with Database() as db:
        db.run("SELECT triage.create_classifier('kind')")
        inbox = Inbox(db, "kind")
        before = db.private()
        known, is_right = set(), []
        start = time.perf_counter()
        for n, (text, truth) in enumerate(mails):
            is_right.append(inbox.take(n, text) == truth)
            if truth not in known:
                known.add(truth)
                db.run("SELECT triage.add_label('kind', %s)", (truth,))
            if not is_right[-1]:
                inbox.correct(n, truth)
                inbox.retrain_when_doubled()
        seconds = time.perf_counter() - start
        memory = db.peak_since(before)
        inbox.require_decisions()
    return judge_corrections(is_right) | {
        "train": inbox.training,
        "us": seconds / len(mails) * 1e6,
        "memory": memory,
    }


# ---- mails of another length --------------------------------------------------


def mails_of_lengths(db, name):
    """(subject, subject and body, label, for what) of each mail: to train on, to decide about, or
    to test with."""
    if name == "samples":
        db.run("SELECT triage.load_sample()")
        mails = db.run(
            r"""SELECT subject, concat_ws(E'\n', subject, body), label,
                       row_number() OVER (PARTITION BY label ORDER BY md5(body)) <= %s FROM triage.email""",
            (TESTED_SAMPLES,),
        ).fetchall()
    else:
        train, test, _ = splits(name)
        mails = [
            (mail["text"].partition("\n")[0], mail["text"], mail["label"], for_test)
            for some, for_test in ((train, False), (test, True))
            for mail in some
        ]
    others = Counter()
    for subject, text, label, for_test in sorted(mails, key=lambda mail: hashed(mail[1])):
        others[label] += not for_test
        what_for = "test" if for_test else "decide" if others[label] <= max(DECISIONS) else "train"
        yield subject, text, label, what_for


def our_lengths(name):
    """After a training on mails of one length, one label is decided about mails of the other, always
    right: by the length of training, decisions and the length that is tested, the accuracy before,
    and the greatest loss of any label's decisions."""
    found = defaultdict(list)
    with Database() as db:
        db.run(
            "CREATE TABLE mail (short text NOT NULL, long text NOT NULL, label text NOT NULL, what_for text NOT NULL)"
        )
        db.copy("mail", list(mails_of_lengths(db, name)))
        labels = [label for (label,) in db.run("SELECT DISTINCT label FROM mail ORDER BY label").fetchall()]
        for trained, decided in ("long", "short"), ("short", "long"):
            db.run(f"""
                CREATE TABLE model_{trained} AS
                    SELECT train_classifier({trained}, label) AS model FROM mail WHERE what_for = 'train'""")
            for n, label in enumerate(labels):
                classifier = f"{trained}_{n}"
                db.run("SELECT triage.create_classifier(%s)", (classifier,))
                db.run(f"SELECT triage.deploy(%s, model) FROM model_{trained}", (classifier,))
                inbox = Inbox(db, classifier, f"inbox_{classifier}")
                texts = db.run(
                    f"SELECT {decided} FROM mail WHERE what_for = 'decide' AND label = %s ORDER BY md5(long)",
                    (label,),
                ).fetchall()
                before = accuracy_by_length(db, classifier)
                for count, (text,) in enumerate(texts, start=1):
                    inbox.decide(count, inbox.take(count, text), label)
                    if count in DECISIONS:
                        after = accuracy_by_length(db, classifier)
                        for tested in before:
                            found[trained, tested, count].append((before[tested], after[tested]))
                inbox.require_decisions()
    return {
        key: {"before": runs[0][0], "loss": max(before - after for before, after in runs)}
        for key, runs in found.items()
    }


def accuracy_by_length(db, classifier):
    short, long = db.run(
        """SELECT avg((classify_email(short, %(classifier)s) = label)::integer),
                  avg((classify_email(long, %(classifier)s) = label)::integer) FROM mail WHERE what_for = 'test'""",
        {"classifier": classifier},
    ).fetchone()
    return {"short": float(short), "long": float(long)}


# ---- asking, and suspecting ----------------------------------------------------


# The smallest distance of the two most probable labels.
ASK = """
    UPDATE train SET asked = true WHERE n IN (
        SELECT n FROM train, classify_email_scores(body) AS s WHERE NOT asked AND rank <= 2
         GROUP BY n ORDER BY max(probability) - min(probability), n LIMIT %s)"""


def active(name):
    """Labels needed for the accuracy of all: by margin, and drawn at random."""
    with Database() as db:
        train, test, _ = batch(name)
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


def suspects(name):
    """Of wrong labels in an imported history, the share among as many suspects."""
    with Database() as db:
        train, _, _ = batch(name)
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
