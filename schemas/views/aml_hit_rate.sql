-- Share of decided submissions with an AML red flag, by week of creation. The status Not Screened
-- says both that nothing was found and that nothing was screened; it cannot tell them apart.
--
-- week         Monday of the week the submissions were created
-- submissions  Number of submissions
-- decided      Submissions that are approved or rejected
-- flagged      Decided submissions with the status Red Flag
-- high         Flagged submissions of high risk
-- medium       Flagged submissions of medium risk
-- low          Flagged submissions of low risk
-- other_risk   Flagged submissions with another risk level or none
-- hit_rate     Share of decided submissions that are flagged, from 0 to 1; empty if none is decided
WITH cases AS (
    SELECT
        REPORTING_WEEK(s.created_at) AS week,
        -- NULL while the submission is not decided
        CASE WHEN LOWER(k.result) IN ('approved', 'rejected')
            THEN COALESCE(LOWER(a.current_status), '') END AS status,
        COALESCE(LOWER(a.risk_level_summary), '') AS risk
    FROM submissions AS s
    LEFT JOIN kyc AS k ON k.submission_id = s.submission_id
    LEFT JOIN aml AS a ON a.submission_id = s.submission_id
    WHERE s._deleted_at IS NULL
),
counts AS (
    SELECT
        week,
        COUNT(*) AS submissions,
        COUNT(status) AS decided,
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
    decided,
    flagged,
    high,
    medium,
    low,
    other_risk,
    CAST(flagged AS DOUBLE) / NULLIF(decided, 0) AS hit_rate
FROM counts
