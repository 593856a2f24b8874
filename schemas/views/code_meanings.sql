-- Meanings of the API's documented codes, one row per code. Undocumented codes occur too, above all
-- retry codes.
--
-- kind     reject (kyc_comments.comment_code), retry (attempt_retries.retry_code and
--          attempts.error_code) or risk_icon (match_risk_icons.risk_icon)
-- code     Code of the API
-- meaning  Meaning of the code, in a few words without commas
WITH codes AS (
    SELECT 'reject' AS kind, 'id_image_invalidImage' AS code, 'No ID found in the image' AS meaning
    UNION ALL SELECT 'reject', 'id_image_invalidId', 'ID not valid'
    UNION ALL SELECT 'reject', 'id_image_error', 'ID image not uploaded'
    UNION ALL SELECT 'reject', 'id_image_badImage', 'ID image not readable'
    UNION ALL SELECT 'reject', 'id_info_dataMismatch', 'Entered data differ from the ID'
    UNION ALL SELECT 'reject', 'id_info_blacklist', 'Country of the ID not accepted'
    UNION ALL SELECT 'reject', 'id_info_notOfAge', 'Too young by the ID'
    UNION ALL SELECT 'reject', 'duplicate_user', 'Same person as an earlier user'
    UNION ALL SELECT 'reject', 'duplicated_user_PII_exact', 'Same personal details as another user'
    UNION ALL SELECT 'reject', 'duplicated_face', 'Same face as another user'
    UNION ALL SELECT 'reject', 'too_many_retry', 'Too many failed attempts'
    UNION ALL SELECT 'reject', 'blacklistCountry', 'Country on the blacklist'
    UNION ALL SELECT 'reject', 'under_ageLimit', 'Under the age limit'
    UNION ALL SELECT 'reject', 'invalid_acceptedID', 'ID type not accepted'
    UNION ALL SELECT 'reject', 'no-date-of-birth', 'No date of birth on the ID'
    UNION ALL SELECT 'reject', 'expired_id', 'ID expired'
    UNION ALL SELECT 'reject', 'automatic_verification_fail', 'Automatic verification failed'
    UNION ALL SELECT 'reject', 'address_image_invalidImage', 'No proof of address in the image'
    UNION ALL SELECT 'reject', 'address_image_error', 'Proof of address not uploaded'
    UNION ALL SELECT 'reject', 'address_image_badImage', 'Proof of address not readable'
    UNION ALL SELECT 'reject', 'address_info_expiredDocument', 'Proof of address out of date'
    UNION ALL SELECT 'reject', 'address_info_dataMismatch', 'Entered address differs from the proof'
    UNION ALL SELECT 'reject', 'timeout', 'Not completed in time'
    UNION ALL SELECT 'reject', 'other', 'Other reason'
    UNION ALL SELECT 'retry', 'liveness_error', 'Liveness check failed'
    UNION ALL SELECT 'retry', 'face_compare_underscore', 'Face too unlike the ID'
    UNION ALL SELECT 'risk_icon', 'PEP', 'Politically exposed person'
    UNION ALL SELECT 'risk_icon', 'PEP-FORMER', 'Formerly politically exposed person'
    UNION ALL SELECT 'risk_icon', 'PEP-LINKED', 'Linked to a politically exposed person'
    UNION ALL SELECT 'risk_icon', 'SAN', 'On a sanctions list'
    UNION ALL SELECT 'risk_icon', 'REL', 'Named by a regulator or law enforcement'
    UNION ALL SELECT 'risk_icon', 'RRE', 'In media reports on financial crime'
    UNION ALL SELECT 'risk_icon', 'POI', 'Profile of interest'
    UNION ALL SELECT 'risk_icon', 'INS', 'Insolvent or bankrupt'
    UNION ALL SELECT 'risk_icon', 'DD', 'Disqualified as a director'
)
SELECT kind, code, meaning
FROM codes
