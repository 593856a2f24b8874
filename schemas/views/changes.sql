-- Change feed: which columns of which submission changed when, one row each. It names columns and
-- never has values. The first load of a submission is no change.
--
-- submission_id  Submission that changed
-- created_at     When the submission was created
-- changed_at     When a run fetched the change
-- changed_day    Day of changed_at
-- table_name     Table with the column
-- column_name    Column that has another value, a new one or none any more in any of the submission's
--                rows
SELECT
    c.submission_id,
    s.created_at,
    c.changed_at,
    REPORTING_DAY(c.changed_at) AS changed_day,
    c.table_name,
    c.column_name
FROM submission_changes AS c
JOIN submissions AS s ON s.submission_id = c.submission_id
WHERE s._deleted_at IS NULL
