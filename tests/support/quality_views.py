"""Each view of quality beside a plain query over triage.review that has to say the same.

The views read counts that are kept up to date while people decide; the plain queries count
anew. `differences(session)` compares all of them under one snapshot.
"""

from decimal import Decimal

from support.sessions import Session

TOLERANCE = 1e-9

PLAIN = """(SELECT r.*, (r.received_at AT TIME ZONE (SELECT zone FROM triage_internal.report_timezone))::date AS day,
                   -- One that is gone counts as it did.
                   coalesce(r.queue_reason, r.deleted_queue_reason) IS NOT DISTINCT FROM 'confident' AS confident,
                   r.human_label IS NOT NULL AS decided, (r.human_label = r.predicted_label)::int AS hit,
                   -- Rounded email by email, as the counts are.
                   round(1e6 * r.confidence) / 1e6 AS c, round(1e6 * r.unknown_share) / 1e6 AS u,
                   round(1e6 * (r.confidence - (r.human_label = r.predicted_label)::int) ^ 2) / 1e6 AS error,
                   round(1000 * greatest(extract(epoch FROM r.reviewed_at - r.received_at), 0)::float8) / 1000 AS delay
              FROM triage.review r WHERE r.predicted_label IS NOT NULL)"""
BASES = f"""(SELECT 'reviewed' AS basis, r.* FROM {PLAIN} r WHERE decided UNION ALL SELECT 'audit', r.* FROM {PLAIN} r WHERE decided AND audit)"""
Z = "1.959964"
WILSON = "({p} + {z}^2 / (2 * {n}) {sign} {z} * sqrt({p} * (1 - {p}) / {n} + {z}^2 / (4 * {n}^2))) / (1 + {z}^2 / {n})"
BIN = "CASE WHEN confidence = 1 THEN 10 ELSE floor(confidence * 10)::int + 1 END"
COST = "coalesce((SELECT c.cost FROM triage.cost c WHERE (c.classifier, c.actual, c.predicted) = (r.classifier, r.human_label, r.predicted_label)), 1)"


def wilson(p, n, sign):
    return WILSON.format(p=p, n=f"nullif({n}, 0)::numeric", sign=sign, z=Z)


VIEWS = {
    "accuracy_daily": f"""
        SELECT classifier, model_version, day, audited, answered, correct, p, {wilson("p", "answered", "-")}, {wilson("p", "answered", "+")}, reviewed, biased
          FROM (SELECT classifier, model_version, day, count(*) FILTER (WHERE audit) AS audited, count(*) FILTER (WHERE audit AND decided) AS answered,
                       count(*) FILTER (WHERE audit AND hit = 1) AS correct, avg(hit) FILTER (WHERE audit) AS p,
                       count(*) FILTER (WHERE decided) AS reviewed, avg(hit) AS biased
                  FROM {PLAIN} r GROUP BY 1, 2, 3) a""",
    "confusion_matrix": f"SELECT classifier, model_version, human_label, predicted_label, audit, count(*) FROM {PLAIN} r WHERE decided GROUP BY 1, 2, 3, 4, 5",
    "class_metrics": f"""
        SELECT classifier, model_version, basis, l, p, r, CASE WHEN hits = 0 THEN 0 ELSE 2 * p * r / (p + r) END, support, predicted, hits
          FROM (SELECT classifier, model_version, basis, l, avg((human_label = l)::int) FILTER (WHERE predicted_label = l) AS p,
                       avg((predicted_label = l)::int) FILTER (WHERE human_label = l) AS r, count(*) FILTER (WHERE human_label = l) AS support,
                       count(*) FILTER (WHERE predicted_label = l) AS predicted, count(*) FILTER (WHERE predicted_label = l AND human_label = l) AS hits
                  FROM {BASES} b, LATERAL (SELECT DISTINCT unnest(ARRAY[human_label, predicted_label]) AS l) l GROUP BY 1, 2, 3, 4) m""",
    "calibration": f"""
        SELECT classifier, model_version, basis, bin, bin / 10.0 - 0.1, bin / 10.0, n, c, p, {wilson("p", "n", "-")}, {wilson("p", "n", "+")}
          FROM (SELECT classifier, model_version, basis, {BIN} AS bin, count(*) AS n, avg(c) AS c, avg(hit) AS p
                  FROM {BASES} b GROUP BY 1, 2, 3, 4) b""",
    "calibration_summary": f"""
        SELECT b.classifier, b.model_version, basis, sum(n), sum(c * n) / sum(n), sum(p * n) / sum(n), sum(abs(c - p) * n) / sum(n), sum(brier) / sum(n)
          FROM (SELECT classifier, model_version, basis, {BIN} AS bin, count(*) AS n, avg(c) AS c, avg(hit) AS p, sum(error) AS brier
                  FROM {BASES} b GROUP BY 1, 2, 3, 4) b GROUP BY 1, 2, 3""",
    "override_rate_daily": f"""SELECT classifier, model_version, day, count(*), count(*) FILTER (WHERE hit = 0), avg(1 - hit) FROM {PLAIN} r WHERE decided GROUP BY 1, 2, 3""",
    "automation_rate_daily": f"""
        SELECT classifier, model_version, day, count(*), count(*) FILTER (WHERE audit), count(*) FILTER (WHERE confident AND NOT audit),
               avg(confident::int) FILTER (WHERE NOT audit) FROM {PLAIN} r GROUP BY 1, 2, 3""",
    "time_to_correction_daily": f"""
        SELECT classifier, model_version, day, count(*), avg(delay), percentile_disc(0.5) WITHIN GROUP (ORDER BY delay)
          FROM {PLAIN} r WHERE decided GROUP BY 1, 2, 3""",
    "error_cost_daily": f"""
        SELECT classifier, model_version, day, n, answered, errors, per, per * n, known, cost
          FROM (SELECT classifier, model_version, day, count(*) AS n, count(*) FILTER (WHERE decided AND audit) AS answered,
                       count(*) FILTER (WHERE hit = 0 AND audit) AS errors,
                       avg(CASE hit WHEN 0 THEN {COST} WHEN 1 THEN 0 END) FILTER (WHERE decided AND audit) AS per,
                       count(*) FILTER (WHERE hit = 0) AS known, coalesce(sum({COST}) FILTER (WHERE hit = 0), 0) AS cost
                  FROM {PLAIN} r GROUP BY 1, 2, 3) r""",
    "error_cost": f"""
        SELECT classifier, model_version, human_label, predicted_label, {COST}, known, known * {COST}, errors, answered,
               errors * n / nullif(answered, 0)::float8, errors * n / nullif(answered, 0)::float8 * {COST}
          FROM (SELECT classifier, model_version, human_label, predicted_label, count(*) AS known, count(*) FILTER (WHERE audit) AS errors,
                       (SELECT count(*) FROM {PLAIN} a WHERE (a.classifier, coalesce(a.model_version, 0)) = (r.classifier, coalesce(r.model_version, 0)) AND a.audit AND a.decided) AS answered,
                       (SELECT count(*) FROM {PLAIN} a WHERE (a.classifier, coalesce(a.model_version, 0)) = (r.classifier, coalesce(r.model_version, 0))) AS n
                  FROM {PLAIN} r WHERE hit = 0 GROUP BY 1, 2, 3, 4) r""",
    # What drift is computed from.
    "review_statistics_now": f"""SELECT classifier, day, predicted_label, count(*), sum(c) * 1e6, sum(u) * 1e6 FROM {PLAIN} r GROUP BY 1, 2, 3""",
}
QUESTIONS = {name: f"SELECT * FROM triage.{name}" for name in VIEWS} | {
    "review_statistics_now": "SELECT classifier, day, predicted_label, sum(n), sum(confidence), sum(unknown_share) FROM triage_internal.review_statistics_now WHERE grain = 'label' GROUP BY 1, 2, 3 HAVING sum(n) > 0",
}
KEYS = {"confusion_matrix": 5, "class_metrics": 4, "calibration": 4, "error_cost": 4}
MEDIAN = {"time_to_correction_daily": 5}


def number(value):
    """Figures as float, so that a numeric and a float8 can be close to each other."""
    return float(value) if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else value


def close(view, plain, is_median):
    if not (isinstance(view, float) and isinstance(plain, float)):
        return view == plain
    if is_median:
        # Medians are kept in classes that double.
        return view <= 2 * plain + 1 and plain <= 2 * view + 1
    return abs(view - plain) <= TOLERANCE * max(1, abs(view))


def difference(name, found, wanted):
    """The first row in which a view is not what a plain query says; None if there is none."""
    keys = KEYS.get(name, 3)
    found, wanted = ({row[:keys]: [number(v) for v in row[keys:]] for row in table} for table in (found, wanted))
    for key in sorted(found.keys() | wanted.keys(), key=repr):
        view, plain = found.get(key), wanted.get(key)
        if view is None or plain is None or len(view) != len(plain):
            return f"{name}: {key}: view {view}, plain {plain}"
        for i, (a, b) in enumerate(zip(view, plain, strict=True)):
            if not close(a, b, MEDIAN.get(name) == keys + i):
                return f"{name}: {key}, column {keys + i}: view {a}, plain {b}"
    return None


def differences(session: Session) -> tuple[list[str], int]:
    """Of all views, under one snapshot; and how many rows were compared."""
    session.run("BEGIN ISOLATION LEVEL REPEATABLE READ")
    found, compared = [], 0
    for name, plain in VIEWS.items():
        view, wanted = (session.rows(question) for question in (QUESTIONS[name], plain))
        compared += len(wanted)
        if (wrong := difference(name, view, wanted)) is not None:
            found.append(wrong)
    session.run("COMMIT")
    return found, compared


def assert_views_are_right(session: Session) -> None:
    """Every view is what a plain query says, and there was something to compare."""
    found, compared = differences(session)
    assert not found, "\n".join(found)
    assert compared > 0, "no rows to compare"
