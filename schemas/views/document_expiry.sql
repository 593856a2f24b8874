-- Whose identity document has expired or will within 90 days (UTC)? A row a submission.
--
-- submission_id           The submission
-- created_at              When it was created
-- kyc_result              Its KYC result
-- id_type                 Type of the document
-- idcard_issuing_country  ISO alpha-3 code of the country that issued it
-- idcard_expire_date      Last day it is valid
-- days_left               Days until then; negative once it has expired
-- state                   expired, 30 days (it expires within them) or 90 days
WITH documents AS (
    SELECT
        s.submission_id,
        s.created_at,
        k.result AS kyc_result,
        p.id_type,
        p.idcard_issuing_country,
        p.idcard_expire_date,
        DATE_DIFF('day', UTC_DAY(CURRENT_TIMESTAMP), p.idcard_expire_date) AS days_left
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
