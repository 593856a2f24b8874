-- How many submissions does the AML screening flag, by the week they came? Every one is counted
-- as screened or not, and every flagged one under exactly one risk level.
--
-- week          Monday (UTC) of the week the submissions were created
-- submissions   How many
-- not_screened  Not screened, or without a status
-- screened      With any other status
-- flagged       With the status Red Flag
-- high          Flagged ones of high risk
-- medium        Flagged ones of medium risk
-- low           Flagged ones of low risk
-- other_risk    Flagged ones of another risk level or without one
-- hit_rate      Share of the screened that are flagged, from 0 to 1; empty when none is screened
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
