-- Approved customers, by risk and days since their last KYC result: filter by days_since_result to see
-- who is due for another screening, such as high risk after 365 days. Of the approved submissions of
-- one applicant_id only the last counts.
--
-- submission_id         Last approved submission of the customer
-- applicant_id          Identifier of a person across approved submissions; empty if there is none
-- created_at            When the submission was created
-- approved_at           When the KYC result was finalized; created_at if the API does not say
-- days_since_result     Whole days since approved_at
-- risk                  Risk level of the red flag, in lower case: high, medium or low, or empty if it
--                       has none; none without a red flag
-- country               Nationality of the applicant, as an ISO alpha-3 country code
-- id_type               Type of ID used
-- idcard_expire_date    ID expiration date
-- document_expired      Whether the ID has expired; empty if its expiration date is unknown
-- approved_submissions  Number of approved submissions of the customer
WITH approved AS (
    SELECT
        s.submission_id,
        s.applicant_id,
        s.created_at,
        COALESCE(s.kyc_result_at, s.created_at) AS approved_at
    FROM submissions AS s
    JOIN kyc AS k ON k.submission_id = s.submission_id
    WHERE s._deleted_at IS NULL AND LOWER(k.result) = 'approved'
),
ranked AS (
    SELECT
        submission_id,
        applicant_id,
        created_at,
        approved_at,
        ROW_NUMBER() OVER (
            PARTITION BY COALESCE(applicant_id, submission_id)
            ORDER BY approved_at DESC, submission_id DESC
        ) AS place,
        COUNT(*) OVER (PARTITION BY COALESCE(applicant_id, submission_id)) AS approved_submissions
    FROM approved
)
SELECT
    r.submission_id,
    r.applicant_id,
    r.created_at,
    r.approved_at,
    CAST(FLOOR(GREATEST(EPOCH(CURRENT_TIMESTAMP) - EPOCH(r.approved_at), 0) / 86400) AS BIGINT)
        AS days_since_result,
    CASE
        WHEN LOWER(a.current_status) = 'red flag' THEN LOWER(a.risk_level_summary)
        ELSE 'none'
    END AS risk,
    p.nationality AS country,
    p.id_type,
    p.idcard_expire_date,
    CASE
        WHEN p.idcard_expire_date < REPORTING_DAY(CURRENT_TIMESTAMP) THEN TRUE
        WHEN p.idcard_expire_date IS NOT NULL THEN FALSE
    END AS document_expired,
    r.approved_submissions
FROM ranked AS r
LEFT JOIN aml AS a ON a.submission_id = r.submission_id
LEFT JOIN applicants AS p ON p.submission_id = r.submission_id
WHERE r.place = 1
