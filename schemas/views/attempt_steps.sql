-- Calls to the steps of attempts, one row each, and the time between them.
--
-- submission_id           Submission of the attempt
-- attempt_index           Position of the attempt in the API's list, starting at 0
-- step                    1 (ID) or 2 (face)
-- try_number              First, second or third call to the step in the attempt: 1, 2 or 3
-- called_at               When the step was called
-- seconds_since_previous  Seconds since the submission's call before this one; empty for the first
WITH calls AS (
    SELECT submission_id, attempt_index, 1 AS step, 1 AS try_number, step1_time1st AS called_at
    FROM attempts
    UNION ALL
    SELECT submission_id, attempt_index, 1 AS step, 2 AS try_number, step1_time2nd AS called_at
    FROM attempts
    UNION ALL
    SELECT submission_id, attempt_index, 1 AS step, 3 AS try_number, step1_time3rd AS called_at
    FROM attempts
    UNION ALL
    SELECT submission_id, attempt_index, 2 AS step, 1 AS try_number, step2_time1st AS called_at
    FROM attempts
    UNION ALL
    SELECT submission_id, attempt_index, 2 AS step, 2 AS try_number, step2_time2nd AS called_at
    FROM attempts
    UNION ALL
    SELECT submission_id, attempt_index, 2 AS step, 3 AS try_number, step2_time3rd AS called_at
    FROM attempts
),
ordered AS (
    SELECT
        c.submission_id,
        c.attempt_index,
        c.step,
        c.try_number,
        c.called_at,
        MAX(c.called_at) OVER (
            PARTITION BY c.submission_id
            ORDER BY c.attempt_index, c.called_at, c.step, c.try_number
            ROWS BETWEEN 1 PRECEDING AND 1 PRECEDING
        ) AS previous_at
    FROM calls AS c
    JOIN submissions AS s ON s.submission_id = c.submission_id
    WHERE c.called_at IS NOT NULL AND s._deleted_at IS NULL
)
SELECT
    submission_id,
    attempt_index,
    step,
    try_number,
    called_at,
    EPOCH(called_at) - EPOCH(previous_at) AS seconds_since_previous
FROM ordered
