-- Time from submission to final KYC result, by reviewer, country and week of the result. Weeks of
-- submission would be misleading: recent weeks would look fast, because their slow decisions are
-- still missing.
--
-- reviewer   Reviewer type: system is the AI review, agent is a human review
-- country    Nationality of the applicant
-- week       Monday of the week the result became final
-- decisions  Number of results that became final
-- hours_p50  Median hours from created_at to kyc_result_at
-- hours_p90  90th percentile of these hours
-- hours_p99  99th percentile of these hours
WITH decided AS (
    SELECT
        s.reviewer,
        p.nationality AS country,
        REPORTING_WEEK(s.kyc_result_at) AS week,
        (EPOCH(s.kyc_result_at) - EPOCH(s.created_at)) / 3600 AS hours
    FROM submissions AS s
    LEFT JOIN applicants AS p ON p.submission_id = s.submission_id
    WHERE s._deleted_at IS NULL AND s.kyc_result_at IS NOT NULL
),
ranked AS (
    SELECT
        reviewer,
        country,
        week,
        hours,
        COUNT(*) OVER (PARTITION BY reviewer, country, week) AS total,
        ROW_NUMBER() OVER (
            PARTITION BY reviewer, country, week ORDER BY hours NULLS FIRST
        ) AS place
    FROM decided
)
SELECT
    reviewer,
    country,
    week,
    COUNT(*) AS decisions,
    -- By nearest rank, because databases have different percentile functions.
    MIN(CASE WHEN place * 100 >= total * 50 THEN hours END) AS hours_p50,
    MIN(CASE WHEN place * 100 >= total * 90 THEN hours END) AS hours_p90,
    MIN(CASE WHEN place * 100 >= total * 99 THEN hours END) AS hours_p99
FROM ranked
GROUP BY reviewer, country, week
