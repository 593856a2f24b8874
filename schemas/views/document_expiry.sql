-- Submissions whose identity document has expired or expires within 90 days, one row per
-- submission.
--
-- submission_id           Submission with the document
-- created_at              When the submission was created
-- kyc_result              KYC result of the submission
-- id_type                 Type of the document
-- idcard_issuing_country  Country that issued the document, as an ISO alpha-3 code
-- idcard_expire_date      Last day the document is valid
-- days_left               Days until idcard_expire_date; negative once the document has expired
-- state                   expired, 30 days (expires within 30 days) or 90 days
WITH documents AS (
    SELECT
        s.submission_id,
        s.created_at,
        k.result AS kyc_result,
        p.id_type,
        p.idcard_issuing_country,
        p.idcard_expire_date,
        DATE_DIFF('day', REPORTING_DAY(CURRENT_TIMESTAMP), p.idcard_expire_date) AS days_left
    FROM submissions AS s
    JOIN applicants AS p ON p.submission_id = s.submission_id
    LEFT JOIN kyc AS k ON k.submission_id = s.submission_id
    WHERE s._deleted_at IS NULL
)
SELECT
    submission_id,
    created_at,
    kyc_result,
    id_type,
    idcard_issuing_country,
    idcard_expire_date,
    days_left,
    CASE
        WHEN days_left < 0 THEN 'expired'
        WHEN days_left <= 30 THEN '30 days'
        ELSE '90 days'
    END AS state
FROM documents
WHERE days_left <= 90
