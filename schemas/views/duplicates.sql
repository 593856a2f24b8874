-- Submissions of the same applicant or the same user: one row per submission of a group of at least
-- two. A submission may be in a group of each kind.
--
-- same                 applicant (same applicant_id) or user (same userid)
-- first_submission_id  Earliest submission of the group, which identifies the group
-- submission_id        Submission in the group
-- place                Position of the submission in the group by time, starting at 1
-- submissions          Number of submissions in the group
-- created_at           When the submission was created
-- kyc_result           KYC result of the submission
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
