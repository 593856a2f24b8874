-- How long does it take until the KYC result is final, by reviewer, country and week? The week is
-- that of the result: by the week of the submission the last weeks would look fast, for what takes
-- long is not there yet.
--
-- reviewer   Who decided: system is the AI review, agent a human one
-- country    Nationality of the applicant
-- week       Monday (UTC) of the week the result became final
-- decisions  How many results became final
-- hours_p50  Hours from created_at to kyc_result_at that half of them took at most
-- hours_p90  Hours that 90 % of them took at most
-- hours_p99  Hours that 99 % of them took at most
WITH decided AS (
    SELECT
        s.reviewer,
        p.nationality AS country,
        UTC_WEEK(s.kyc_result_at) AS week,
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
    -- By nearest rank: no two databases have the same function for percentiles.
    MIN(CASE WHEN place * 100 >= total * 50 THEN hours END) AS hours_p50,
    MIN(CASE WHEN place * 100 >= total * 90 THEN hours END) AS hours_p90,
    MIN(CASE WHEN place * 100 >= total * 99 THEN hours END) AS hours_p99
FROM ranked
GROUP BY reviewer, country, week
