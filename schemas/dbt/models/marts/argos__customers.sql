-- Customers: what is the latest about each person.
with submissions as (
    select
        submissions.submission_id,
        submissions.created_at,
        submissions.kyc_result_at,
        {{ argos_customer('submissions') }} as customer_id,
        coalesce(submissions.applicant_id, submissions.person_key) is not null as is_recognized,
        lower(kyc.result) as result,
        applicants.nationality as country,
        applicants.idcard_issuing_country as issuing_country,
        applicants.id_type,
        applicants.age_group,
        applicants.gender,
        applicants.idcard_expire_date as document_expires_on,
        lower(aml.risk_level_summary) as risk,
        case when lower(aml.current_status) = 'red flag' then 1 else 0 end as flags
    from {{ ref('stg_argos__submissions') }} as submissions
    left join {{ ref('stg_argos__kyc') }} as kyc
        on kyc.submission_id = submissions.submission_id
    left join {{ ref('stg_argos__applicants') }} as applicants
        on applicants.submission_id = submissions.submission_id
    left join {{ ref('stg_argos__aml') }} as aml
        on aml.submission_id = submissions.submission_id
),
ranked as (
    -- The latest approved submission describes the customer; without one, the latest of all.
    select
        *,
        row_number() over (
            partition by customer_id
            order by case when result = 'approved' then 0 else 1 end, created_at desc, submission_id
        ) as place
    from submissions
),
totals as (
    select
        customer_id,
        count(*) as submissions,
        count(case when result = 'approved' then 1 end) as approved_submissions,
        count(case when result = 'rejected' then 1 end) as rejected_submissions,
        min(created_at) as first_submission_at,
        max(created_at) as last_submission_at,
        min(case when result = 'approved' then kyc_result_at end) as first_approved_at,
        max(case when result = 'approved' then kyc_result_at end) as last_approved_at,
        sum(flags) as flagged_submissions
    from submissions
    group by customer_id
)
select
    totals.customer_id,
    ranked.submission_id,
    ranked.is_recognized,
    ranked.result,
    totals.approved_submissions > 0 as is_approved,
    totals.flagged_submissions > 0 as has_red_flag,
    ranked.risk,
    ranked.country,
    ranked.issuing_country,
    ranked.id_type,
    ranked.age_group,
    ranked.gender,
    ranked.document_expires_on,
    totals.submissions,
    totals.approved_submissions,
    totals.rejected_submissions,
    totals.first_submission_at,
    totals.last_submission_at,
    totals.first_approved_at,
    totals.last_approved_at
from totals
join ranked on ranked.customer_id = totals.customer_id and ranked.place = 1
