-- Outcome of each run of a command that loads data, one row per run.
--
-- run_id                 Identifier of the run
-- command                Command of the run, such as sync, backfill or refresh
-- started_at             When the run started
-- ended_at               When the run ended; empty while it runs or if it was killed
-- duration_seconds       Seconds from started_at to ended_at
-- outcome                ok; differs: reconcile --dry-run found a difference; failed; or
--                        unfinished: the run is running, was interrupted or was killed
-- exit_status            Exit code of the run; empty while it runs or if it was killed
-- error                  Class of the error that ended the run
-- windows                Number of windows finished
-- pages                  Number of pages received
-- requests               Number of requests sent, including retries
-- retries                Number of requests retried after a failure
-- submissions_fetched    Number of submissions received
-- submissions_new        Number of submissions that were not in the warehouse before
-- submissions_changed    Number of submissions that differ from the warehouse
-- submissions_unchanged  Number of submissions without changes
-- submissions_deleted    Number of submissions found deleted in the source
-- issues                 Number of values that did not fit their column and of quarantined objects
SELECT
    run_id,
    command,
    started_at,
    ended_at,
    EPOCH(ended_at) - EPOCH(started_at) AS duration_seconds,
    CASE
        WHEN exit_status = 0 THEN 'ok'
        WHEN exit_status = 6 THEN 'differs'
        WHEN exit_status IS NOT NULL THEN 'failed'
        ELSE 'unfinished'
    END AS outcome,
    exit_status,
    error,
    windows,
    pages,
    requests,
    retries,
    submissions_fetched,
    submissions_new,
    submissions_changed,
    submissions_unchanged,
    submissions_deleted,
    issues
FROM sync_runs
