-- How far do submissions get, by the day they came? Every one is counted under exactly one result.
--
-- day            Day (UTC) the submissions were created
-- submissions    How many
-- attempted      Of these, how many have at least one attempt
-- retried        Of these, how many have more than one attempt
-- decided        Approved or rejected
-- approved       With the result approved
-- rejected       With the result rejected
-- pending        With the result pending
-- incomplete     With the result incomplete
-- other_result   With a result that is none of these
-- no_result      Without a result
-- approval_rate  Share of the decided that are approved, from 0 to 1; empty when none is decided
WITH tries AS (
    SELECT submission_id, COUNT(*) AS attempts
    FROM attempts
    GROUP BY submission_id
),
cases AS (
    SELECT UTC_DAY(s.created_at) AS day, LOWER(k.result) AS result, t.attempts
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
