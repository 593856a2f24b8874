-- How many submissions pass, by week of creation, country, ID type, age group and gender. Add up
-- the counts to get rates of larger groups: rates of groups cannot be averaged.
--
-- week                       Monday of the week the submissions were created
-- country                    Nationality of the applicant, as an ISO alpha-3 country code
-- id_type                    Type of ID used
-- age_group                  Age group of the applicant: minor, early-teen, teen or adult
-- gender                     Gender of the applicant (male or female)
-- submissions                Number of submissions
-- attempted                  Submissions with at least one attempt
-- decided                    Submissions that are approved or rejected
-- approved                   Submissions with the result approved
-- rejected                   Submissions with the result rejected
-- approved_on_first_attempt  Approved submissions with exactly one attempt
-- approval_rate              Share of decided submissions that are approved, from 0 to 1; empty if
--                            none is decided
WITH tries AS (
    SELECT submission_id, COUNT(*) AS attempts
    FROM attempts
    GROUP BY submission_id
),
counts AS (
    SELECT
        REPORTING_WEEK(s.created_at) AS week,
        p.nationality AS country,
        p.id_type,
        p.age_group,
        p.gender,
        COUNT(*) AS submissions,
        COUNT(t.attempts) AS attempted,
        COUNT(CASE WHEN LOWER(k.result) IN ('approved', 'rejected') THEN 1 END) AS decided,
        COUNT(CASE WHEN LOWER(k.result) = 'approved' THEN 1 END) AS approved,
        COUNT(CASE WHEN LOWER(k.result) = 'rejected' THEN 1 END) AS rejected,
        COUNT(CASE WHEN LOWER(k.result) = 'approved' AND t.attempts = 1 THEN 1 END)
            AS approved_on_first_attempt
    FROM submissions AS s
    LEFT JOIN applicants AS p ON p.submission_id = s.submission_id
    LEFT JOIN kyc AS k ON k.submission_id = s.submission_id
    LEFT JOIN tries AS t ON t.submission_id = s.submission_id
    WHERE s._deleted_at IS NULL
    GROUP BY REPORTING_WEEK(s.created_at), p.nationality, p.id_type, p.age_group, p.gender
)
SELECT
    week,
    country,
    id_type,
    age_group,
    gender,
    submissions,
    attempted,
    decided,
    approved,
    rejected,
    approved_on_first_attempt,
    CAST(approved AS DOUBLE) / NULLIF(decided, 0) AS approval_rate
FROM counts
