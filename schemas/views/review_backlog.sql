-- Submissions that wait for a final KYC result, by age and current result. Includes all submissions
-- that are neither approved nor rejected, also those without a result.
--
-- age_from_days      Lower end of the age band, in whole days since creation
-- age                Age band as text
-- kyc_result         Current result in lower case; empty if there is none
-- submissions        Number of submissions
-- oldest_created_at  When the oldest of them was created
-- dropped_off        Those of them that are incomplete, without an update in the source for 30 days:
--                    people who left, who wait for nothing
WITH waiting AS (
    SELECT
        s.created_at,
        LOWER(k.result) AS kyc_result,
        GREATEST(EPOCH(CURRENT_TIMESTAMP) - EPOCH(s.created_at), 0) / 86400 AS days,
        EPOCH(CURRENT_TIMESTAMP) - EPOCH(COALESCE(s.updated_at, s.created_at)) AS idle_seconds
    FROM submissions AS s
    LEFT JOIN kyc AS k ON k.submission_id = s.submission_id
    WHERE s._deleted_at IS NULL
        AND (k.result IS NULL OR LOWER(k.result) NOT IN ('approved', 'rejected'))
),
aged AS (
    SELECT
        created_at,
        kyc_result,
        CASE WHEN kyc_result = 'incomplete' AND idle_seconds >= 30 * 86400 THEN 1 END AS is_idle,
        CASE
            WHEN days >= 90 THEN 90
            WHEN days >= 30 THEN 30
            WHEN days >= 7 THEN 7
            WHEN days >= 3 THEN 3
            WHEN days >= 1 THEN 1
            ELSE 0
        END AS days
    FROM waiting
)
SELECT
    CAST(days AS BIGINT) AS age_from_days,
    CASE days
        WHEN 90 THEN '90 days or more'
        WHEN 30 THEN '30 to 89 days'
        WHEN 7 THEN '7 to 29 days'
        WHEN 3 THEN '3 to 6 days'
        WHEN 1 THEN '1 to 2 days'
        ELSE 'less than a day'
    END AS age,
    kyc_result,
    COUNT(*) AS submissions,
    MIN(created_at) AS oldest_created_at,
    COUNT(is_idle) AS dropped_off
FROM aged
GROUP BY days, kyc_result
