-- Number of submissions by days since their last fetch, without submissions deleted in the source.
-- A nightly sync fetches again what is younger than lookback_days, every night; open submissions
-- (pending, incomplete, red flag), every night for open_days after they last changed; and all others
-- within sweep_days.
--
-- age_days          Whole days since the submissions were last fetched
-- submissions       Number of submissions
-- oldest_synced_at  When the oldest of them was last fetched
-- max_age_days      Days since the oldest row of all was fetched; the same in every row
WITH ages AS (
    SELECT
        _synced_at,
        -- In seconds since 1970 every day has 86,400 seconds, in any session time zone. GREATEST
        -- treats times in the future, from another machine's clock, as now.
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
