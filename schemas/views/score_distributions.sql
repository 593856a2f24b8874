-- Distribution of each score by KYC result, as deciles (nearest rank). Every attempt and every AML
-- match counts. Scales differ: compare a score with itself only.
--
-- score_name  face_similarity and liveness (of attempts), aml_match (of AML matches), id_screen_play,
--             id_paper_printed and id_replace_portraits (ID card liveness)
-- kyc_result  KYC result of the submission, in lower case; empty if there is none
-- scores      Number of scores
-- lowest      Lowest score
-- p10         10th percentile
-- p20         20th percentile
-- p30         30th percentile
-- p40         40th percentile
-- p50         Median
-- p60         60th percentile
-- p70         70th percentile
-- p80         80th percentile
-- p90         90th percentile
-- highest     Highest score
-- average     Average score
WITH scores AS (
    SELECT 'face_similarity' AS score_name, submission_id, face_similarity_score AS score
    FROM attempts
    WHERE face_similarity_score IS NOT NULL
    UNION ALL
    SELECT 'liveness' AS score_name, submission_id, liveness_score AS score
    FROM attempts
    WHERE liveness_score IS NOT NULL
    UNION ALL
    SELECT 'aml_match' AS score_name, submission_id, score AS score
    FROM matches
    WHERE score IS NOT NULL
    UNION ALL
    SELECT 'id_screen_play' AS score_name, submission_id, id_liveness_screen_play AS score
    FROM submissions
    WHERE id_liveness_screen_play IS NOT NULL
    UNION ALL
    SELECT 'id_paper_printed' AS score_name, submission_id, id_liveness_paper_printed AS score
    FROM submissions
    WHERE id_liveness_paper_printed IS NOT NULL
    UNION ALL
    SELECT 'id_replace_portraits' AS score_name, submission_id, id_liveness_replace_portraits AS score
    FROM submissions
    WHERE id_liveness_replace_portraits IS NOT NULL
),
ranked AS (
    SELECT
        c.score_name,
        LOWER(k.result) AS kyc_result,
        c.score,
        COUNT(*) OVER (PARTITION BY c.score_name, LOWER(k.result)) AS total,
        ROW_NUMBER() OVER (
            PARTITION BY c.score_name, LOWER(k.result) ORDER BY c.score
        ) AS place
    FROM scores AS c
    JOIN submissions AS s ON s.submission_id = c.submission_id
    LEFT JOIN kyc AS k ON k.submission_id = c.submission_id
    WHERE s._deleted_at IS NULL
)
SELECT
    score_name,
    kyc_result,
    COUNT(*) AS scores,
    MIN(score) AS lowest,
    MIN(CASE WHEN place * 100 >= total * 10 THEN score END) AS p10,
    MIN(CASE WHEN place * 100 >= total * 20 THEN score END) AS p20,
    MIN(CASE WHEN place * 100 >= total * 30 THEN score END) AS p30,
    MIN(CASE WHEN place * 100 >= total * 40 THEN score END) AS p40,
    MIN(CASE WHEN place * 100 >= total * 50 THEN score END) AS p50,
    MIN(CASE WHEN place * 100 >= total * 60 THEN score END) AS p60,
    MIN(CASE WHEN place * 100 >= total * 70 THEN score END) AS p70,
    MIN(CASE WHEN place * 100 >= total * 80 THEN score END) AS p80,
    MIN(CASE WHEN place * 100 >= total * 90 THEN score END) AS p90,
    MAX(score) AS highest,
    AVG(score) AS average
FROM ranked
GROUP BY score_name, kyc_result
