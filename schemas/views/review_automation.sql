-- How many submissions the machine decides and how many go to people, by week of the result.
--
-- week                 Monday of the week the result became final; empty if the API does not say
--                      when
-- decisions            Number of submissions that were approved or rejected
-- by_machine           Decisions whose reviewer is system
-- by_person            Decisions with another reviewer
-- by_unknown           Decisions without a reviewer
-- sent_to_review       Decisions on submissions that were pending before
-- approved_by_machine  Approvals whose reviewer is system
-- approved_by_person   Approvals with another reviewer
-- automation_rate      Share of decisions with a reviewer that the machine made, from 0 to 1; empty
--                      if none has a reviewer
-- review_rate          Share of decisions on submissions that were pending before, from 0 to 1
WITH decided AS (
    SELECT
        REPORTING_WEEK(s.kyc_result_at) AS week,
        CASE
            WHEN LOWER(s.reviewer) = 'system' THEN 'machine'
            WHEN s.reviewer IS NOT NULL THEN 'person'
        END AS decided_by,
        LOWER(k.result) AS result,
        s.pending_at
    FROM submissions AS s
    JOIN kyc AS k ON k.submission_id = s.submission_id
    WHERE s._deleted_at IS NULL AND LOWER(k.result) IN ('approved', 'rejected')
),
counts AS (
    SELECT
        week,
        COUNT(*) AS decisions,
        COUNT(CASE WHEN decided_by = 'machine' THEN 1 END) AS by_machine,
        COUNT(CASE WHEN decided_by = 'person' THEN 1 END) AS by_person,
        COUNT(CASE WHEN decided_by IS NULL THEN 1 END) AS by_unknown,
        COUNT(pending_at) AS sent_to_review,
        COUNT(CASE WHEN decided_by = 'machine' AND result = 'approved' THEN 1 END)
            AS approved_by_machine,
        COUNT(CASE WHEN decided_by = 'person' AND result = 'approved' THEN 1 END)
            AS approved_by_person
    FROM decided
    GROUP BY week
)
SELECT
    week,
    decisions,
    by_machine,
    by_person,
    by_unknown,
    sent_to_review,
    approved_by_machine,
    approved_by_person,
    CAST(by_machine AS DOUBLE) / NULLIF(by_machine + by_person, 0) AS automation_rate,
    CAST(sent_to_review AS DOUBLE) / NULLIF(decisions, 0) AS review_rate
FROM counts
