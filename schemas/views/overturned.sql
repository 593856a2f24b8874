-- Decisions that were overturned: one row per time that a run saw another KYC result after approved
-- or rejected. Times are those at which runs saw the results, so they are as exact as runs are
-- frequent; what happened before the first sync is unknown.
--
-- submission_id    Submission whose result changed
-- created_at       When the submission was created
-- from_result      Earlier result: approved or rejected
-- to_result        Later result, in lower case; empty if the result was removed
-- from_reviewer    Reviewer when a run first saw the earlier result
-- to_reviewer      Reviewer when a run first saw the later result
-- seen_at          When a run first saw the earlier result
-- overturned_at    When a run first saw the later result
-- overturned_week  Monday of the week of overturned_at
-- hours_after      Hours from seen_at to overturned_at
WITH periods AS (
    SELECT
        submission_id,
        valid_from,
        reviewer,
        LOWER(kyc_result) AS result,
        MAX(COALESCE(LOWER(kyc_result), '')) OVER (
            PARTITION BY submission_id ORDER BY valid_from
            ROWS BETWEEN 1 PRECEDING AND 1 PRECEDING
        ) AS result_before
    FROM submission_status_history
),
results AS (
    -- One row per time that a result began; a period also begins with another reviewer or AML status.
    SELECT
        submission_id,
        result AS to_result,
        reviewer AS to_reviewer,
        valid_from AS overturned_at,
        MAX(result) OVER (
            PARTITION BY submission_id ORDER BY valid_from
            ROWS BETWEEN 1 PRECEDING AND 1 PRECEDING
        ) AS from_result,
        MAX(reviewer) OVER (
            PARTITION BY submission_id ORDER BY valid_from
            ROWS BETWEEN 1 PRECEDING AND 1 PRECEDING
        ) AS from_reviewer,
        MAX(valid_from) OVER (
            PARTITION BY submission_id ORDER BY valid_from
            ROWS BETWEEN 1 PRECEDING AND 1 PRECEDING
        ) AS seen_at
    FROM periods
    WHERE result_before IS NULL OR result_before <> COALESCE(result, '')
)
SELECT
    r.submission_id,
    s.created_at,
    r.from_result,
    r.to_result,
    r.from_reviewer,
    r.to_reviewer,
    r.seen_at,
    r.overturned_at,
    REPORTING_WEEK(r.overturned_at) AS overturned_week,
    (EPOCH(r.overturned_at) - EPOCH(r.seen_at)) / 3600 AS hours_after
FROM results AS r
JOIN submissions AS s ON s.submission_id = r.submission_id
WHERE s._deleted_at IS NULL AND r.from_result IN ('approved', 'rejected')
