-- Approved submissions that have an AML red flag now, one row each.
--
-- submission_id         Approved submission
-- created_at            When the submission was created
-- decided_at            When the KYC result was finalized; empty if the API does not say
-- decided_by            machine (the reviewer is system) or person (any other reviewer); empty if
--                       the API names no reviewer
-- country               Nationality of the applicant, as an ISO alpha-3 country code
-- id_type               Type of ID used
-- open_since            When a run first saw the red flag; created_at if no run saw the submission
--                       without it before
-- hours_open            Hours since open_since
-- flagged_after_result  Whether a run saw the approved submission without the red flag before
-- highest_risk          high, medium or low: the highest risk level of the submission and its matches
-- matches               Number of matches
-- highest_score         Highest score of the matches
-- risk_icons            Risk icons of the matches in alphabetical order, separated by commas
-- risk_icon_meanings    Meanings of these icons (code_meanings), in the same order
SELECT
    a.submission_id,
    a.created_at,
    s.kyc_result_at AS decided_at,
    CASE
        WHEN LOWER(s.reviewer) = 'system' THEN 'machine'
        WHEN s.reviewer IS NOT NULL THEN 'person'
    END AS decided_by,
    a.country,
    p.id_type,
    a.opened_at AS open_since,
    a.hours_open,
    CASE
        WHEN a.opened_at > COALESCE(s.kyc_result_at, s.created_at) THEN TRUE
        ELSE FALSE
    END AS flagged_after_result,
    a.highest_risk,
    a.matches,
    a.highest_score,
    a.risk_icons,
    a.risk_icon_meanings
FROM aml_alerts AS a
JOIN submissions AS s ON s.submission_id = a.submission_id
LEFT JOIN applicants AS p ON p.submission_id = a.submission_id
WHERE a.is_open AND a.kyc_result = 'approved'
