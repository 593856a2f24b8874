"""The SQL over views and tables behind the report, with the placeholders of `Scope.fill_in`.

Rates are those of the decisions made in a period, as in the views. Decisions without a date are in
no period; `RATES` counts those of submissions created in the period.
"""

EXTENT = """
    WITH days AS (
        SELECT DAY_IN(created_at, {zone}) AS day FROM submissions WHERE _deleted_at IS NULL
    )
    SELECT
        COUNT(*),
        COUNT(CASE WHEN day < {earliest} OR day > {latest} THEN 1 END),
        MIN(CASE WHEN day >= {earliest} THEN day END)
    FROM days"""

VOLUMES = """
    SELECT day, approved, rejected, pending, incomplete, other_result + no_result
    FROM kyc_funnel_daily WHERE day BETWEEN {before} AND {last} ORDER BY day"""

OUTCOMES = """
    SELECT
        last_step, outcome,
        COUNT(*), COUNT(CASE WHEN attempts > 0 THEN 1 END)
    FROM outcomes WHERE DAY_IN(created_at, {zone}) BETWEEN {first} AND {last}
    GROUP BY last_step, outcome"""

FAILURES = """
    WITH created AS (
        SELECT submission_id FROM submissions
        WHERE _deleted_at IS NULL AND DAY_IN(created_at, {zone}) BETWEEN {first} AND {last}
    ),
    failures AS (
        SELECT 1 AS attempts, 0 AS retries, error_code AS code, submission_id FROM attempts
        WHERE error_code IS NOT NULL OR LOWER(verification_result) <> 'success'
        UNION ALL
        SELECT 0 AS attempts, 1 AS retries, retry_code AS code, submission_id FROM attempt_retries
    )
    SELECT
        f.code, m.meaning, SUM(f.attempts), SUM(f.retries), COUNT(DISTINCT f.submission_id)
    FROM failures AS f
    JOIN created AS c ON c.submission_id = f.submission_id
    LEFT JOIN code_meanings AS m ON m.kind = 'retry' AND LOWER(m.code) = LOWER(f.code)
    GROUP BY f.code, m.meaning ORDER BY COUNT(*) DESC, f.code"""

_DATED = """
    WITH dated AS (
        SELECT
            submission_id, result, decided_by, was_pending, decided_week, seconds_to_decision,
            decided_day AS day, DAY_IN(created_at, {zone}) AS created_day
        FROM decisions
    )"""

RATES = f"""{_DATED}
    SELECT
        day,
        COUNT(*),
        COUNT(CASE WHEN result = 'approved' THEN 1 END),
        COUNT(CASE WHEN decided_by = 'machine' THEN 1 END),
        COUNT(decided_by),
        COUNT(CASE WHEN was_pending THEN 1 END)
    FROM dated
    WHERE day BETWEEN {{before}} AND {{last}}
        OR (day IS NULL AND created_day BETWEEN {{first}} AND {{last}})
    GROUP BY day ORDER BY day"""  # noqa: S608 ours

# Percentiles by nearest rank, as in the views: databases have different functions for them.
SPEED = f"""{_DATED},
    timed AS (
        SELECT
            day, decided_week, COALESCE(decided_by, 'unknown') AS decided_by,
            seconds_to_decision AS seconds,
            CASE WHEN day >= {{first}} THEN 'period' ELSE 'before' END AS part
        FROM dated
        WHERE seconds_to_decision IS NOT NULL AND day BETWEEN {{before}} AND {{last}}
    ),
    parts AS (
        SELECT 'unit' AS part, {{unit_start}} AS start_day, 'all' AS decided_by, seconds
        FROM timed WHERE part = 'period'
        UNION ALL
        SELECT part, {{first}} AS start_day, 'all' AS decided_by, seconds FROM timed
        UNION ALL
        SELECT part, {{first}} AS start_day, decided_by, seconds FROM timed
    ),
    ranked AS (
        SELECT
            part, start_day, decided_by, seconds,
            COUNT(*) OVER (PARTITION BY part, start_day, decided_by) AS decisions,
            ROW_NUMBER() OVER (
                PARTITION BY part, start_day, decided_by ORDER BY seconds NULLS FIRST
            ) AS place
        FROM parts
    )
    SELECT
        part, start_day, decided_by,
        COUNT(*),
        MIN(CASE WHEN place * 100 >= decisions * 50 THEN seconds END),
        MIN(CASE WHEN place * 100 >= decisions * 90 THEN seconds END)
    FROM ranked GROUP BY part, start_day, decided_by ORDER BY start_day, decided_by"""  # noqa: S608 ours

REJECTIONS = f"""{_DATED},
    rejected AS (
        SELECT
            submission_id,
            CASE WHEN day >= {{first}} THEN submission_id END AS in_period,
            CASE WHEN day < {{first}} THEN submission_id END AS in_before
        FROM dated WHERE result = 'rejected' AND day BETWEEN {{before}} AND {{last}}
    ),
    reasons AS (
        SELECT DISTINCT submission_id, comment_code AS code FROM kyc_comments
        WHERE comment_code IS NOT NULL
    ),
    totals AS (
        SELECT COUNT(in_period) AS in_period, COUNT(in_before) AS in_before FROM rejected
    ),
    counts AS (
        SELECT c.code, COUNT(r.in_period) AS in_period, COUNT(r.in_before) AS in_before
        FROM rejected AS r LEFT JOIN reasons AS c ON c.submission_id = r.submission_id
        GROUP BY c.code
    )
    SELECT c.code, m.meaning, c.in_period, c.in_before, t.in_period, t.in_before
    FROM counts AS c
    CROSS JOIN totals AS t
    LEFT JOIN code_meanings AS m ON m.kind = 'reject' AND LOWER(m.code) = LOWER(c.code)
    WHERE c.in_period > 0
    ORDER BY c.in_period DESC, c.code"""  # noqa: S608 ours

BACKLOG = """
    SELECT age, kyc_result, submissions, dropped_off
    FROM review_backlog ORDER BY age_from_days, kyc_result"""

COUNTRIES, ID_TYPES = (
    f"""
    SELECT {column}, COUNT(*), COUNT(CASE WHEN result = 'approved' THEN 1 END)
    FROM decisions
    WHERE decided_day BETWEEN {{first}} AND {{last}}
    GROUP BY {column} ORDER BY COUNT(*) DESC, {column}"""  # noqa: S608 ours
    for column in ("country", "id_type")
)

FRAUD_SIGNALS = {
    "spoofed_id": "ID looks spoofed",
    "spoofed_face": "face looks spoofed",
    "injected": "injected image",
    "duplicate_face": "face seen before",
    "duplicate_person": "person seen before",
    "several_users": "several user ids",
    "shared_ip": "shared IP address",
    "shared_document": "shared document",
    "too_many_retries": "too many retries",
}
"""Columns of the view `fraud_signals`, and what they say in words."""

_SIGNAL_COUNTS = ", ".join(
    f"COUNT(CASE WHEN {condition} THEN 1 END)"
    for signal in FRAUD_SIGNALS
    for condition in (
        f"{signal} AND is_current = 1",
        f"{signal} AND is_current = 0",
        f"{signal} IS NOT NULL AND is_current = 1",
    )
)
_IS_CURRENT = "CASE WHEN day >= {first} THEN 1 ELSE 0 END AS is_current"
_SUMS = "SUM(CASE WHEN is_current = {} THEN submissions END)"

FRAUD = f"""
    WITH created AS (
        SELECT {_IS_CURRENT}, submissions
        FROM kyc_funnel_daily WHERE day BETWEEN {{before}} AND {{last}}
    ),
    totals AS (
        SELECT {_SUMS.format(1)} AS in_period, {_SUMS.format(0)} AS in_before FROM created
    ),
    dated AS (
        SELECT
            {", ".join(FRAUD_SIGNALS)},
            DAY_IN(created_at, {{zone}}) AS day
        FROM fraud_signals
    ),
    counted AS (
        SELECT
            {", ".join(FRAUD_SIGNALS)},
            {_IS_CURRENT}
        FROM dated WHERE day BETWEEN {{before}} AND {{last}}
    ),
    counts AS (
        SELECT
            COUNT(CASE WHEN is_current = 1 THEN 1 END) AS flagged,
            COUNT(CASE WHEN is_current = 0 THEN 1 END) AS flagged_before,
            {_SIGNAL_COUNTS}
        FROM counted
    )
    SELECT * FROM totals CROSS JOIN counts"""  # noqa: S608 ours

HITS = f"""{_DATED},
    flags AS (
        SELECT submission_id, COALESCE(highest_risk, 'other') AS risk FROM aml_alerts WHERE is_open
    )
    SELECT
        d.day,
        COUNT(*),
        COUNT(CASE WHEN f.risk = 'high' THEN 1 END),
        COUNT(CASE WHEN f.risk = 'medium' THEN 1 END),
        COUNT(CASE WHEN f.risk = 'low' THEN 1 END),
        COUNT(CASE WHEN f.risk = 'other' THEN 1 END)
    FROM dated AS d LEFT JOIN flags AS f ON f.submission_id = d.submission_id
    WHERE d.day BETWEEN {{before}} AND {{last}} GROUP BY d.day ORDER BY d.day"""  # noqa: S608 ours

AGEING = """
    WITH aged AS (
        SELECT
            COALESCE(highest_risk, 'other') AS risk, hours_open,
            CASE
                WHEN hours_open >= 2160 THEN 90
                WHEN hours_open >= 720 THEN 30
                WHEN hours_open >= 168 THEN 7
                WHEN hours_open >= 24 THEN 1
                ELSE 0
            END AS age_from_days
        FROM aml_alerts WHERE is_open
    )
    SELECT age_from_days, risk, COUNT(*), MAX(hours_open)
    FROM aged GROUP BY age_from_days, risk ORDER BY age_from_days, risk"""

FLOW = """
    WITH events AS (
        SELECT opened_day AS day, 1 AS opened, 0 AS closed FROM aml_alerts
        UNION ALL
        SELECT closed_day AS day, 0 AS opened, 1 AS closed FROM aml_alerts
        WHERE closed_day IS NOT NULL
    )
    SELECT day, SUM(opened), SUM(closed)
    FROM events WHERE day BETWEEN {first} AND {last} GROUP BY day ORDER BY day"""

RUNS = """
    SELECT
        command, started_at, duration_seconds, outcome, exit_status, error,
        submissions_fetched, submissions_new, submissions_changed, submissions_deleted
    FROM sync_health ORDER BY started_at DESC LIMIT 60"""

STALENESS = "SELECT age_days, submissions, max_age_days FROM staleness ORDER BY age_days"

RED_FLAGS = """
    SELECT COUNT(*), COUNT(CASE WHEN flagged_after_result THEN 1 END)
    FROM approved_with_red_flag"""

PAST_TARGET = """
    SELECT
        COUNT(*),
        COUNT(CASE
            WHEN EPOCH(CURRENT_TIMESTAMP) - EPOCH(COALESCE(pending_at, created_at)) > {target}
                THEN 1
        END)
    FROM submissions_wide WHERE LOWER(kyc_result) = 'pending'"""

DOCUMENTS = """
    SELECT
        COUNT(idcard_expire_date),
        COUNT(CASE WHEN document_expired THEN 1 END),
        COUNT(CASE WHEN idcard_expire_date BETWEEN {today} AND {soon} THEN 1 END)
    FROM rescreening_due"""

CHECKS = "SELECT check_name, place, passed, checked_at FROM sync_checks ORDER BY checked_at"

LAST_SYNC = """
    SELECT MAX(started_at) FROM sync_health
    WHERE outcome = 'ok' AND command IN ('sync', 'backfill') AND requests > 0"""
