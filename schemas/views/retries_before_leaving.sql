-- How often people tried before each outcome (outcomes): people who timed out or dropped off have
-- left.
--
-- outcome      approved, rejected, timed out, pending, in progress, dropped off or unknown
-- attempts     Number of attempts
-- retries      Number of retries for failures within attempts
-- submissions  Number of submissions with this outcome, and so many attempts and retries
-- share        Share of all submissions with this outcome, from 0 to 1
WITH counts AS (
    SELECT outcome, attempts, retries, COUNT(*) AS submissions
    FROM outcomes
    GROUP BY outcome, attempts, retries
)
SELECT
    outcome,
    attempts,
    retries,
    submissions,
    CAST(submissions AS DOUBLE) / SUM(submissions) OVER (PARTITION BY outcome) AS share
FROM counts
