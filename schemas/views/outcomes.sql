-- How far each submission came and how it ended, one row each. Tells people who left from people who
-- may still come back.
--
-- submission_id     Submission
-- created_at        When the submission was created
-- created_week      Monday of the week of created_at
-- last_activity_at  When the source last updated the submission; created_at if it does not say
-- attempts          Number of attempts
-- retries           Number of retries for failures within attempts
-- last_step         Last step that was called in any attempt: 1 (ID) or 2 (face); 0 if none is known
-- outcome           approved; rejected; timed out (rejected with the code timeout); pending; in
--                   progress (incomplete); dropped off (incomplete and without activity for 30 days,
--                   like open_days); or unknown (another result, or none)
WITH tries AS (
    SELECT
        submission_id,
        COUNT(*) AS attempts,
        MAX(
            CASE
                WHEN COALESCE(step2_time1st, step2_time2nd, step2_time3rd) IS NOT NULL THEN 2
                WHEN COALESCE(step1_time1st, step1_time2nd, step1_time3rd) IS NOT NULL THEN 1
                ELSE 0
            END
        ) AS last_step
    FROM attempts
    GROUP BY submission_id
),
retried AS (
    SELECT submission_id, COUNT(*) AS retries
    FROM attempt_retries
    GROUP BY submission_id
),
timeouts AS (
    SELECT DISTINCT submission_id
    FROM kyc_comments
    WHERE LOWER(comment_code) = 'timeout'
),
cases AS (
    SELECT
        s.submission_id,
        s.created_at,
        COALESCE(s.updated_at, s.created_at) AS last_activity_at,
        EPOCH(CURRENT_TIMESTAMP) - EPOCH(COALESCE(s.updated_at, s.created_at)) AS idle_seconds,
        LOWER(k.result) AS result
    FROM submissions AS s
    LEFT JOIN kyc AS k ON k.submission_id = s.submission_id
    WHERE s._deleted_at IS NULL
)
SELECT
    c.submission_id,
    c.created_at,
    REPORTING_WEEK(c.created_at) AS created_week,
    c.last_activity_at,
    COALESCE(t.attempts, 0) AS attempts,
    COALESCE(r.retries, 0) AS retries,
    COALESCE(t.last_step, 0) AS last_step,
    CASE
        WHEN c.result = 'rejected' AND o.submission_id IS NOT NULL THEN 'timed out'
        WHEN c.result IN ('approved', 'rejected', 'pending') THEN c.result
        WHEN c.result IS NULL OR c.result <> 'incomplete' THEN 'unknown'
        WHEN c.idle_seconds >= 30 * 86400 THEN 'dropped off'
        ELSE 'in progress'
    END AS outcome
FROM cases AS c
LEFT JOIN tries AS t ON t.submission_id = c.submission_id
LEFT JOIN retried AS r ON r.submission_id = c.submission_id
LEFT JOIN timeouts AS o ON o.submission_id = c.submission_id
