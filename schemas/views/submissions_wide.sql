-- One row per submission with all single values, without submissions deleted in the source.
--
-- submission_id                  Unique identifier assigned to each submission
-- created_at                     Date and time of submission
-- updated_at                     Date and time when the submission was last updated
-- kyc_result_at                  Date and time when the KYC result was finalized
-- pending_at                     Date and time when the KYC submission was marked pending
-- applicant_id                   Identifier of a person across approved submissions, by personal details and face
-- userid                         Optional user identifier, given by the customer when the submission was created
-- token_id                       Token ID used for live-form submissions in private mode
-- reviewer                       Reviewer type: system is the AI review, agent is a human review
-- duplicated_information         Fingerprint of name, birth date, gender and nationality; equal means the same details
-- custom_duplicated_information  Fingerprint like duplicated_information, by criteria of the project
-- recognition_score              Document recognition score, from 0 to 1 in the API's examples
-- argos_score                    Overall score given by ARGOS, from 0 to 100 in the API's examples
-- projection_id                  Identifier of the projection
-- projection_name                Name of the projection
-- memo_text                      Memo that a reviewer wrote in the dashboard
-- memo_updated_at                Date and time when the memo was last updated
-- injection_type                 Type of the injection process
-- injection_time                 Most recent execution time of the injection process
-- id_liveness_screen_play        ID card liveness score for the screen play pipeline; low is suspicious, expected from 0 to 1
-- id_liveness_paper_printed      ID card liveness score for the paper printed pipeline; low is suspicious, expected from 0 to 1
-- id_liveness_replace_portraits  ID card liveness score for the replaced portraits pipeline; low is suspicious, expected from 0 to 1
-- name                           Name of the applicant
-- first_name                     First name of the applicant
-- mid_name                       Middle name of the applicant
-- last_name                      Last name of the applicant
-- full_name                      Full name of the applicant
-- full_name_en                   Full name of the applicant in English
-- gender                         Gender of the applicant (male or female)
-- age_group                      Age group of the applicant: minor, early-teen, teen or adult
-- nationality                    Nationality, as an ISO alpha-3 country code
-- date_of_birth                  Date of birth
-- ip_address                     IPv4 address of the applicant
-- id_type                        Type of ID used
-- idcard_issuing_country         Country that issued the ID, as an ISO alpha-3 code
-- idcard_issue_date              ID issuance date
-- idcard_expire_date             ID expiration date
-- identity_number                Identification number
-- document_number                Document number of the ID
-- serial_number                  Serial number of the ID
-- ssn_number                     Social security number
-- curp_number                    Mexican population registry code (CURP)
-- privacy_shield                 Privacy shield of the ID
-- version                        Version of the ID
-- address_city                   City
-- address_country                Country
-- address_state                  State
-- address_street                 Street
-- address_street2                Second line of the street address
-- address_zipcode                Zip code
-- address_global_code            Global address code (such as 8Q98HXPG+MP)
-- address_compound_code          Compound address code (such as HXPG+MP Seoul, South Korea)
-- address_formatted              Converted detailed address
-- address_input                  Address as the applicant typed it
-- address_detail                 Detailed address as the applicant typed it
-- cf1                            Custom field 1, optionally added during submission
-- cf2                            Custom field 2, optionally added during submission
-- cf3                            Custom field 3, optionally added during submission
-- email                          Email address associated with the submission
-- phone_number                   Phone number of the applicant
-- id_image                       URL of the ID image
-- id_back_image                  URL of the image of the ID's back
-- selfie_image                   URL of the selfie
-- address_image                  URL of the image of the address document
-- type_of_permit                 Type of the Korean residence permit
-- type_of_permit_gov_kor         Type of the residence permit according to the Korean government
-- expiry_date_of_stay_kor        End of the permitted stay in Korea
-- nationality_gov_kor            Nationality according to the Korean government
-- kyc_result                     Status of the KYC process: approved, rejected, pending or incomplete
-- aml_risk_level_summary         Summary of the risk level: Not Screened, High, Medium or Low
-- aml_current_status             AML status: Red Flag, or Not Screened, also said when nothing matches
-- bank_result                    Bank verification result: success or fail
-- bank_type                      Type of bank verification: occupancy (1 KRW verification) or nameCheck
-- bank_code                      Bank code used for verification
-- bank_account_number            Account number used for verification
-- bank_retry_count               Number of failures during code transmission (before step 2)
-- hours_to_decision              Hours from created_at to kyc_result_at
-- _synced_at                     When the submission was last fetched
-- _changed_at                    When a fetch last found the submission new or changed
-- _content_hash                  Content hash of the submission, without the query strings of image URLs
-- created_day                    Day of created_at
-- created_week                   Monday of the week of created_at
SELECT
    s.submission_id,
    s.created_at,
    s.updated_at,
    s.kyc_result_at,
    s.pending_at,
    s.applicant_id,
    s.userid,
    s.token_id,
    s.reviewer,
    s.duplicated_information,
    s.custom_duplicated_information,
    s.recognition_score,
    s.argos_score,
    s.projection_id,
    s.projection_name,
    s.memo_text,
    s.memo_updated_at,
    s.injection_type,
    s.injection_time,
    s.id_liveness_screen_play,
    s.id_liveness_paper_printed,
    s.id_liveness_replace_portraits,
    p.name,
    p.first_name,
    p.mid_name,
    p.last_name,
    p.full_name,
    p.full_name_en,
    p.gender,
    p.age_group,
    p.nationality,
    p.date_of_birth,
    p.ip_address,
    p.id_type,
    p.idcard_issuing_country,
    p.idcard_issue_date,
    p.idcard_expire_date,
    p.identity_number,
    p.document_number,
    p.serial_number,
    p.ssn_number,
    p.curp_number,
    p.privacy_shield,
    p.version,
    p.address_city,
    p.address_country,
    p.address_state,
    p.address_street,
    p.address_street2,
    p.address_zipcode,
    p.address_global_code,
    p.address_compound_code,
    p.address_formatted,
    p.address_input,
    p.address_detail,
    p.cf1,
    p.cf2,
    p.cf3,
    p.email,
    p.phone_number,
    p.id_image,
    p.id_back_image,
    p.selfie_image,
    p.address_image,
    p.type_of_permit,
    p.type_of_permit_gov_kor,
    p.expiry_date_of_stay_kor,
    p.nationality_gov_kor,
    k.result AS kyc_result,
    a.risk_level_summary AS aml_risk_level_summary,
    a.current_status AS aml_current_status,
    b.result AS bank_result,
    b.type AS bank_type,
    b.bank_code,
    b.account_number AS bank_account_number,
    b.retry_count AS bank_retry_count,
    (EPOCH(s.kyc_result_at) - EPOCH(s.created_at)) / 3600 AS hours_to_decision,
    s._synced_at,
    s._changed_at,
    s._content_hash,
    -- Last, because PostgreSQL adds columns of a view only at its end.
    REPORTING_DAY(s.created_at) AS created_day,
    REPORTING_WEEK(s.created_at) AS created_week
FROM submissions AS s
LEFT JOIN applicants AS p ON p.submission_id = s.submission_id
LEFT JOIN kyc AS k ON k.submission_id = s.submission_id
LEFT JOIN aml AS a ON a.submission_id = s.submission_id
LEFT JOIN bank_verification AS b ON b.submission_id = s.submission_id
WHERE s._deleted_at IS NULL
