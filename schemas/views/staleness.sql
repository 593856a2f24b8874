-- How long ago were the submissions last fetched? Without those that are gone from the source;
-- no rows when there are none.
--
-- age_days          Whole days since a submission was last fetched
-- submissions       How many were last fetched that long ago
-- oldest_synced_at  When the first of them was last fetched
-- max_age_days      Days since the very oldest was last fetched; the same in every row
WITH ages AS (
    SELECT
        _synced_at,
        -- In seconds since 1970 a day has 86,400 of them, whatever the session's time zone.
        -- Clocks of two machines differ: what was fetched "in the future" was fetched just now.
        GREATEST(EPOCH(CURRENT_TIMESTAMP) - EPOCH(_synced_at), 0) / 86400 AS days
    FROM submissions
    WHERE _deleted_at IS NULL
)
SELECT
    CAST(FLOOR(days) AS BIGINT) AS age_days,
    COUNT(*) AS submissions,
    MIN(_synced_at) AS oldest_synced_at,
    MAX(MAX(days)) OVER () AS max_age_days
FROM ages
GROUP BY CAST(FLOOR(days) AS BIGINT)
