-- Decided submissions, with what happened to the decision later.
with decisions as (
    {{ argos_select('decisions', {
        'submission_id': 'text',
        'created_at': 'timestamp with time zone',
        'decided_at': 'timestamp with time zone',
        'decided_day': 'date',
        'result': 'text',
        'decided_by': 'text',
        'was_pending': 'boolean',
        'seconds_to_decision': 'double precision',
        'seconds_in_review': 'double precision',
        'attempts': 'bigint',
        'on_first_attempt': 'boolean',
        'country': 'text',
        'issuing_country': 'text',
        'id_type': 'text',
        'age_group': 'text',
        'gender': 'text',
        'codes': 'text',
        'code_meanings': 'text',
    }) }}
),
overturned as (
    {{ argos_select('overturned', {'submission_id': 'text', 'overturned_at': 'timestamp with time zone'}) }}
),
later as (
    select submission_id, count(*) as times_overturned, max(overturned_at) as overturned_at
    from overturned
    group by submission_id
)
select
    decisions.*,
    {{ argos_customer('submissions') }} as customer_id,
    coalesce(later.times_overturned, 0) as times_overturned,
    later.overturned_at
from decisions
join {{ ref('stg_argos__submissions') }} as submissions
    on submissions.submission_id = decisions.submission_id
left join later on later.submission_id = decisions.submission_id
