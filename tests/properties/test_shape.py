"""Compare shape with an independent oracle on arbitrary API responses."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argos_sync.emulator import generate
from argos_sync.shape.arrow_columns import _convert_one_by_one, to_array
from argos_sync.shape.identity import Identity, content_hash, identify
from argos_sync.shape.values import CONVERTERS
from oracle import CONVERT, absent, fits, flatten, quarantined, storable
from shape.api_fields import FIELDS
from shape.shaped_rows import ADDED_COLUMNS, ShapedRows, comparable, shape_all

# Values of real and hostile responses

DAYS = st.dates(min_value=date(1, 1, 1)).map(date.isoformat)
MOMENTS = st.datetimes()
TIMES = st.one_of(
    MOMENTS.map(lambda m: f"{m:%Y-%m-%d-%H-%M-%S}-{m.microsecond // 1000:03}".rjust(23, "0")),
    MOMENTS.map(datetime.isoformat),
    MOMENTS.map(lambda moment: f"{moment.isoformat(sep=' ')}+09:00"),
)
ABSENT: st.SearchStrategy[Any] = st.sampled_from([None, "", "N/A", {}, []])
NUMBERS = st.one_of(
    st.integers(-3, 3),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        [2**53 + 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 10**30, 10**400, 2.0**63]
    ),
)
TEXTS = st.one_of(
    st.text(st.characters(exclude_characters="\\"), max_size=5),
    st.sampled_from(["\0", "nul \0 here", "half \ud800 pair", "\udfff", "n/a", " ", "true"]),
)
ALMOST = st.sampled_from(
    [
        *("5", " 5 ", "+5", "5.0", "5.5", "1e3", "1e999", "nan", "inf", "1_0", "٣", "0x1", "-"),
        *("9223372036854775807", "9223372036854775808", "0" * 30 + "1", "97.5", ".5", "5."),
        *("0000-01-01", "2023-02-30", "2023-2-3", "31/12/2020", "20230203", "2023-W01-1"),
        *("2023-02-03T00:00:00.000Z", "2023-02-03T00:00:01", "2023-02-03T00:00:00+09:00"),
        *("0000-01-01-00-00-00-000", "2023-02-03-24-00-00-000", "2023-02-03-04-05-60-000"),
        *("2023-02-03-04-05-06", "2023-02-03-04-05-06-7", "2023-02-03-04-05-06-1234"),
        *("2023-02-03T04:05Z", "2023-02-03 04:05:06.123456789", "2023-02-03T04:05:06,5"),
        *("2023-02-03T04:05:06 Z", "2023-02-03T04:05:06 +09:00", "2023-02-03T04:05:06+0900"),
        *("2023-02-03T04:05:06+24:00", "2023-02-03T04:05:06+09:75", "0001-01-01T00:00+09:00"),
        *("2023-02-03T04:05:06z", "9999-12-31T23:59:59-09:00", "2023-02-03\n", "yesterday"),
    ]
)
SCALARS = st.one_of(ABSENT, st.booleans(), NUMBERS, TEXTS, ALMOST, DAYS, TIMES)
UNKNOWN = st.sampled_from(
    [
        *("newField", "id_type", "김", "with space", "", "nul\0name", "\ud800"),
        *("memo.text", "attempts[0]", "liveness.score", "[0]", '"a.b"', "data.name", "kyc.x"),
    ]
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(UNKNOWN | TEXTS, inner, max_size=3)
    ),
    max_leaves=5,
)

# Submissions with documented fields


class Field(NamedTuple):
    """A documented field with its sample, and the fields inside it."""

    sample: Any
    inner: dict[str, "Field"]


def _tree() -> dict[str, Field]:
    root = Field(None, {})
    for path, sample in sorted(FIELDS.items()):
        node = root
        for name in path.replace("[i]", "").split("."):
            node = node.inner.setdefault(name, Field(sample, {}))
    return root.inner


LISTED = {path.rpartition(".")[2].removesuffix("[i]") for path in FIELDS if path.endswith("[i]")}


def _mostly(usual: st.SearchStrategy[Any], odd: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw `usual` three times out of four; `|` would weigh all parts of `odd` alike."""
    return st.sampled_from([usual, usual, usual, odd]).flatmap(lambda chosen: chosen)


def _field(field: Field) -> st.SearchStrategy[Any]:
    documented = _object(field.inner) if field.inner else st.just(field.sample)
    listed = st.lists(_mostly(documented, ANYTHING), max_size=3)
    return _mostly(st.sampled_from([documented, listed]).flatmap(lambda chosen: chosen), ANYTHING)


def _object(fields: dict[str, Field]) -> st.SearchStrategy[dict[str, Any]]:
    strategies = {name: _field(field) for name, field in fields.items()}
    # Few fields contain objects or lists, but those determine rows and positions.
    containers = [name for name in sorted(fields) if fields[name].inner or name in LISTED]
    choice = st.sampled_from(sorted(fields) + containers * 4)
    names = st.lists(choice, unique=True, min_size=1, max_size=5)
    documented = names.flatmap(
        lambda chosen: st.fixed_dictionaries({n: strategies[n] for n in chosen})
    )
    unknown = _mostly(st.just({}), st.dictionaries(UNKNOWN, ANYTHING, max_size=2))
    return st.builds(lambda odd, usual: odd | usual, unknown, documented)


TREE = _tree()
BODIES = _object(TREE)
DEEP = st.sampled_from([_object({name: TREE[name]}) for name in ("kyc", "aml")]).flatmap(
    lambda chosen: chosen
)
CREATED = st.sampled_from(
    ["2026-01-05-09-00-00-123", "2026-01-05T09:00:00.123456789+09:00", "2026-01-05"]
)
IDS = st.sampled_from([lambda n: f"s{n}", lambda n: n, lambda n: n + 0.5])


@st.composite
def pages(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw valid submissions with distinct ids."""
    bodies = draw(st.lists(BODIES, min_size=1, max_size=2))
    return [
        body | draw(DEEP) | {"submission_id": draw(IDS)(place), "created_at": draw(CREATED)}
        for place, body in enumerate(bodies)
    ]


# Properties


@pytest.mark.parametrize("column_type", sorted(CONVERTERS))
@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_whole_columns_equal_single_values(column_type: str, data: st.DataObject) -> None:
    """Fast and slow conversion give the same array and the same errors."""
    plain = {
        "text": TEXTS,
        "bigint": st.integers(-(2**63), 2**63),
        "double": st.floats(allow_nan=False) | st.integers(-(2**54), 2**54),
        "date": DAYS | st.from_regex(r"\A[0-9]{4}-[01][0-9]-[0-3][0-9]\Z"),
        "timestamp": TIMES
        | st.from_regex(r"\A[0-9]{4}(-[0-3][0-9]){2}(-[0-6][0-9]){3}-[0-9]{3}\Z"),
        "bool": st.booleans(),
        "json": ANYTHING,
    }[column_type]
    values = data.draw(st.lists(plain | ABSENT) | st.lists(plain | ANYTHING))
    fast, fast_errors = to_array(values, column_type)
    slow, slow_errors = _convert_one_by_one(values, column_type)
    assert fast.type == slow.type
    assert fast.equals(slow)
    assert fast_errors == slow_errors


@pytest.mark.parametrize("column_type", sorted(CONVERT))
@settings(deadline=None, max_examples=200)
@given(value=SCALARS | ANYTHING)
def test_single_values_equal_the_oracle(column_type: str, value: Any) -> None:
    """Every type accepts and refuses the same values as the oracle."""
    array, errors = to_array([value], column_type)
    assert [row for row, _ in errors] == [0] * (not absent(value) and not fits(value, column_type))
    if errors or absent(value):
        assert array.to_pylist() == [None]
    else:
        (result,) = array.to_pylist()
        result = json.loads(result) if column_type == "json" else result
        (actual,), (expected,) = (
            comparable([{"v": v}]) for v in (result, CONVERT[column_type](value))
        )
        assert actual == expected


@settings(deadline=None, max_examples=30)
@given(page=pages())
def test_page(page: list[dict[str, Any]]) -> None:
    """Any page equals the oracle's rows, loses no value, and reports each value in `_extra`."""
    _assert_page_is_complete(page)


@pytest.mark.slow
@settings(deadline=None, max_examples=400)
@given(page=pages())
def test_many_pages(page: list[dict[str, Any]]) -> None:
    """The same holds for many more pages."""
    _assert_page_is_complete(page)


@settings(deadline=None, max_examples=100)
@given(item=ANYTHING, key=st.binary(max_size=64))
def test_hash_ignores_the_order_of_keys(item: Any, key: bytes) -> None:
    """The order of keys, at any level, does not change the hash."""
    assert content_hash(_reordered(item), key) == content_hash(item, key)


@settings(deadline=None, max_examples=100)
@given(item=ANYTHING)
def test_identity_agrees_with_the_oracle(item: Any) -> None:
    """Submissions without an identity are those that the oracle quarantines."""
    for candidate in (item, {"submission_id": item, "created_at": "2026-01-05"}):
        assert isinstance(identify(candidate), Identity) != bool(quarantined([candidate]))
    timed = {"submission_id": "s1", "created_at": item}
    assert isinstance(identify(timed), Identity) != bool(quarantined([timed]))


@pytest.mark.parametrize("count", [200, pytest.param(2_000, marks=pytest.mark.slow)])
def test_emulator_submissions(count: int) -> None:
    """Messy submissions of the emulator equal the oracle's rows."""
    page = generate(count, seed=20260105, messy=True, unencodable=True)
    assert all(isinstance(identify(item), Identity) for item in page)
    _assert_equals_oracle(page, shape_all(page))


def _assert_page_is_complete(page: list[dict[str, Any]]) -> None:
    assert all(isinstance(identify(item), Identity) for item in page)
    shaped = shape_all(page)
    _assert_equals_oracle(page, shaped)
    _assert_no_value_is_lost(page, shaped)
    _assert_every_extra_has_an_issue(shaped)


def _assert_equals_oracle(page: list[dict[str, Any]], shaped: ShapedRows) -> None:
    rows = {name: comparable(rows) for name, rows in shaped.tables.items()}
    expected = {name: comparable(rows) for name, rows in flatten(page).items()}
    assert rows == expected


def _assert_no_value_is_lost(page: list[dict[str, Any]], shaped: ShapedRows) -> None:
    """Every value is in a typed column or in `_extra`, as often as in the page."""
    loaded = [
        leaf
        for rows in shaped.tables.values()
        for row in rows
        for name, value in row.items()
        if name not in ADDED_COLUMNS and not name.endswith("_index")
        for leaf in _leaves(value)
        if name != "submission_id" or "created_at" in row
    ]
    assert not Counter(map(_content, _leaves(page))) - Counter(map(_content, loaded))


def _assert_every_extra_has_an_issue(shaped: ShapedRows) -> None:
    extras = {name: sum(map(len, extras)) for name, extras in shaped.extras.items()}
    assert Counter(issue.table_name for issue in shaped.issues) == Counter(extras)


def _reordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _reordered(value[name]) for name in reversed(value)}
    return [_reordered(entry) for entry in value] if isinstance(value, list) else value


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        inner: Iterable[Any] = value.values() if isinstance(value, dict) else value
        for entry in inner:
            yield from _leaves(entry)
    elif not absent(value):
        yield value


def _content(leaf: Any) -> Any:
    """Return a value in a form that no conversion changes."""
    if isinstance(leaf, bool):
        return str(leaf).lower()
    if isinstance(leaf, datetime):
        return leaf.astimezone(UTC)
    if isinstance(leaf, date):
        return datetime.combine(leaf, time(), UTC)
    for kind in ("timestamp", "double"):
        if fits(leaf, kind):
            return CONVERT[kind](leaf)
    return storable(leaf) if isinstance(leaf, str) else str(leaf)
