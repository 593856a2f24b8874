-- Submissions of the same applicant, the same user or the same personal details: one row per
-- submission of a group of at least two. A submission may be in a group of each kind. Values are
-- the same if they are written the same, also where they are hashed or encrypted. A column that the
-- privacy policy drops makes no group and is not compared.
--
-- same                 applicant (same applicant_id: details and face), user (same userid) or
--                      details (same duplicated_information: name, birth date, gender, nationality)
-- first_submission_id  Earliest submission of the group, which identifies the group
-- submission_id        Submission in the group
-- place                Position of the submission in the group by time, starting at 1
-- submissions          Number of submissions in the group
-- created_at           When the submission was created
-- kyc_result           KYC result of the submission
-- names_differ         Whether the group has different names in one field; empty if no two of its
--                      submissions have a name in the same field
-- emails_differ        Whether the group has different e-mail addresses; empty if no two of its
--                      submissions have one
-- documents_differ     Whether the group has different document or identification numbers; empty if
--                      no two of its submissions have the same kind of number
WITH members AS (
    SELECT 'applicant' AS same, applicant_id AS whose, submission_id, created_at
    FROM submissions
    WHERE _deleted_at IS NULL AND applicant_id IS NOT NULL
    UNION ALL
    SELECT 'user' AS same, userid AS whose, submission_id, created_at
    FROM submissions
    WHERE _deleted_at IS NULL AND userid IS NOT NULL
    UNION ALL
    SELECT 'details' AS same, duplicated_information AS whose, submission_id, created_at
    FROM submissions
    WHERE _deleted_at IS NULL AND duplicated_information IS NOT NULL
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
    FROM members
),
comparisons AS (
    -- Each field is compared with itself only: encrypted values of two columns always differ.
    SELECT
        r.same,
        r.first_submission_id,
        CASE
            WHEN MIN(p.name) <> MAX(p.name)
                OR MIN(p.full_name) <> MAX(p.full_name)
                OR MIN(p.first_name) <> MAX(p.first_name)
                OR MIN(p.last_name) <> MAX(p.last_name) THEN TRUE
            WHEN COUNT(p.name) > 1
                OR COUNT(p.full_name) > 1
                OR COUNT(p.first_name) > 1
                OR COUNT(p.last_name) > 1 THEN FALSE
        END AS names_differ,
        CASE
            WHEN MIN(p.email) <> MAX(p.email) THEN TRUE
            WHEN COUNT(p.email) > 1 THEN FALSE
        END AS emails_differ,
        CASE
            WHEN MIN(p.document_number) <> MAX(p.document_number)
                OR MIN(p.identity_number) <> MAX(p.identity_number) THEN TRUE
            WHEN COUNT(p.document_number) > 1 OR COUNT(p.identity_number) > 1 THEN FALSE
        END AS documents_differ
    FROM ranked AS r
    JOIN applicants AS p ON p.submission_id = r.submission_id
    WHERE r.submissions > 1
    GROUP BY r.same, r.first_submission_id
)
SELECT
    r.same,
    r.first_submission_id,
    r.submission_id,
    r.place,
    r.submissions,
    r.created_at,
    k.result AS kyc_result,
    c.names_differ,
    c.emails_differ,
    c.documents_differ
FROM ranked AS r
LEFT JOIN kyc AS k ON k.submission_id = r.submission_id
LEFT JOIN comparisons AS c
    ON c.same = r.same AND c.first_submission_id = r.first_submission_id
WHERE r.submissions > 1
