-- Which submissions are of the same applicant or user? A row for each submission of a group of at
-- least two; a submission may be in a group of either kind.
--
-- same                 applicant (the same applicant_id), or user (the same userid)
-- first_submission_id  The group's earliest submission, which stands for the group
-- submission_id        A submission of the group
-- place                Its place in the group by time from 1
-- submissions          How many the group has
-- created_at           When it was created
-- kyc_result           Its KYC result
WITH known AS (
    SELECT 'applicant' AS same, applicant_id AS whose, submission_id, created_at
    FROM submissions
    WHERE _deleted_at IS NULL AND applicant_id IS NOT NULL
    UNION ALL
    SELECT 'user' AS same, userid AS whose, submission_id, created_at
    FROM submissions
    WHERE _deleted_at IS NULL AND userid IS NOT NULL
),
ranked AS (
    SELECT
        same,
        submission_id,
        created_at,
        FIRST_VALUE(submission_id) OVER (
            PARTITION BY same, whose ORDER BY created_at NULLS FIRST, submission_id NULLS FIRST
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) AS first_submission_id,
        ROW_NUMBER() OVER (
            PARTITION BY same, whose ORDER BY created_at NULLS FIRST, submission_id NULLS FIRST
        ) AS place,
        COUNT(*) OVER (PARTITION BY same, whose) AS submissions
    FROM known
)
SELECT
    r.same,
    r.first_submission_id,
    r.submission_id,
    r.place,
    r.submissions,
    r.created_at,
    k.result AS kyc_result
FROM ranked AS r
LEFT JOIN kyc AS k ON k.submission_id = r.submission_id
WHERE r.submissions > 1
