-- Success rate of bank account verification, by type and week of the submission. Each verification
-- counts under exactly one result.
--
-- week               Monday of the week the submissions were created
-- verification_type  occupancy (1 KRW verification) or nameCheck
-- verifications      Number of submissions with a bank verification
-- succeeded          Verifications with the result success
-- failed             Verifications with the result fail
-- other_result       Verifications with another result or none
-- retries            Total number of failures during code transmission
-- success_rate       Share of verifications that succeeded, from 0 to 1
WITH verified AS (
    SELECT
        REPORTING_WEEK(s.created_at) AS week,
        b.type AS verification_type,
        COALESCE(LOWER(b.result), '') AS result,
        b.retry_count
    FROM bank_verification AS b
    JOIN submissions AS s ON s.submission_id = b.submission_id
    WHERE s._deleted_at IS NULL
),
counts AS (
    SELECT
        week,
        verification_type,
        COUNT(*) AS verifications,
        COUNT(CASE WHEN result = 'success' THEN 1 END) AS succeeded,
        COUNT(CASE WHEN result = 'fail' THEN 1 END) AS failed,
        COUNT(CASE WHEN result NOT IN ('success', 'fail') THEN 1 END) AS other_result,
        CAST(COALESCE(SUM(retry_count), 0) AS BIGINT) AS retries
    FROM verified
    GROUP BY week, verification_type
)
SELECT
    week,
    verification_type,
    verifications,
    succeeded,
    failed,
    other_result,
    retries,
    CAST(succeeded AS DOUBLE) / NULLIF(verifications, 0) AS success_rate
FROM counts
