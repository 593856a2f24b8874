-- Key figures of each day, without gaps, in the reporting time zone of the views.
with recursive submissions as (
    {{ argos_select('submissions_wide', {
        'submission_id': 'text', 'created_day': 'date', 'kyc_result': 'text'
    }) }}
),
decisions as (
    select * from {{ ref('argos__decisions') }}
),
alerts as (
    select * from {{ ref('argos__alerts') }}
),
occupied as (
    select created_day as day from submissions
    union select decided_day from decisions where decided_day is not null
    union select opened_day from alerts
    union select closed_day from alerts where closed_day is not null
),
days as (
    select min(day) as day from occupied having min(day) is not null
    union all
    select day + 1 from days where day < (select max(day) from occupied)
),
created as (
    select
        created_day as day,
        count(*) as submissions,
        count(case when lower(kyc_result) = 'approved' then 1 end) as created_approved,
        count(case when lower(kyc_result) = 'rejected' then 1 end) as created_rejected
    from submissions
    group by created_day
),
decided as (
    select
        decided_day as day,
        count(*) as decisions,
        count(case when result = 'approved' then 1 end) as approvals,
        count(case when result = 'rejected' then 1 end) as rejections,
        count(case when decided_by = 'machine' then 1 end) as machine_decisions,
        count(case when decided_by = 'person' then 1 end) as human_decisions,
        count(case when was_pending then 1 end) as reviewed,
        percentile_cont(0.5) within group (order by seconds_to_decision) / 3600
            as hours_to_decision_p50,
        percentile_cont(0.9) within group (order by seconds_to_decision) / 3600
            as hours_to_decision_p90
    from decisions
    where decided_day is not null
    group by decided_day
),
opened as (
    select opened_day as day, count(*) as alerts_opened
    from alerts
    group by opened_day
),
closed as (
    select closed_day as day, count(*) as alerts_closed
    from alerts
    where closed_day is not null
    group by closed_day
)
select
    days.day,
    coalesce(created.submissions, 0) as submissions,
    coalesce(created.created_approved, 0) as submissions_approved,
    coalesce(created.created_rejected, 0) as submissions_rejected,
    coalesce(decided.decisions, 0) as decisions,
    coalesce(decided.approvals, 0) as approvals,
    coalesce(decided.rejections, 0) as rejections,
    coalesce(decided.machine_decisions, 0) as machine_decisions,
    coalesce(decided.human_decisions, 0) as human_decisions,
    coalesce(decided.reviewed, 0) as decisions_after_review,
    cast(decided.approvals as double precision) / decided.decisions as approval_rate,
    cast(decided.machine_decisions as double precision)
        / nullif(decided.machine_decisions + decided.human_decisions, 0) as automation_rate,
    decided.hours_to_decision_p50,
    decided.hours_to_decision_p90,
    coalesce(opened.alerts_opened, 0) as alerts_opened,
    coalesce(closed.alerts_closed, 0) as alerts_closed,
    sum(coalesce(opened.alerts_opened, 0) - coalesce(closed.alerts_closed, 0))
        over (order by days.day) as alerts_open
from days
left join created on created.day = days.day
left join decided on decided.day = days.day
left join opened on opened.day = days.day
left join closed on closed.day = days.day
