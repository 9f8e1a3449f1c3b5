#!/usr/bin/env python3
"""Measures how good the answers are, beside scikit-learn, fastText and bogofilter.

    quality.py [--ours] [--fresh] [--seeds N] [PART [NAME...]]...

    PART       one of the parts below; all of them if none is given
    NAME       corpora of the part, as the files are called; all of them if none is given
    --ours     run no peer: show only those that have run before
    --fresh    run peers that have run before, too
    --seeds N  how many seeds of part "seeds", 20 if not given

    batch        trained at once, judged by other mails
    seeds        the same; what the hash of a mail decides is decided otherwise each time
    few          trained at once on 1 to 50 mails of each label
    stream       mail arrives, and everything is decided
    corrections  mail arrives, and only mistakes are decided
    lengths      trained on long mails, a few right decisions about short ones, and the other way round
    active       which labels to ask for
    suspects     which labels are wrong

Connects as psql does. We answer through SQL with the default configuration: trained with
train_classifier(), and in a stream as people do it, with a row that arrives and a decision about
it. What peers said is kept in target/bench-quality, because it stays the same as long as they and
the mails do.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
from functools import cache
from statistics import mean

from judging import BATCH, CORPORA, CORRECTIONS, ENRON, FEW, PROJECT, STREAMS
from quality_decisions import active, our_corrections, our_lengths, our_stream, suspects
from quality_ours import SEED_WORDS, Database, our_batch, our_few, our_seeds
from quality_peers import REVISION, peers_of, version_of
from quality_tables import (
    NAMES,
    active_table,
    corrections_table,
    few_table,
    lengths_table,
    results_table,
    seeds_line,
    streams_table,
    targets_table,
)
from run import ONE_THREAD, cpu, say

KEPT = PROJECT / "target" / "bench-quality"

# Each part, and what it has corpora of.
PARTS = {
    "batch": tuple(BATCH),
    "seeds": ("newsgroups20",),
    "few": FEW,
    "stream": ("enron", *(name for name in STREAMS if name not in ENRON)),
    "corrections": CORRECTIONS,
    "lengths": ("samples", "tickets_de_synthetic"),
    "active": ("newsgroups20",),
    "suspects": ("newsgroups20",),
}


# ---- the peers ---------------------------------------------------------------


@cache
def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def peer_result(part, name, peer, options):
    """None if it is not there, or not to be run."""
    version = version_of(peer)
    if version is None:
        return None
    corpus = (STREAMS if part == "stream" else BATCH)[name]
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


OURS = {"batch": our_batch, "few": our_few, "stream": our_stream, "corrections": our_corrections}


def contestants(part, name, options):
    say(f"{part} {name}: {NAMES['ours']}")
    results = {"ours": OURS[part](name)}
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


# ---- all parts ---------------------------------------------------------------


def measure(part, name, options):
    """Also Enron's streams one by one, of which the result is the mean."""
    if part in OURS and name != "enron":
        return contestants(part, name, options), None
    if part in OURS:
        streams = [contestants(part, one, options) for one in ENRON]
        return mean_of(streams), streams
    say(f"{part} {name}: {NAMES['ours']}")
    if part == "seeds":
        return our_seeds(name, options.seeds), None
    return {"lengths": our_lengths, "active": active, "suspects": suspects}[part](name), None


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--fresh", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(
        "--seeds", type=int, default=len(SEED_WORDS), choices=range(1, len(SEED_WORDS) + 1), help=argparse.SUPPRESS
    )
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    wanted = {}
    part = None
    for word in options.words:
        if word in PARTS:
            part = word
            wanted.setdefault(part, [])
        elif part and word in PARTS[part]:
            wanted[part].append(word)
        else:
            sys.exit(
                f"error: not known: {word}; parts and their names: "
                + "; ".join(" ".join([p, *n]) for p, n in PARTS.items())
            )
    options.parts = {part: names or PARTS[part] for part, names in (wanted or dict.fromkeys(PARTS)).items()}
    return options


def is_there(part, name):
    if name == "samples":
        return True
    corpus = (STREAMS if part == "stream" else BATCH)["enron1" if name == "enron" else name]
    if not corpus.path.is_file():
        say(f"skipped: {part} {name}, no corpus {corpus.path.name} in {CORPORA}")
    return corpus.path.is_file()


def headline():
    with Database() as db:
        version = db.value("SELECT extversion FROM pg_extension WHERE extname = 'pg_triage'")
        server = db.value("SHOW server_version").split()[0]
    peers = [f"scikit-learn {version_of('svm')}"] + [
        f"{p} {version_of(p)}" for p in ("fasttext", "bogofilter") if version_of(p)
    ]
    print(f"\npg_triage {version}, PostgreSQL {server}, {', '.join(peers)}, {cpu()}")


def main():
    options = arguments()
    measured, enron = {}, None
    for part in PARTS:
        for name in options.parts.get(part, ()):
            if is_there(part, name):
                measured[part, name], streams = measure(part, name, options)
                enron = streams or enron
    if not measured:
        return
    headline()
    results_table(measured)
    if enron:
        streams_table(enron)
    corrections_table(measured)
    for (part, name), found in measured.items():
        if part == "few":
            few_table(name, found)
        elif part == "seeds":
            seeds_line(name, found)
        elif part == "lengths":
            lengths_table(name, found)
        elif part == "active":
            active_table(found)
        elif part == "suspects":
            print(
                f"\nSuspect labels, 20 Newsgroups: of {found['flipped']} wrong labels in {found['mails']}, "
                f"{found['found'] * 100:.1f} % are among the first {found['listed']}; {found['seconds']:.1f} s"
            )
    targets_table(measured)
    missing = [peer for peer in ("fasttext", "bogofilter") if version_of(peer) is None]
    if missing:
        print(f"skipped: {', '.join(missing)}, because it is not installed")


if __name__ == "__main__":
    main()
