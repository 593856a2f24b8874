-- Reasons for rejections, by week of creation. A submission with several reasons counts once for
-- each.
--
-- week          Monday of the week the submissions were created
-- comment_code  Code of the reason; empty for rejections without a reason
-- meaning       Meaning of the code (code_meanings); empty if it is unknown
-- rejected      Rejected submissions with this reason
-- share         Share of all rejected submissions of the week, from 0 to 1
WITH rejections AS (
    SELECT s.submission_id, REPORTING_WEEK(s.created_at) AS week
    FROM submissions AS s
    JOIN kyc AS k ON k.submission_id = s.submission_id
    WHERE s._deleted_at IS NULL AND LOWER(k.result) = 'rejected'
),
totals AS (
    SELECT week, COUNT(*) AS submissions
    FROM rejections
    GROUP BY week
),
reasons AS (
    SELECT DISTINCT submission_id, comment_code
    FROM kyc_comments
    WHERE comment_code IS NOT NULL
),
counts AS (
    SELECT j.week, r.comment_code, COUNT(*) AS rejected
    FROM rejections AS j
    LEFT JOIN reasons AS r ON r.submission_id = j.submission_id
    GROUP BY j.week, r.comment_code
)
SELECT
    c.week,
    c.comment_code,
    m.meaning,
    c.rejected,
    CAST(c.rejected AS DOUBLE) / NULLIF(t.submissions, 0) AS share
FROM counts AS c
JOIN totals AS t ON t.week = c.week
LEFT JOIN code_meanings AS m ON m.kind = 'reject' AND LOWER(m.code) = LOWER(c.comment_code)
