-- Failed attempts and retries within attempts, by code, with average scores. An attempt failed if
-- it has an error code or a result other than success.
--
-- failed                     attempt, or retry for a failure within an attempt
-- code                       Code of the failure; empty if there is none
-- meaning                    Meaning of the code (code_meanings); empty if it is unknown
-- failures                   Number of failures
-- submissions                Number of submissions with this failure
-- face_similarity_score_avg  Average face similarity score of the attempts with this failure
-- liveness_score_avg         Average liveness score of the attempts with this failure
WITH retried AS (
    SELECT submission_id, attempt_index, retry_code, COUNT(*) AS retries
    FROM attempt_retries
    GROUP BY submission_id, attempt_index, retry_code
),
failures AS (
    SELECT
        'attempt' AS failed,
        a.error_code AS code,
        1 AS failures,
        a.submission_id,
        a.face_similarity_score,
        a.liveness_score
    FROM attempts AS a
    WHERE a.error_code IS NOT NULL OR LOWER(a.verification_result) <> 'success'
    UNION ALL
    SELECT
        'retry' AS failed,
        r.retry_code AS code,
        r.retries AS failures,
        r.submission_id,
        a.face_similarity_score,
        a.liveness_score
    FROM retried AS r
    JOIN attempts AS a
        ON a.submission_id = r.submission_id AND a.attempt_index = r.attempt_index
)
SELECT
    f.failed,
    f.code,
    m.meaning,
    CAST(SUM(f.failures) AS BIGINT) AS failures,
    COUNT(DISTINCT f.submission_id) AS submissions,
    AVG(f.face_similarity_score) AS face_similarity_score_avg,
    AVG(f.liveness_score) AS liveness_score_avg
FROM failures AS f
JOIN submissions AS s ON s.submission_id = f.submission_id
LEFT JOIN code_meanings AS m ON m.kind = 'retry' AND LOWER(m.code) = LOWER(f.code)
WHERE s._deleted_at IS NULL
GROUP BY f.failed, f.code, m.meaning
