-- Submissions with a sign of fraud, one row each; a sign is a reason to look, no proof. A signal is
-- empty where the values it needs are missing, and in published copies where it compares values of
-- class direct. A score is low if it is below half of its scale: below 0.5, or from 1 to 50.
--
-- submission_id       Submission with at least one signal
-- created_at          When the submission was created
-- kyc_result          KYC result of the submission, in lower case
-- signals             Number of signals that are true
-- spoofed_id          Whether the lowest of the three ID card liveness scores is low
-- spoofed_face        Whether all liveness scores of its attempts are low
-- injected            Whether the API reports an injection, such as a virtual camera
-- duplicate_face      Whether it has the rejection code duplicated_face
-- duplicate_person    Whether it has the rejection code duplicate_user or duplicated_user_PII_exact
-- several_users       Whether there are submissions of the same personal details
--                     (duplicated_information) under at least two values of userid
-- shared_ip           Whether people with at least three different personal details use its IP
--                     address
-- shared_document     Whether people with at least two different personal details use its document
--                     number, of the same issuing country
-- too_many_retries    Whether it has the rejection code too_many_retry, or at least five retries
-- lowest_id_liveness  Lowest of the three ID card liveness scores
-- highest_liveness    Highest liveness score of its attempts
-- users_of_person     Different values of userid with the same personal details
-- people_on_ip        Different personal details on the same IP address
-- people_on_document  Different personal details with the same document number
-- retries             Number of retries for failures within attempts
WITH scores AS (
    SELECT submission_id, id_liveness_screen_play AS score
    FROM submissions
    UNION ALL
    SELECT submission_id, id_liveness_paper_printed AS score
    FROM submissions
    UNION ALL
    SELECT submission_id, id_liveness_replace_portraits AS score
    FROM submissions
),
id_scores AS (
    SELECT submission_id, MIN(score) AS lowest
    FROM scores
    WHERE score IS NOT NULL
    GROUP BY submission_id
),
face_scores AS (
    SELECT submission_id, MAX(liveness_score) AS highest
    FROM attempts
    WHERE liveness_score IS NOT NULL
    GROUP BY submission_id
),
retried AS (
    SELECT submission_id, COUNT(*) AS retries
    FROM attempt_retries
    GROUP BY submission_id
),
codes AS (
    SELECT
        submission_id,
        COUNT(CASE WHEN LOWER(comment_code) = 'duplicated_face' THEN 1 END) AS face,
        COUNT(
            CASE
                WHEN LOWER(comment_code) IN ('duplicate_user', 'duplicated_user_pii_exact') THEN 1
            END
        ) AS person,
        COUNT(CASE WHEN LOWER(comment_code) = 'too_many_retry' THEN 1 END) AS retry
    FROM kyc_comments
    GROUP BY submission_id
),
people AS (
    SELECT
        s.submission_id,
        s.userid,
        s.duplicated_information AS details,
        p.ip_address,
        p.document_number,
        COALESCE(p.idcard_issuing_country, '') AS issuing_country
    FROM submissions AS s
    LEFT JOIN applicants AS p ON p.submission_id = s.submission_id
    WHERE s._deleted_at IS NULL
),
users AS (
    SELECT details, COUNT(DISTINCT userid) AS number
    FROM people
    WHERE details IS NOT NULL AND userid IS NOT NULL
    GROUP BY details
),
addresses AS (
    SELECT ip_address, COUNT(DISTINCT details) AS number
    FROM people
    WHERE ip_address IS NOT NULL AND details IS NOT NULL
    GROUP BY ip_address
),
documents AS (
    SELECT document_number, issuing_country, COUNT(DISTINCT details) AS number
    FROM people
    WHERE document_number IS NOT NULL AND details IS NOT NULL
    GROUP BY document_number, issuing_country
),
measures AS (
    SELECT
        s.submission_id,
        s.created_at,
        LOWER(k.result) AS kyc_result,
        i.lowest AS lowest_id_liveness,
        f.highest AS highest_liveness,
        u.number AS users_of_person,
        a.number AS people_on_ip,
        d.number AS people_on_document,
        COALESCE(r.retries, 0) AS retries,
        s.injection_type,
        COALESCE(c.face, 0) AS face_codes,
        COALESCE(c.person, 0) AS person_codes,
        COALESCE(c.retry, 0) AS retry_codes
    FROM submissions AS s
    JOIN people AS p ON p.submission_id = s.submission_id
    LEFT JOIN kyc AS k ON k.submission_id = s.submission_id
    LEFT JOIN id_scores AS i ON i.submission_id = s.submission_id
    LEFT JOIN face_scores AS f ON f.submission_id = s.submission_id
    LEFT JOIN retried AS r ON r.submission_id = s.submission_id
    LEFT JOIN codes AS c ON c.submission_id = s.submission_id
    LEFT JOIN users AS u ON u.details = p.details
    LEFT JOIN addresses AS a ON a.ip_address = p.ip_address
    LEFT JOIN documents AS d
        ON d.document_number = p.document_number AND d.issuing_country = p.issuing_country
),
signs AS (
    SELECT
        submission_id,
        created_at,
        kyc_result,
        CASE
            WHEN lowest_id_liveness < 0.5 THEN TRUE
            WHEN lowest_id_liveness >= 1 AND lowest_id_liveness < 50 THEN TRUE
            WHEN lowest_id_liveness IS NOT NULL THEN FALSE
        END AS spoofed_id,
        CASE
            WHEN highest_liveness < 0.5 THEN TRUE
            WHEN highest_liveness >= 1 AND highest_liveness < 50 THEN TRUE
            WHEN highest_liveness IS NOT NULL THEN FALSE
        END AS spoofed_face,
        CASE WHEN injection_type IS NOT NULL THEN TRUE ELSE FALSE END AS injected,
        CASE WHEN face_codes > 0 THEN TRUE ELSE FALSE END AS duplicate_face,
        CASE WHEN person_codes > 0 THEN TRUE ELSE FALSE END AS duplicate_person,
        CASE WHEN users_of_person >= 2 THEN TRUE WHEN users_of_person < 2 THEN FALSE END AS several_users,
        CASE WHEN people_on_ip >= 3 THEN TRUE WHEN people_on_ip < 3 THEN FALSE END AS shared_ip,
        CASE WHEN people_on_document >= 2 THEN TRUE WHEN people_on_document < 2 THEN FALSE END AS shared_document,
        CASE WHEN retry_codes > 0 OR retries >= 5 THEN TRUE ELSE FALSE END AS too_many_retries,
        lowest_id_liveness,
        highest_liveness,
        users_of_person,
        people_on_ip,
        people_on_document,
        retries
    FROM measures
),
counts AS (
    SELECT
        submission_id,
        created_at,
        kyc_result,
        CAST(
            CASE WHEN spoofed_id THEN 1 ELSE 0 END
            + CASE WHEN spoofed_face THEN 1 ELSE 0 END
            + CASE WHEN injected THEN 1 ELSE 0 END
            + CASE WHEN duplicate_face THEN 1 ELSE 0 END
            + CASE WHEN duplicate_person THEN 1 ELSE 0 END
            + CASE WHEN several_users THEN 1 ELSE 0 END
            + CASE WHEN shared_ip THEN 1 ELSE 0 END
            + CASE WHEN shared_document THEN 1 ELSE 0 END
            + CASE WHEN too_many_retries THEN 1 ELSE 0 END
            AS BIGINT
        ) AS signals,
        spoofed_id,
        spoofed_face,
        injected,
        duplicate_face,
        duplicate_person,
        several_users,
        shared_ip,
        shared_document,
        too_many_retries,
        lowest_id_liveness,
        highest_liveness,
        users_of_person,
        people_on_ip,
        people_on_document,
        retries
    FROM signs
)
SELECT
    submission_id,
    created_at,
    kyc_result,
    signals,
    spoofed_id,
    spoofed_face,
    injected,
    duplicate_face,
    duplicate_person,
    several_users,
    shared_ip,
    shared_document,
    too_many_retries,
    lowest_id_liveness,
    highest_liveness,
    users_of_person,
    people_on_ip,
    people_on_document,
    retries
FROM counts
WHERE signals > 0
