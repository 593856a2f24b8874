-- KYC funnel by day of creation. Each submission counts under exactly one result.
--
-- day            Day the submissions were created
-- submissions    Number of submissions
-- attempted      Submissions with at least one attempt
-- retried        Submissions with more than one attempt
-- decided        Submissions that are approved or rejected
-- approved       Submissions with the result approved
-- rejected       Submissions with the result rejected
-- pending        Submissions with the result pending
-- incomplete     Submissions with the result incomplete, also of people who have left (outcomes)
-- other_result   Submissions with any other result
-- no_result      Submissions without a result
-- approval_rate  Share of decided submissions that are approved, from 0 to 1; empty if none is
--                decided
WITH tries AS (
    SELECT submission_id, COUNT(*) AS attempts
    FROM attempts
    GROUP BY submission_id
),
cases AS (
    SELECT REPORTING_DAY(s.created_at) AS day, LOWER(k.result) AS result, t.attempts
    FROM submissions AS s
    LEFT JOIN kyc AS k ON k.submission_id = s.submission_id
    LEFT JOIN tries AS t ON t.submission_id = s.submission_id
    WHERE s._deleted_at IS NULL
),
counts AS (
    SELECT
        day,
        COUNT(*) AS submissions,
        COUNT(CASE WHEN attempts >= 1 THEN 1 END) AS attempted,
        COUNT(CASE WHEN attempts >= 2 THEN 1 END) AS retried,
        COUNT(CASE WHEN result IN ('approved', 'rejected') THEN 1 END) AS decided,
        COUNT(CASE WHEN result = 'approved' THEN 1 END) AS approved,
        COUNT(CASE WHEN result = 'rejected' THEN 1 END) AS rejected,
        COUNT(CASE WHEN result = 'pending' THEN 1 END) AS pending,
        COUNT(CASE WHEN result = 'incomplete' THEN 1 END) AS incomplete,
        COUNT(
            CASE WHEN result NOT IN ('approved', 'rejected', 'pending', 'incomplete') THEN 1 END
        ) AS other_result,
        COUNT(CASE WHEN result IS NULL THEN 1 END) AS no_result
    FROM cases
    GROUP BY day
)
SELECT
    day,
    submissions,
    attempted,
    retried,
    decided,
    approved,
    rejected,
    pending,
    incomplete,
    other_result,
    no_result,
    CAST(approved AS DOUBLE) / NULLIF(decided, 0) AS approval_rate
FROM counts
