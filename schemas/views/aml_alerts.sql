-- AML alerts, open and closed: one row per time that a submission had a red flag. Times are those at
-- which runs saw the flag come and go, so they are as exact as runs are frequent.
--
-- submission_id       Submission with the red flag
-- alert_number        Number of the alert among those of the submission, starting at 1
-- created_at          When the submission was created
-- kyc_result          KYC result of the submission, in lower case
-- country             Nationality of the applicant, as an ISO alpha-3 country code
-- opened_at           When a run first saw the red flag; created_at if no run saw the submission
--                     without it before
-- closed_at           When a run first saw that the red flag was gone; empty while the alert is open
-- opened_day          Day of opened_at
-- closed_day          Day of closed_at
-- is_open             Whether the submission has the red flag now
-- hours_open          Hours from opened_at to closed_at, or until now
-- highest_risk        high, medium or low: the highest risk level of the submission during the alert
--                     and, while it is open, of its matches; empty if there is none of these
-- matches             Number of matches; empty once the alert is closed
-- highest_score       Highest score of the matches; empty once the alert is closed
-- risk_icons          Risk icons of the matches in alphabetical order, separated by commas; empty
--                     once the alert is closed
-- risk_icon_meanings  Meanings of these icons (code_meanings), in the same order; the icon itself
--                     where its meaning is unknown
WITH periods AS (
    SELECT
        submission_id,
        valid_from,
        valid_to,
        CASE WHEN LOWER(aml_current_status) = 'red flag' THEN 1 ELSE 0 END AS is_flagged,
        CASE LOWER(aml_risk_level_summary)
            WHEN 'high' THEN 3
            WHEN 'medium' THEN 2
            WHEN 'low' THEN 1
        END AS risk
    FROM submission_status_history
    WHERE submission_id IN (
        SELECT submission_id
        FROM submission_status_history
        WHERE LOWER(aml_current_status) = 'red flag'
    )
),
numbered AS (
    -- A submission that was deleted for some time has a gap in its history, which closes no alert.
    SELECT
        submission_id,
        valid_from,
        valid_to,
        is_flagged,
        risk,
        SUM(1 - is_flagged) OVER (
            PARTITION BY submission_id ORDER BY valid_from
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS unflagged_before
    FROM periods
),
cases AS (
    SELECT
        submission_id,
        unflagged_before,
        MIN(valid_from) AS first_seen,
        CASE WHEN COUNT(*) = COUNT(valid_to) THEN MAX(valid_to) END AS closed_at,
        MAX(risk) AS risk
    FROM numbered
    WHERE is_flagged = 1
    GROUP BY submission_id, unflagged_before
),
matched AS (
    SELECT
        submission_id,
        COUNT(*) AS matches,
        MAX(score) AS highest_score,
        MAX(
            CASE LOWER(risk_level) WHEN 'high' THEN 3 WHEN 'medium' THEN 2 WHEN 'low' THEN 1 END
        ) AS risk
    FROM matches
    GROUP BY submission_id
),
distinct_icons AS (
    SELECT DISTINCT submission_id, risk_icon
    FROM match_risk_icons
    WHERE risk_icon IS NOT NULL
),
icons AS (
    SELECT
        d.submission_id,
        JOINED(d.risk_icon, d.risk_icon) AS risk_icons,
        JOINED(COALESCE(c.meaning, d.risk_icon), d.risk_icon) AS risk_icon_meanings
    FROM distinct_icons AS d
    LEFT JOIN code_meanings AS c
        ON c.kind = 'risk_icon' AND LOWER(c.code) = LOWER(d.risk_icon)
    GROUP BY d.submission_id
),
alerts AS (
    SELECT
        c.submission_id,
        ROW_NUMBER() OVER (PARTITION BY c.submission_id ORDER BY c.first_seen) AS alert_number,
        s.created_at,
        CASE WHEN c.unflagged_before = 0 THEN s.created_at ELSE c.first_seen END AS opened_at,
        c.closed_at,
        c.risk
    FROM cases AS c
    JOIN submissions AS s ON s.submission_id = c.submission_id
    WHERE s._deleted_at IS NULL
)
SELECT
    a.submission_id,
    a.alert_number,
    a.created_at,
    LOWER(k.result) AS kyc_result,
    p.nationality AS country,
    a.opened_at,
    a.closed_at,
    REPORTING_DAY(a.opened_at) AS opened_day,
    REPORTING_DAY(a.closed_at) AS closed_day,
    CASE WHEN a.closed_at IS NULL THEN TRUE ELSE FALSE END AS is_open,
    GREATEST(EPOCH(COALESCE(a.closed_at, CURRENT_TIMESTAMP)) - EPOCH(a.opened_at), 0) / 3600
        AS hours_open,
    CASE GREATEST(COALESCE(a.risk, 0), COALESCE(m.risk, 0))
        WHEN 3 THEN 'high'
        WHEN 2 THEN 'medium'
        WHEN 1 THEN 'low'
    END AS highest_risk,
    CASE WHEN a.closed_at IS NULL THEN COALESCE(m.matches, 0) END AS matches,
    m.highest_score,
    i.risk_icons,
    i.risk_icon_meanings
FROM alerts AS a
LEFT JOIN kyc AS k ON k.submission_id = a.submission_id
LEFT JOIN applicants AS p ON p.submission_id = a.submission_id
LEFT JOIN matched AS m ON m.submission_id = a.submission_id AND a.closed_at IS NULL
LEFT JOIN icons AS i ON i.submission_id = a.submission_id AND a.closed_at IS NULL
