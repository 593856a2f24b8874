"""List the chapters and sections of the report in order."""

from argos_sync.report import decisions, groups, operations, queries, screening, submissions
from argos_sync.report.section import Chapter, SectionSpec

CHAPTERS = (
    Chapter(
        "submissions",
        "Submissions",
        (
            SectionSpec(
                *("volumes", "Submissions over time", ("kyc_funnel_daily",), queries.VOLUMES),
                submissions.describe_volumes,
                "No submission was created in the period or the one before.",
            ),
            SectionSpec(
                *("funnel", "Funnel", ("outcomes",), queries.OUTCOMES),
                submissions.describe_funnel,
                "No submission was created in the period.",
            ),
            SectionSpec(
                *("leaving", "Where people leave", ("outcomes",), queries.OUTCOMES),
                submissions.describe_leaving,
                "No submission was created in the period.",
            ),
            SectionSpec(
                *("failures", "Why attempts fail"),
                ("submissions", "attempts", "attempt_retries", "code_meanings"),
                queries.FAILURES,
                submissions.describe_failures,
                "No attempt failed, and no step was repeated.",
            ),
        ),
    ),
    Chapter(
        "decisions",
        "Decisions",
        (
            SectionSpec(
                *("rates", "Approval and automation rate", ("decisions",), queries.RATES),
                decisions.describe_rates,
                "No decision was made in the period or the one before.",
            ),
            SectionSpec(
                *("speed", "Time to decision", ("decisions",), queries.SPEED),
                decisions.describe_speed,
                "No decision has a time.",
            ),
            SectionSpec(
                *("rejections", "Why submissions are rejected"),
                ("decisions", "kyc_comments", "code_meanings"),
                queries.REJECTIONS,
                decisions.describe_rejections,
                "No submission was rejected.",
            ),
            SectionSpec(
                *("backlog", "Waiting for a result", ("review_backlog",), queries.BACKLOG),
                decisions.describe_backlog,
                "No submission waits for a result.",
            ),
        ),
    ),
    Chapter(
        "groups",
        "Approval rates of groups",
        (
            SectionSpec(
                *("countries", "Approval rate by nationality", ("decisions",), queries.COUNTRIES),
                groups.describe_countries,
                "No decision was made in the period.",
            ),
            SectionSpec(
                *("id_types", "Approval rate by ID type", ("decisions",), queries.ID_TYPES),
                groups.describe_id_types,
                "No decision was made in the period.",
            ),
        ),
    ),
    Chapter(
        "risk",
        "Fraud and AML",
        (
            SectionSpec(
                *("fraud", "Signs of fraud", ("fraud_signals", "kyc_funnel_daily"), queries.FRAUD),
                screening.describe_fraud,
                "No submission has a sign of fraud.",
            ),
            SectionSpec(
                *("hits", "AML red flags", ("decisions", "aml_alerts"), queries.HITS),
                screening.describe_hits,
                "No decision was made in the period or the one before.",
            ),
            SectionSpec(
                *("ageing", "Open AML alerts by age", ("aml_alerts",), queries.AGEING),
                screening.describe_ageing,
                "No AML alert is open.",
            ),
            SectionSpec(
                *("flow", "AML alerts opened and closed", ("aml_alerts",), queries.FLOW),
                screening.describe_flow,
                "No AML alert was opened or closed in the period.",
            ),
        ),
    ),
    Chapter(
        "health",
        "Data health",
        (
            SectionSpec(
                *("runs", "Runs of argos-sync", ("sync_health",), queries.RUNS),
                operations.describe_runs,
                "There are no runs yet.",
            ),
            SectionSpec(
                *("staleness", "Age of the data", ("staleness",), queries.STALENESS),
                operations.describe_staleness,
                "There are no submissions yet.",
            ),
        ),
        shows_figures=True,
    ),
)
