"""Which columns of a query are NULL in every row."""

import pytest
import sqlglot
from sqlglot import exp

from argos_sync.warehouse.empty_columns import empty_columns
from argos_sync.warehouse.views import View, load_views

NOTHING = "(SELECT key, CAST(NULL AS TEXT) AS x FROM t) AS t"
"""A table `t` whose column `x` is left out; `key` has values."""


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (f"SELECT x, key FROM {NOTHING}", {"x"}),
        (f"SELECT t.x AS y, LOWER(t.x) AS z, t.key FROM {NOTHING}", {"y", "z"}),
        (f"SELECT MIN(x) AS least, COUNT(x) AS number, COUNT(*) AS rows FROM {NOTHING}", {"least"}),
        (f"SELECT MIN(x) <> MAX(x) AS differ, x IS NULL AS lacking FROM {NOTHING}", {"differ"}),
        (
            f"SELECT COALESCE(x, '') AS a, COALESCE(x, x) AS b FROM {NOTHING}",
            {"b"},
        ),
        (f"SELECT CASE WHEN x > 1 OR COUNT(x) > 1 THEN TRUE END AS a FROM {NOTHING}", {"a"}),
        (f"SELECT CASE WHEN x > 1 OR key > 1 THEN TRUE END AS a FROM {NOTHING}", set()),
        (f"SELECT CASE WHEN x > 1 AND key > 1 THEN TRUE END AS a FROM {NOTHING}", {"a"}),
        (f"SELECT CASE WHEN x > 1 THEN 1 ELSE 0 END AS a FROM {NOTHING}", set()),
        (f"SELECT CASE WHEN key > 1 THEN x ELSE x END AS a FROM {NOTHING}", {"a"}),
        (f"SELECT CASE WHEN NOT x THEN 1 WHEN COUNT(x) > -1 THEN 2 END AS a FROM {NOTHING}", set()),
        (f"SELECT ROW_NUMBER() OVER (ORDER BY x) AS n, MAX(x) OVER () AS m FROM {NOTHING}", {"m"}),
        (f"SELECT CONCAT_WS(',', x) AS a, GREATEST(x, 1) AS b, NOW() AS c FROM {NOTHING}", set()),
        (
            f"WITH w AS (SELECT x AS y, key AS z FROM {NOTHING}) SELECT y, z, w.y AS u FROM w",
            {"y", "u"},
        ),
        (f"SELECT x AS a, key AS b FROM {NOTHING} UNION ALL SELECT NULL, NULL", {"a"}),
        (f"SELECT x AS a FROM {NOTHING} UNION ALL SELECT 1", set()),
        (f"WITH w AS (SELECT x FROM {NOTHING} UNION ALL SELECT NULL) SELECT x FROM w", {"x"}),
    ],
)
def test_nulls_are_followed(query: str, expected: set[str]) -> None:
    """Through functions, subqueries, CTEs and unions; what may have a value is never named."""
    tree = sqlglot.parse_one(query, dialect="duckdb").assert_is(exp.Query)
    assert empty_columns(tree) == expected


@pytest.mark.parametrize("view", load_views(), ids=lambda view: view.name)
def test_no_view_of_the_warehouse_has_such_a_column(view: View) -> None:
    """Their columns all have values, as far as the contract knows."""
    assert empty_columns(view.select) == set()
