"""What quality.py prints: tables, and what was wanted.

A measured part is kept by its name and that of its corpus.
"""

from judging import BATCH, DRAWS, ENRON, LABELS_EACH, STREAMS
from quality_decisions import DECISIONS, FIRST_TRAINING
from quality_peers import SKLEARN
from run import table

NAMES = {
    "ours": "pg_triage",
    "multinomial": "sklearn MultinomialNB, word counts",
    "complement": "sklearn ComplementNB, tf-idf, words and pairs",
    "logistic": "sklearn LogisticRegression, tf-idf, words",
    "svm": "sklearn LinearSVC, tf-idf, words and pairs",
    "svm_characters": "sklearn LinearSVC, tf-idf, 2 to 5 characters",
    "svm_both": "sklearn LinearSVC, tf-idf, words, pairs, 3 to 5 characters",
    "fasttext": "fastText, words and pairs, 25 epochs",
    "bogofilter": "bogofilter",
    "sgd": "sklearn SGDClassifier, log loss, words and pairs",
    "sgd_both": "sklearn SGDClassifier, log loss, words, pairs, 3 to 5 characters",
}

# What is wanted of all corpora with one configuration: accuracy, expected calibration error.
WANTED = {
    "newsgroups20": (0.881, 0.024),
    "newsgroups20_bare": (0.739, 0.030),
    "codealltag_de": (0.934, 0.012),
    "tickets_de_synthetic": (0.995, 0.007),
    "spamassassin": (0.990, 0.004),
    "trec07p_half": (0.998, 0.002),
    "email_intent": (0.81, 0.05),
    "hint3_curekart": (0.87, 0.05),
    "hwu64": (0.885, 0.05),
}
# Of streams: accuracy, 1-ROCA %.
WANTED_OF_STREAMS = {
    "enron": (0.9893, 0.090),
    "spamassassin": (0.9843, 0.148),
    "trec07p_half": (0.9951, 0.047),
}
WANTED_OF_SCOPE = 0.86
# With few labels this is equal: so far are means of five draws apart by chance.
FEW_EQUAL = 0.005
# Decisions about mails of another length may not cost more.
LEAST_HARM = 0.01

COLUMNS = ("", "accuracy", "macro-F1", "log loss", "ECE", "1-ROCA %", "train s", "us/mail", "mails/s", "memory MB")
CORRECTIONS_COLUMNS = ("", "accuracy", "last fifth", "train s", "us/mail", "memory MB")

# What stands in a column of results.
CELLS = {
    "accuracy": lambda result: figure(result, "accuracy", 4),
    "last fifth": lambda result: figure(result, "last", 4),
    "macro-F1": lambda result: figure(result, "macro_f1", 4),
    "log loss": lambda result: figure(result, "log_loss", 3),
    "ECE": lambda result: figure(result, "ece", 3),
    "1-ROCA %": lambda result: figure(result, "roca", 3),
    "train s": lambda result: figure(result, "train", 1),
    "us/mail": lambda result: figure(result, "us", 0),
    "mails/s": lambda result: f"{1e6 / result['us']:.0f}",
    "memory MB": lambda result: figure(result, "memory", 0, 1e-6),
}


def figure(result, key, digits, scale=1):
    value = result.get(key)
    return "-" if value is None else f"{value * scale:.{digits}f}"


def table_rows(columns, title, results):
    """An empty row, the title, and a row for each contestant."""
    rows = [("",) * len(columns), (title, *[""] * (len(columns) - 1))]
    for contestant, result in results.items():
        rows.append((f"  {NAMES[contestant]}", *(CELLS[column](result) for column in columns[1:])))
    return rows


def title_of(part, name, results):
    mails = results["ours"]["mails"]
    if part == "batch":
        return f"{BATCH[name].title}: trained at once, {mails} to classify"
    if part == "corrections":
        return f"{BATCH[name].title}: {mails} arrive, only mistakes are learned"
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
    """About tables of results."""
    print("\nTrain: ours calibrates and evaluates, too; in a stream all trainings together.")
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
        of_scope = [f"{NAMES[who]} {result['scope']:.3f}" for who, result in results.items() if "scope" in result]
        if of_scope:
            print(f"{part} {name}, AUROC of confidence, in scope against out of scope: {', '.join(of_scope)}")
        ours = results["ours"]
        if ours.get("tied"):
            print(f"ours, {part} {name}: {ours['tied'] * 100:.2f} % of the mails have a score that another has, too")


def rows_of(columns, parts, measured):
    return [
        row
        for (part, name), results in measured.items()
        if part in parts
        for row in table_rows(columns, title_of(part, name, results), results)
    ]


def results_table(measured):
    parts = ("batch", "stream")
    rows = rows_of(COLUMNS, parts, measured)
    if rows:
        table(COLUMNS, rows[1:])
        notes({key: results for key, results in measured.items() if key[0] in parts})


def corrections_table(measured):
    rows = rows_of(CORRECTIONS_COLUMNS, ("corrections",), measured)
    if rows:
        table(CORRECTIONS_COLUMNS, rows[1:])
        print(f"\nOurs is trained at {FIRST_TRAINING} decisions and whenever they have doubled.")


def few_table(name, results):
    rows = []
    for who, result in results.items():
        rows.append((f"  {NAMES[who]}", *(f"{result[str(each)]:.4f}" for each in LABELS_EACH)))
    best = [best_peer(results, "few", str(each)) for each in LABELS_EACH]
    if None not in best:
        ahead = (results["ours"][str(each)] - accuracy for each, (_, accuracy) in zip(LABELS_EACH, best))
        rows.append(("ours less the best of the others", *(f"{difference:+.4f}" for difference in ahead)))
    table((f"{BATCH[name].title}: accuracy by labels of each, {DRAWS} draws", *map(str, LABELS_EACH)), rows)


def lengths_table(name, found):
    rows = [
        (
            f"  {trained} mails trained, {tested} tested, {found[trained, tested, DECISIONS[0]]['before']:.4f}",
            *(f"{found[trained, tested, count]['loss']:.4f}" for count in DECISIONS),
        )
        for trained in ("long", "short")
        for tested in ("short", "long")
    ]
    title = "Sample mails" if name == "samples" else BATCH[name].title
    table((f"{title}: loss by right decisions about the other length", *map(str, DECISIONS)), rows)


def seeds_line(name, accuracies):
    print(
        f"\n{BATCH[name].title}, {len(accuracies)} seeds: mean {sum(accuracies) / len(accuracies):.4f}, "
        f"worst {min(accuracies):.4f}: {', '.join(f'{accuracy:.4f}' for accuracy in accuracies)}"
    )


def active_table(asked):
    def cells(curve):
        return [(f"  {size} ({size / asked['mails'] * 100:.0f} %)", f"{accuracy:.4f}") for size, accuracy in curve]

    title = f"Active learning, 20 Newsgroups: all {asked['mails']} labels give {asked['full']:.4f}, wanted {asked['wanted']:.4f}"
    rows = [(f"asked by margin: {asked['needed']} labels needed", ""), *cells(asked["curve"])]
    rows += [(f"drawn at random: {asked['random_needed']} or fewer", ""), *cells(asked["random"])]
    table((title, "accuracy"), rows)


# ---- what was wanted ---------------------------------------------------------

REQUIRED = {
    "batch": SKLEARN,
    "few": ("multinomial", "complement", "logistic", "svm", "svm_both", "sgd"),
    "corrections": ("sgd", "sgd_both"),
}


def best_peer(results, part, figure="accuracy"):
    """Its name and figure; None if not all of them took part. A program that is not installed
    may be absent."""
    if not all(peer in results for peer in REQUIRED[part]):
        return None
    return max(((who, result[figure]) for who, result in results.items() if who != "ours"), key=lambda peer: peer[1])


def beside(results, part, figure="accuracy", title="accuracy", equal=0.0):
    best = best_peer(results, part, figure)
    value = results["ours"][figure]
    if best is None:
        return f"{title}, beside the others", value, ">=", None, 4
    return f"{title}, beside {NAMES[best[0]]}", value, ">=", best[1] - equal, 4


def targets(measured):
    """What is wanted, what was measured, the bound (None without a peer), and to how many digits."""
    for (part, name), found in measured.items():
        for what, *rest in targets_of(part, name, found):
            yield f"{part} {name}: {what}", *rest


def targets_of(part, name, found):
    if part == "batch":
        accuracy, error = WANTED[name]
        yield "accuracy", found["ours"]["accuracy"], ">=", accuracy, 4
        yield beside(found, part)
        yield "ECE", found["ours"]["ece"], "<=", error, 3
        if "scope" in found["ours"]:
            yield "AUROC of confidence", found["ours"]["scope"], ">=", WANTED_OF_SCOPE, 3
    elif part == "seeds":
        accuracy, _ = WANTED[name]
        yield f"mean accuracy of {len(found)} seeds", sum(found) / len(found), ">=", accuracy, 4
        yield f"worst accuracy of {len(found)} seeds", min(found), ">=", accuracy, 4
    elif part == "few":
        for each in LABELS_EACH:
            yield beside(found, part, str(each), f"{each} of each label", FEW_EQUAL)
    elif part == "stream":
        accuracy, area = WANTED_OF_STREAMS[name]
        yield "accuracy", found["ours"]["accuracy"], ">=", accuracy, 4
        yield "1-ROCA %", found["ours"]["roca"], "<=", area, 3
        if name == "enron":
            yield "mean ECE", found["ours"]["ece"], "<=", 0.05, 3
    elif part == "corrections":
        yield beside(found, part)
        yield beside(found, part, "last", "accuracy of the last fifth")
    elif part == "lengths":
        yield "greatest loss of accuracy", max(figures["loss"] for figures in found.values()), "<=", LEAST_HARM, 4
    elif part == "active":
        yield "labels asked by margin, share of all", found["needed"] / found["mails"], "<=", 0.60, 4
    elif part == "suspects":
        yield "wrong labels among as many suspects", found["found"], ">=", 0.80, 4


def targets_table(measured):
    """Compared as they are printed."""
    rows = []
    for what, value, comparison, bound, digits in targets(measured):
        if bound is None:
            verdict = "no peer"
        else:
            shown, wanted = round(value, digits), round(bound, digits)
            verdict = "OK" if (shown >= wanted if comparison == ">=" else shown <= wanted) else "MISSED"
        wanted = "-" if bound is None else f"{comparison} {bound:.{digits}f}"
        rows.append((what, f"{value:.{digits}f}", wanted, verdict))
    if rows:
        table(("Target", "measured", "wanted", ""), rows)
