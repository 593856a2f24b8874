"""All parts of the report, in their order: what each asks of the views for analysts."""

from __future__ import annotations

from functools import partial

from argos_sync.report import operations, screening, submissions
from argos_sync.report.section import SectionSpec
from argos_sync.warehouse.views import STALENESS

_NO_SUBMISSIONS = "There are no submissions yet."

_VOLUMES = """
    SELECT day, approved, rejected, pending, incomplete, other_result + no_result
    FROM kyc_funnel_daily ORDER BY day"""

_FUNNEL = "SELECT submissions, attempted, decided, approved FROM kyc_funnel_daily"

# The view kyc_time_to_decision has percentiles of each country, which cannot be put together; by
# nearest rank, as there. Only the two known reviewers are named: others might be people.
_DECISIONS = """
    WITH decided AS (
        SELECT
            CASE WHEN LOWER(reviewer) IN ('system', 'agent') THEN LOWER(reviewer) ELSE 'other' END
                AS who,
            UTC_WEEK(kyc_result_at) AS week,
            (EPOCH(kyc_result_at) - EPOCH(created_at)) / 3600 AS hours
        FROM submissions_wide
        WHERE kyc_result_at IS NOT NULL
    ),
    ranked AS (
        SELECT
            who, week, hours,
            COUNT(*) OVER (PARTITION BY who, week) AS decisions,
            ROW_NUMBER() OVER (PARTITION BY who, week ORDER BY hours NULLS FIRST) AS place
        FROM decided
    )
    SELECT
        who, week, COUNT(*),
        MIN(CASE WHEN place * 100 >= decisions * 50 THEN hours END),
        MIN(CASE WHEN place * 100 >= decisions * 90 THEN hours END)
    FROM ranked GROUP BY who, week ORDER BY week, who"""

_REJECTIONS = """
    SELECT comment_code, SUM(rejected) FROM rejection_reasons
    GROUP BY comment_code ORDER BY SUM(rejected) DESC, comment_code"""

_FAILURES, _RETRIES = (
    f"""
    SELECT
        code, failures, submissions, face_similarity_score_avg, liveness_score_avg
    FROM attempt_failures WHERE failed = '{failed}' ORDER BY failures DESC, code"""  # noqa: S608 ours
    for failed in ("attempt", "retry")
)

_ALERTS = """
    SELECT risk_level_summary, COUNT(DISTINCT submission_id), COUNT(match_index), MAX(age_days)
    FROM aml_open_alerts GROUP BY risk_level_summary"""

_HITS = """
    SELECT week, screened, high, medium, low, other_risk FROM aml_hit_rate ORDER BY week"""

_COUNTRIES = """
    SELECT
        nationality,
        COUNT(*),
        COUNT(CASE WHEN LOWER(kyc_result) = 'approved' THEN 1 END),
        COUNT(CASE WHEN LOWER(kyc_result) = 'rejected' THEN 1 END)
    FROM submissions_wide GROUP BY nationality ORDER BY COUNT(*) DESC, nationality"""

_BACKLOG = """
    SELECT age, kyc_result, submissions FROM review_backlog ORDER BY age_from_days, kyc_result"""

_STALENESS = "SELECT age_days, submissions, max_age_days FROM staleness ORDER BY age_days"

_RUNS = """
    SELECT
        command, started_at, duration_seconds, outcome, exit_status, error,
        submissions_fetched, submissions_new, submissions_changed, submissions_deleted
    FROM sync_health ORDER BY started_at DESC LIMIT 60"""


def section_specs(bound: int | None) -> tuple[SectionSpec, ...]:
    """Return all parts of the report.

    Args:
        bound: Days within which every row is to be fetched again; None when there is none.
    """
    return (
        SectionSpec(
            "volumes",
            "Submissions",
            "kyc_funnel_daily",
            _VOLUMES,
            submissions.describe_volumes,
            _NO_SUBMISSIONS,
        ),
        SectionSpec(
            "decisions",
            "Time to decision",
            "submissions_wide",
            _DECISIONS,
            submissions.describe_decisions,
            "No submission has a final result.",
        ),
        SectionSpec(
            "funnel",
            "Funnel",
            "kyc_funnel_daily",
            _FUNNEL,
            submissions.describe_funnel,
            _NO_SUBMISSIONS,
        ),
        SectionSpec(
            "backlog",
            "Waiting for a result",
            "review_backlog",
            _BACKLOG,
            submissions.describe_backlog,
            "No submission waits for a result.",
        ),
        SectionSpec(
            "rejections",
            "Why submissions are rejected",
            "rejection_reasons",
            _REJECTIONS,
            submissions.describe_rejections,
            "No submission was rejected.",
        ),
        SectionSpec(
            "failures",
            "Why attempts fail",
            "attempt_failures",
            _FAILURES,
            partial(submissions.describe_failures, what="attempts failed"),
            "No attempt failed.",
        ),
        SectionSpec(
            "retries",
            "Why steps are repeated",
            "attempt_failures",
            _RETRIES,
            partial(submissions.describe_failures, what="steps were repeated within an attempt"),
            "No step was repeated within an attempt.",
        ),
        SectionSpec(
            "alerts",
            "Open AML alerts by risk",
            "aml_open_alerts",
            _ALERTS,
            screening.describe_alerts,
            "No submission has an open red flag.",
        ),
        SectionSpec(
            "hits",
            "AML red flags over time",
            "aml_hit_rate",
            _HITS,
            screening.describe_hit_rate,
            _NO_SUBMISSIONS,
        ),
        SectionSpec(
            "countries",
            "Countries",
            "submissions_wide",
            _COUNTRIES,
            submissions.describe_countries,
            _NO_SUBMISSIONS,
        ),
        SectionSpec(
            "runs",
            "Runs of argos-sync",
            "sync_health",
            _RUNS,
            operations.describe_runs,
            "Nothing has run yet.",
        ),
        SectionSpec(
            "staleness",
            "Age of the rows",
            STALENESS,
            _STALENESS,
            partial(operations.describe_staleness, bound=bound),
            _NO_SUBMISSIONS,
        ),
    )
