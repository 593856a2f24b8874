-- AML alerts, open and closed, with the customer and the decision they belong to.
with alerts as (
    {{ argos_select('aml_alerts', {
        'submission_id': 'text',
        'alert_number': 'bigint',
        'created_at': 'timestamp with time zone',
        'kyc_result': 'text',
        'country': 'text',
        'opened_at': 'timestamp with time zone',
        'closed_at': 'timestamp with time zone',
        'opened_day': 'date',
        'closed_day': 'date',
        'is_open': 'boolean',
        'hours_open': 'double precision',
        'highest_risk': 'text',
        'matches': 'bigint',
        'highest_score': 'double precision',
        'risk_icons': 'text',
        'risk_icon_meanings': 'text',
    }) }}
)
select
    alerts.submission_id || '/' || cast(alerts.alert_number as text) as alert_id,
    {{ argos_customer('submissions') }} as customer_id,
    alerts.*
from alerts
join {{ ref('stg_argos__submissions') }} as submissions
    on submissions.submission_id = alerts.submission_id
