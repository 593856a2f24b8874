-- Decided submissions, one row each: when, by whom and how each was approved or rejected.
--
-- submission_id        Decided submission
-- created_at           When the submission was created
-- decided_at           When the KYC result was finalized; empty if the API does not say
-- decided_day          Day of decided_at
-- decided_week         Monday of the week of decided_at
-- result               approved or rejected
-- decided_by           machine (the reviewer is system) or person (any other reviewer); empty if the
--                      API names no reviewer
-- was_pending          Whether the submission was sent to people: it has a pending_at
-- seconds_to_decision  Seconds from created_at to decided_at
-- seconds_in_review    Seconds from pending_at to decided_at; empty if it was never pending
-- attempts             Number of attempts
-- on_first_attempt     Whether it was decided on the first attempt; empty without attempts
-- country              Nationality of the applicant, as an ISO alpha-3 country code
-- issuing_country      Country that issued the ID, as an ISO alpha-3 code
-- id_type              Type of ID used
-- age_group            Age group of the applicant: minor, early-teen, teen or adult
-- gender               Gender of the applicant (male or female)
-- codes                Reject codes in the API's order, separated by commas
-- code_meanings        Meanings of these codes (code_meanings), separated by commas; the code itself
--                      where its meaning is unknown
WITH tries AS (
    SELECT submission_id, COUNT(*) AS attempts
    FROM attempts
    GROUP BY submission_id
),
reasons AS (
    SELECT
        c.submission_id,
        JOINED(c.comment_code, c.comment_index) AS codes,
        JOINED(COALESCE(m.meaning, c.comment_code), c.comment_index) AS code_meanings
    FROM kyc_comments AS c
    LEFT JOIN code_meanings AS m ON m.kind = 'reject' AND LOWER(m.code) = LOWER(c.comment_code)
    WHERE c.comment_code IS NOT NULL
    GROUP BY c.submission_id
)
SELECT
    s.submission_id,
    s.created_at,
    s.kyc_result_at AS decided_at,
    REPORTING_DAY(s.kyc_result_at) AS decided_day,
    REPORTING_WEEK(s.kyc_result_at) AS decided_week,
    LOWER(k.result) AS result,
    CASE
        WHEN LOWER(s.reviewer) = 'system' THEN 'machine'
        WHEN s.reviewer IS NOT NULL THEN 'person'
    END AS decided_by,
    CASE WHEN s.pending_at IS NOT NULL THEN TRUE ELSE FALSE END AS was_pending,
    EPOCH(s.kyc_result_at) - EPOCH(s.created_at) AS seconds_to_decision,
    EPOCH(s.kyc_result_at) - EPOCH(s.pending_at) AS seconds_in_review,
    COALESCE(t.attempts, 0) AS attempts,
    CASE WHEN t.attempts = 1 THEN TRUE WHEN t.attempts > 1 THEN FALSE END AS on_first_attempt,
    p.nationality AS country,
    p.idcard_issuing_country AS issuing_country,
    p.id_type,
    p.age_group,
    p.gender,
    r.codes,
    r.code_meanings
FROM submissions AS s
JOIN kyc AS k ON k.submission_id = s.submission_id
LEFT JOIN applicants AS p ON p.submission_id = s.submission_id
LEFT JOIN tries AS t ON t.submission_id = s.submission_id
LEFT JOIN reasons AS r ON r.submission_id = s.submission_id
WHERE s._deleted_at IS NULL AND LOWER(k.result) IN ('approved', 'rejected')
