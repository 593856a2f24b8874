{#-
    Identify the customer of a submission: the person, as far as the API recognizes one, or the
    submission itself. A strict copy has at most a pseudonym of the person.
-#}
{% macro argos_customer(submissions) -%}
    coalesce({{ submissions }}.applicant_id, {{ submissions }}.person_key, {{ submissions }}.submission_id)
{%- endmacro %}
