{#- Select the rows of a table whose submission is not deleted in the source; see argos_select. -#}
{% macro argos_stage(name, columns) -%}
    {%- set selected = dict(columns) -%}
    {%- if name == 'submissions' -%}
        {%- do selected.update({'_deleted_at': 'timestamp with time zone'}) -%}
    {%- endif -%}
with selected as (
    {{ argos_select(name, selected) }}
)
{%- if name != 'submissions' %},
deleted as (
    select submission_id
    from {{ source('argos', 'submissions') }}
    where _deleted_at is not null
)
{%- endif %}
select
    {%- for column in columns %}
    selected.{{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
from selected
{% if name == 'submissions' -%}
where selected._deleted_at is null
{%- else -%}
where not exists (select 1 from deleted where deleted.submission_id = selected.submission_id)
{%- endif %}
{%- endmacro %}
