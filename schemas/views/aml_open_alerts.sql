-- Open AML alerts: one row per match of a submission with a red flag, and one row for a red flag
-- without matches.
--
-- submission_id       Submission with the red flag
-- created_at          When the submission was created
-- kyc_result          KYC result of the submission
-- risk_level_summary  Risk level of the submission
-- match_index         Position of the match in the API's list, starting at 0; empty without matches
-- risk_level          Risk level of the match
-- score               Score of the match
-- risk_icons          Risk icons of the match in the API's order, separated by commas
-- risk_icon_meanings  Meanings of these icons (code_meanings), separated by commas; the icon itself
--                     where its meaning is unknown
-- argos_number        Unique ID for retrieving the AML report
-- resource_id         Unique resource ID for retrieving the AML report
-- open_since          When a run first saw the red flag after the last time without it; created_at
--                     if the submission always had it
-- age_days            Whole days since open_since
WITH flagged AS (
    SELECT submission_id, risk_level_summary
    FROM aml
    WHERE LOWER(current_status) = 'red flag'
),
unflagged AS (
    SELECT submission_id, MAX(valid_from) AS last_seen
    FROM submission_status_history
    WHERE COALESCE(LOWER(aml_current_status), '') <> 'red flag'
    GROUP BY submission_id
),
raised AS (
    -- The history of a submission that was deleted for some time has a gap, so the end of the last
    -- period without the flag is not the beginning of the flag.
    SELECT h.submission_id, MIN(h.valid_from) AS raised_at
    FROM submission_status_history AS h
    JOIN unflagged AS u ON u.submission_id = h.submission_id AND h.valid_from > u.last_seen
    GROUP BY h.submission_id
),
icons AS (
    SELECT
        r.submission_id,
        r.match_index,
        JOINED(r.risk_icon, r.icon_index) AS risk_icons,
        JOINED(COALESCE(c.meaning, r.risk_icon), r.icon_index) AS risk_icon_meanings
    FROM match_risk_icons AS r
    LEFT JOIN code_meanings AS c
        ON c.kind = 'risk_icon' AND LOWER(c.code) = LOWER(r.risk_icon)
    WHERE r.risk_icon IS NOT NULL
    GROUP BY r.submission_id, r.match_index
),
alerts AS (
    SELECT
        s.submission_id,
        s.created_at,
        k.result AS kyc_result,
        f.risk_level_summary,
        COALESCE(r.raised_at, s.created_at) AS open_since
    FROM flagged AS f
    JOIN submissions AS s ON s.submission_id = f.submission_id
    LEFT JOIN kyc AS k ON k.submission_id = s.submission_id
    LEFT JOIN raised AS r ON r.submission_id = s.submission_id
    WHERE s._deleted_at IS NULL
)
SELECT
    a.submission_id,
    a.created_at,
    a.kyc_result,
    a.risk_level_summary,
    m.match_index,
    m.risk_level,
    m.score,
    i.risk_icons,
    i.risk_icon_meanings,
    m.argos_number,
    m.resource_id,
    a.open_since,
    CAST(FLOOR(GREATEST(EPOCH(CURRENT_TIMESTAMP) - EPOCH(a.open_since), 0) / 86400) AS BIGINT)
        AS age_days
FROM alerts AS a
LEFT JOIN matches AS m ON m.submission_id = a.submission_id
LEFT JOIN icons AS i ON i.submission_id = m.submission_id AND i.match_index = m.match_index
