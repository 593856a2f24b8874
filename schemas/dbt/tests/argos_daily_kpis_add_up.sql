-- The days of argos__daily_kpis have every submission, decision and alert once.
with days as (
    select
        sum(submissions) as submissions,
        sum(decisions) as decisions,
        sum(alerts_opened) as alerts
    from {{ ref('argos__daily_kpis') }}
)
select days.*
from days
where submissions <> (select count(*) from {{ ref('stg_argos__submissions') }})
    or decisions <> (
        select count(*) from {{ ref('argos__decisions') }} where decided_day is not null
    )
    or alerts <> (select count(*) from {{ ref('argos__alerts') }})
