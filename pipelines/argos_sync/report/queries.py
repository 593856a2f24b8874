"""List the sections of the report in order, and the SQL over the views behind each."""

from datetime import date
from functools import partial

from argos_sync.report import operations, screening, submissions
from argos_sync.report.section import SectionSpec
from argos_sync.warehouse.views import STALENESS

_VOLUMES = """
    SELECT day, approved, rejected, pending, incomplete, other_result + no_result
    FROM kyc_funnel_daily ORDER BY day"""

_FUNNEL = "SELECT submissions, attempted, decided, approved FROM kyc_funnel_daily"

# The view kyc_time_to_decision has percentiles per country, which cannot be combined, so they are
# computed here, by nearest rank as in the view. Only the two documented reviewers appear by name;
# other values may be names of people.
_DECISIONS = """
    WITH decided AS (
        SELECT
            CASE WHEN LOWER(reviewer) IN ('system', 'agent') THEN LOWER(reviewer) ELSE 'other' END
                AS reviewer_type,
            WEEK_IN(kyc_result_at, '{zone}') AS week,
            (EPOCH(kyc_result_at) - EPOCH(created_at)) / 3600 AS hours
        FROM submissions_wide
        WHERE kyc_result_at IS NOT NULL
    ),
    ranked AS (
        SELECT
            reviewer_type, week, hours,
            COUNT(*) OVER (PARTITION BY reviewer_type, week) AS decisions,
            ROW_NUMBER() OVER (PARTITION BY reviewer_type, week ORDER BY hours NULLS FIRST)
                AS hours_rank
        FROM decided
    )
    SELECT
        reviewer_type, week, COUNT(*),
        MIN(CASE WHEN hours_rank * 100 >= decisions * 50 THEN hours END),
        MIN(CASE WHEN hours_rank * 100 >= decisions * 90 THEN hours END)
    FROM ranked GROUP BY reviewer_type, week ORDER BY week, reviewer_type"""

_REJECTIONS = """
    SELECT comment_code, meaning, SUM(rejected) FROM rejection_reasons
    GROUP BY comment_code, meaning ORDER BY SUM(rejected) DESC, comment_code"""

_FAILURES, _RETRIES = (
    f"""
    SELECT
        code, meaning, failures, submissions, face_similarity_score_avg, liveness_score_avg
    FROM attempt_failures WHERE failed = '{failed}' ORDER BY failures DESC, code"""  # noqa: S608 literals
    for failed in ("attempt", "retry")
)

_ALERTS = """
    SELECT risk_level_summary, COUNT(DISTINCT submission_id), COUNT(match_index), MAX(age_days)
    FROM aml_open_alerts GROUP BY risk_level_summary"""

_HITS = """
    SELECT week, decided, high, medium, low, other_risk FROM aml_hit_rate ORDER BY week"""

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


def section_specs(bound: int | None, today: date, zone: str) -> tuple[SectionSpec, ...]:
    """Return the definitions of all sections.

    `bound` is `sweep_days`, None without a sweep; no chart goes beyond `today`; `zone` is the
    reporting time zone.
    """
    return (
        SectionSpec(
            "volumes",
            "Submissions",
            "kyc_funnel_daily",
            _VOLUMES,
            partial(submissions.describe_volumes, today=today),
        ),
        SectionSpec(
            "decisions",
            "Time to decision",
            "submissions_wide",
            _DECISIONS.format(zone=zone),
            partial(submissions.describe_decisions, today=today),
            "No submission has a final result yet.",
        ),
        SectionSpec("funnel", "Funnel", "kyc_funnel_daily", _FUNNEL, submissions.describe_funnel),
        SectionSpec(
            "backlog",
            "Waiting for a result",
            "review_backlog",
            _BACKLOG,
            submissions.describe_backlog,
            "No submission is waiting for a result.",
        ),
        SectionSpec(
            "rejections",
            "Why submissions are rejected",
            "rejection_reasons",
            _REJECTIONS,
            submissions.describe_rejections,
            "No submission has been rejected.",
        ),
        SectionSpec(
            "failures",
            "Why attempts fail",
            "attempt_failures",
            _FAILURES,
            partial(submissions.describe_failures, noun="failed attempts"),
            "No attempt has failed.",
        ),
        SectionSpec(
            "retries",
            "Why steps are retried",
            "attempt_failures",
            _RETRIES,
            partial(submissions.describe_failures, noun="retries within an attempt"),
            "No step has been retried within an attempt.",
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
            partial(screening.describe_hit_rate, today=today),
        ),
        SectionSpec(
            "countries",
            "Countries",
            "submissions_wide",
            _COUNTRIES,
            submissions.describe_countries,
            optional="nationality",
        ),
        SectionSpec(
            "runs",
            "Runs of argos-sync",
            "sync_health",
            _RUNS,
            operations.describe_runs,
            "There are no runs yet.",
        ),
        SectionSpec(
            "staleness",
            "Age of the rows",
            STALENESS,
            _STALENESS,
            partial(operations.describe_staleness, bound=bound),
        ),
    )
