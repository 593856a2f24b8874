-- Where people leave: submissions by week of creation and last step, with their outcome (outcomes).
--
-- week          Monday of the week the submissions were created
-- last_step     Last step that was called in any attempt: 1 (ID) or 2 (face); 0 if none is known
-- submissions   Number of submissions that came to this step and no further
-- approved      Submissions that are approved
-- rejected      Submissions that are rejected, without those that timed out
-- pending       Submissions that are pending
-- in_progress   Submissions that are incomplete, with activity in the last 30 days
-- timed_out     Submissions that are rejected with the code timeout
-- dropped_off   Submissions that are incomplete, without activity for 30 days
-- unknown       Submissions with another result or none
-- dropoff_rate  Share of these submissions that timed out or dropped off, from 0 to 1
WITH counts AS (
    SELECT
        created_week AS week,
        last_step,
        COUNT(*) AS submissions,
        COUNT(CASE WHEN outcome = 'approved' THEN 1 END) AS approved,
        COUNT(CASE WHEN outcome = 'rejected' THEN 1 END) AS rejected,
        COUNT(CASE WHEN outcome = 'pending' THEN 1 END) AS pending,
        COUNT(CASE WHEN outcome = 'in progress' THEN 1 END) AS in_progress,
        COUNT(CASE WHEN outcome = 'timed out' THEN 1 END) AS timed_out,
        COUNT(CASE WHEN outcome = 'dropped off' THEN 1 END) AS dropped_off,
        COUNT(CASE WHEN outcome = 'unknown' THEN 1 END) AS unknown
    FROM outcomes
    GROUP BY created_week, last_step
)
SELECT
    week,
    last_step,
    submissions,
    approved,
    rejected,
    pending,
    in_progress,
    timed_out,
    dropped_off,
    unknown,
    CAST(timed_out + dropped_off AS DOUBLE) / submissions AS dropoff_rate
FROM counts
