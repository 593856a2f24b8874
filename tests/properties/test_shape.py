"""Shape against an independent reading of the contract, on whatever an API might answer."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shape.shaped_rows import MADE_HERE, comparable, land_all

from argos_sync.emulator import generate
from argos_sync.shape.columns import _one_by_one, to_array
from argos_sync.shape.identity import Identity, content_hash, identify
from argos_sync.shape.values import CONVERTERS
from oracle import CONVERT, absent, fits, flatten, quarantined, storable
from shape.api_fields import FIELDS

# What real and hostile answers hold

DAYS = st.dates(min_value=date(1, 1, 1)).map(date.isoformat)
MOMENTS = st.datetimes()
TIMES = st.one_of(
    MOMENTS.map(lambda m: f"{m:%Y-%m-%d-%H-%M-%S}-{m.microsecond // 1000:03}".rjust(23, "0")),
    MOMENTS.map(datetime.isoformat),
    MOMENTS.map(lambda moment: f"{moment.isoformat(sep=' ')}+09:00"),
)
ABSENT = st.sampled_from([None, "", "N/A", {}, []])
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

# Submissions around the fields the page documents


class Field(NamedTuple):
    """A field with its sample; those of an object with the fields in it."""

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
    """Draw three of four times the usual; `|` would weigh all alternatives of `odd` alike."""
    return st.sampled_from([usual, usual, usual, odd]).flatmap(lambda chosen: chosen)


def _field(field: Field) -> st.SearchStrategy[Any]:
    known = _object(field.inner) if field.inner else st.just(field.sample)
    listed = st.lists(_mostly(known, ANYTHING), max_size=3)
    return _mostly(st.sampled_from([known, listed]).flatmap(lambda chosen: chosen), ANYTHING)


def _object(fields: dict[str, Field]) -> st.SearchStrategy[dict[str, Any]]:
    strategies = {name: _field(field) for name, field in fields.items()}
    # Few fields hold others or lists, and those are where positions and rows come from.
    holders = [name for name in sorted(fields) if fields[name].inner or name in LISTED]
    choice = st.sampled_from(sorted(fields) + holders * 4)
    names = st.lists(choice, unique=True, min_size=1, max_size=5)
    known = names.flatmap(lambda chosen: st.fixed_dictionaries({n: strategies[n] for n in chosen}))
    unknown = _mostly(st.just({}), st.dictionaries(UNKNOWN, ANYTHING, max_size=2))
    return st.builds(lambda odd, usual: odd | usual, unknown, known)


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
    """Usable submissions, each id once."""
    bodies = draw(st.lists(BODIES, min_size=1, max_size=2))
    return [
        body | draw(DEEP) | {"submission_id": draw(IDS)(place), "created_at": draw(CREATED)}
        for place, body in enumerate(bodies)
    ]


# Promises


@pytest.mark.parametrize("column_type", sorted(CONVERTERS))
@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_a_column_at_once_is_read_as_value_by_value(column_type: str, data: st.DataObject) -> None:
    """The fast way of every type gives the array and the misfits of the slow one."""
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
    fast, fast_misfits = to_array(values, column_type)
    slow, slow_misfits = _one_by_one(values, column_type)
    assert fast.type == slow.type
    assert fast.equals(slow)
    assert fast_misfits == slow_misfits


@pytest.mark.parametrize("column_type", sorted(CONVERT))
@settings(deadline=None, max_examples=300)
@given(value=SCALARS | ANYTHING)
def test_a_value_is_read_as_the_contract_says(column_type: str, value: Any) -> None:
    """Every type takes and refuses what the independent reading takes and refuses."""
    array, misfits = to_array([value], column_type)
    assert [row for row, _ in misfits] == [0] * (not absent(value) and not fits(value, column_type))
    if misfits or absent(value):
        assert array.to_pylist() == [None]
    else:
        (found,) = array.to_pylist()
        found = json.loads(found) if column_type == "json" else found
        (got,), (expected,) = (comparable([{"v": v}]) for v in (found, CONVERT[column_type](value)))
        assert got == expected


@settings(deadline=None, max_examples=250)
@given(page=pages())
def test_any_page_equals_the_independent_reading(page: list[dict[str, Any]]) -> None:
    """Whatever a submission holds, all its rows are those of the contract's plain reading."""
    assert all(isinstance(identify(item), Identity) for item in page)
    _assert_equal_to_oracle(page)


@settings(deadline=None, max_examples=250)
@given(page=pages())
def test_nothing_is_lost(page: list[dict[str, Any]]) -> None:
    """Every value of a submission is in a typed column or in `_extra`, as often as it came."""
    landed = land_all(page)
    kept = [
        leaf
        for rows in landed.tables.values()
        for row in rows
        for name, value in row.items()
        if name not in MADE_HERE and not name.endswith("_index")
        for leaf in _leaves(value)
        if name != "submission_id" or "created_at" in row
    ]
    assert not Counter(map(_content, _leaves(page))) - Counter(map(_content, kept))


@settings(deadline=None, max_examples=100)
@given(page=pages())
def test_every_value_in_extra_has_an_issue(page: list[dict[str, Any]]) -> None:
    """As many places are reported for a table as its `_extra` columns hold."""
    landed = land_all(page)
    kept = {name: sum(map(len, extras)) for name, extras in landed.extras.items()}
    assert Counter(issue.table_name for issue in landed.issues) == Counter(kept)


@settings(deadline=None, max_examples=100)
@given(item=ANYTHING, key=st.binary(max_size=64))
def test_the_hash_does_not_see_the_order_of_keys(item: Any, key: bytes) -> None:
    """What is the same but for the order of keys, at every level, has the same hash."""
    assert content_hash(_reordered(item), key) == content_hash(item, key)


@settings(deadline=None, max_examples=200)
@given(item=ANYTHING)
def test_identity_agrees_on_what_is_usable(item: Any) -> None:
    """What the independent reading quarantines is what has no identity."""
    for candidate in (item, {"submission_id": item, "created_at": "2026-01-05"}):
        assert isinstance(identify(candidate), Identity) != bool(quarantined([candidate]))
    timed = {"submission_id": "s1", "created_at": item}
    assert isinstance(identify(timed), Identity) != bool(quarantined([timed]))


def test_messy_submissions_of_the_emulator_equal_the_independent_reading() -> None:
    """Two thousand messy submissions become the rows of the contract's plain reading."""
    page = generate(2_000, seed=20260105, messy=True, unencodable=True)
    assert all(isinstance(identify(item), Identity) for item in page)
    _assert_equal_to_oracle(page)


def _assert_equal_to_oracle(page: list[dict[str, Any]]) -> None:
    found = {name: comparable(rows) for name, rows in land_all(page).tables.items()}
    expected = {name: comparable(rows) for name, rows in flatten(page).items()}
    assert found == expected


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
    """Return what a value says, the same before and after any conversion."""
    if isinstance(leaf, bool):
        return str(leaf).lower()
    if isinstance(leaf, datetime):
        return leaf.astimezone(UTC)
    if isinstance(leaf, date):
        return datetime.combine(leaf, time(), UTC)
    for kind in ("double", "timestamp"):
        if fits(leaf, kind):
            return CONVERT[kind](leaf)
    return storable(leaf) if isinstance(leaf, str) else str(leaf)
