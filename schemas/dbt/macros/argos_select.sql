{#-
    Select columns of a table or view of the warehouse, as a subquery.

    A column that the warehouse lacks is null, and a table that it lacks is empty: a published copy
    has no personal columns, a privacy policy may drop some, and not every section may be loaded.

    Arguments:
        name: Table or view of the source.
        columns: SQL type by name of column.
-#}
{% macro argos_select(name, columns) -%}
    {%- set table = source('argos', name) -%}
    {%- set relation = load_relation(table) if execute -%}
    {%- set existing = [] -%}
    {%- for column in adapter.get_columns_in_relation(relation) if relation -%}
        {%- do existing.append(column.name | lower) -%}
    {%- endfor -%}
    select
    {%- for column, type in columns.items() %}
        {% if column in existing %}{{ column }}{% else %}cast(null as {{ type }}) as {{ column }}{% endif %}
        {{- ',' if not loop.last }}
    {%- endfor %}
    {% if relation %}from {{ table }}{% else %}where 1 = 0{% endif %}
{%- endmacro %}
