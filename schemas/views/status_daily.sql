-- How many submissions stood in which state at the end of each day, from the status history: one row
-- per day and state, from the day of the first sync to today, which counts as it is now. Submissions
-- that were deleted in the source count until a run saw that.
--
-- day                     Day at whose end the submissions are counted
-- kyc_result              KYC result, in lower case; empty if there was none
-- aml_current_status      AML status, in lower case; empty if there was none
-- aml_risk_level_summary  Risk level, in lower case; empty if there was none
-- submissions             Number of submissions in this state
WITH periods AS (
    SELECT
        COALESCE(LOWER(kyc_result), '') AS result,
        COALESCE(LOWER(aml_current_status), '') AS aml_status,
        COALESCE(LOWER(aml_risk_level_summary), '') AS risk,
        REPORTING_DAY(valid_from) AS first_day,
        REPORTING_DAY(valid_to) AS end_day
    FROM submission_status_history
),
steps AS (
    SELECT result, aml_status, risk, first_day AS day, CAST(COUNT(*) AS BIGINT) AS added
    FROM periods
    GROUP BY result, aml_status, risk, first_day
    UNION ALL
    SELECT result, aml_status, risk, end_day AS day, -CAST(COUNT(*) AS BIGINT) AS added
    FROM periods
    WHERE end_day IS NOT NULL
    GROUP BY result, aml_status, risk, end_day
),
day_steps AS (
    SELECT result, aml_status, risk, day, SUM(added) AS net
    FROM steps
    GROUP BY result, aml_status, risk, day
),
states AS (
    SELECT result, aml_status, risk, MIN(day) AS first_day
    FROM steps
    GROUP BY result, aml_status, risk
),
digits AS (
    SELECT 0 AS n
    UNION ALL SELECT 1
    UNION ALL SELECT 2
    UNION ALL SELECT 3
    UNION ALL SELECT 4
    UNION ALL SELECT 5
    UNION ALL SELECT 6
    UNION ALL SELECT 7
    UNION ALL SELECT 8
    UNION ALL SELECT 9
),
numbers AS (
    -- Days of 27 years: databases generate series in different ways.
    SELECT a.n + 10 * b.n + 100 * c.n + 1000 * d.n AS n
    FROM digits AS a
    CROSS JOIN digits AS b
    CROSS JOIN digits AS c
    CROSS JOIN digits AS d
),
first_days AS (
    SELECT MIN(first_day) AS first_day
    FROM states
),
days AS (
    SELECT f.first_day + n.n AS day
    FROM first_days AS f
    CROSS JOIN numbers AS n
    WHERE n.n <= DATE_DIFF('day', f.first_day, REPORTING_DAY(CURRENT_TIMESTAMP))
),
daily AS (
    SELECT
        d.day,
        s.result,
        s.aml_status,
        s.risk,
        SUM(COALESCE(t.net, 0)) OVER (
            PARTITION BY s.result, s.aml_status, s.risk ORDER BY d.day
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS submissions
    FROM days AS d
    JOIN states AS s ON s.first_day <= d.day
    LEFT JOIN day_steps AS t
        ON t.day = d.day
        AND t.result = s.result
        AND t.aml_status = s.aml_status
        AND t.risk = s.risk
)
SELECT
    day,
    NULLIF(result, '') AS kyc_result,
    NULLIF(aml_status, '') AS aml_current_status,
    NULLIF(risk, '') AS aml_risk_level_summary,
    CAST(submissions AS BIGINT) AS submissions
FROM daily
WHERE submissions > 0
