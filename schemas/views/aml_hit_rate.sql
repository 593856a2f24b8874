-- Share of submissions that AML screening flags, by week of creation. Each submission counts as
-- screened or not screened, and each flagged one under exactly one risk level.
--
-- week          Monday (UTC) of the week the submissions were created
-- submissions   Number of submissions
-- not_screened  Submissions with the status Not Screened or without a status
-- screened      Submissions with any other status
-- flagged       Submissions with the status Red Flag
-- high          Flagged submissions of high risk
-- medium        Flagged submissions of medium risk
-- low           Flagged submissions of low risk
-- other_risk    Flagged submissions with another risk level or none
-- hit_rate      Share of screened submissions that are flagged, from 0 to 1; empty if none is
--               screened
WITH cases AS (
    SELECT
        UTC_WEEK(s.created_at) AS week,
        COALESCE(LOWER(a.current_status), 'not screened') AS status,
        COALESCE(LOWER(a.risk_level_summary), '') AS risk
    FROM submissions AS s
    LEFT JOIN aml AS a ON a.submission_id = s.submission_id
    WHERE s._deleted_at IS NULL
),
counts AS (
    SELECT
        week,
        COUNT(*) AS submissions,
        COUNT(CASE WHEN status = 'not screened' THEN 1 END) AS not_screened,
        COUNT(CASE WHEN status <> 'not screened' THEN 1 END) AS screened,
        COUNT(CASE WHEN status = 'red flag' THEN 1 END) AS flagged,
        COUNT(CASE WHEN status = 'red flag' AND risk = 'high' THEN 1 END) AS high,
        COUNT(CASE WHEN status = 'red flag' AND risk = 'medium' THEN 1 END) AS medium,
        COUNT(CASE WHEN status = 'red flag' AND risk = 'low' THEN 1 END) AS low,
        COUNT(CASE WHEN status = 'red flag' AND risk NOT IN ('high', 'medium', 'low') THEN 1 END)
            AS other_risk
    FROM cases
    GROUP BY week
)
SELECT
    week,
    submissions,
    not_screened,
    screened,
    flagged,
    high,
    medium,
    low,
    other_risk,
    CAST(flagged AS DOUBLE) / NULLIF(screened, 0) AS hit_rate
FROM counts
