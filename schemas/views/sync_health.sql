-- How did the runs go? One row a run of a command that loads.
--
-- run_id                 Identifier of the run
-- command                The command: sync, backfill, refresh and others
-- started_at             When the run began
-- ended_at               When it ended; empty while it runs or when it did not get to its end
-- duration_seconds       Seconds from one to the other
-- outcome                ok; differs: reconcile --dry-run found a difference; failed; or unfinished:
--                        it still runs, was interrupted or was killed
-- exit_status            Exit code of the run
-- error                  Kind of the error it ended with
-- windows                Windows finished
-- pages                  Pages received
-- requests               Requests sent including repeated ones
-- retries                Requests repeated after a failure
-- submissions_fetched    Submissions received
-- submissions_new        Submissions not in the warehouse before
-- submissions_changed    Submissions that differ from what the warehouse had
-- submissions_unchanged  Submissions that came back as they were
-- submissions_deleted    Submissions found gone from the source
-- issues                 Values that did not fit and objects in quarantine
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
