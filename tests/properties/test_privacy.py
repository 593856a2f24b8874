"""Properties of protected values: equal values join, and only the right key decrypts."""

import math
from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, get_args

import pyarrow as pa
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from argos_sync.shape.arrow_columns import ARROW_TYPES, arrow_schema
from argos_sync.shape.column_cipher import RevealError
from argos_sync.shape.contract import Column, ColumnType, Contract, Table
from argos_sync.shape.privacy import PolicyError, PrivacyMode, PrivacyPolicy, describe_policy_change

TYPES: tuple[ColumnType, ...] = get_args(ColumnType)
COLUMNS = (
    Column("submission_id", "text", "none", "Key", nullable=False),
    *(Column(f"direct_{name}", name, "direct", "Any") for name in TYPES),
    *(Column(f"quasi_{name}", name, "quasi", "Any") for name in TYPES),
    *(Column(f"none_{name}", name, "none", "Any") for name in TYPES),
)
TABLES = [Table(name, "A table", ("submission_id",), COLUMNS) for name in ("one", "other")]
CONTRACT = Contract({table.name: table for table in TABLES})
PERSONAL = [f"{t.name}.{c.name}" for t in TABLES for c in t.columns if c.privacy != "none"]
BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

keys = st.text(min_size=16, max_size=40)
modes = st.sampled_from(get_args(PrivacyMode))
moments = st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.replace(fold=0))
VALUES: dict[ColumnType, st.SearchStrategy[Any]] = {
    "text": st.text(),
    "json": st.text(),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats(allow_nan=False),
    "bool": st.booleans(),
    "date": st.dates(),
    "timestamp": moments,
}
typed = st.sampled_from(TYPES).flatmap(lambda name: st.tuples(st.just(name), VALUES[name]))
policies = st.builds(
    PrivacyPolicy.from_settings,
    modes,
    modes,
    st.dictionaries(st.sampled_from(PERSONAL), modes, max_size=5),
    keys,
    base_contract=st.just(CONTRACT),
)
ENCRYPT = PrivacyPolicy.from_settings(
    "encrypt", "encrypt", key="a secret of some length", base_contract=CONTRACT
)


def make_row(draw: Any) -> dict[str, Any]:
    """Draw a row with any value, or none, in every column."""
    row = {c.name: draw(st.none() | VALUES[c.type]) for c in COLUMNS[1:]}
    return {"submission_id": draw(st.text()), **row}


rows = st.lists(st.composite(make_row)(), max_size=4).map(
    lambda drawn: pa.Table.from_pylist(drawn, schema=arrow_schema(TABLES[0]))
)


def same(one: Any, other: Any) -> bool:
    """Return whether two values have the same type, value, zone and sign of zero."""
    return type(one) is type(other) and repr(one) == repr(other)


def decrypts(policy: PrivacyPolicy, table: str, column: str, text: str) -> bool:
    """Return whether a text decrypts."""
    with suppress(RevealError):
        policy.reveal(table, column, text)
        return True
    return False


def split_ciphertext(text: str) -> tuple[str, bytes]:
    """Return the text up to the last dot, and the bytes encoded after it."""
    head, _, body = text.rpartition(".")
    return head, urlsafe_b64decode(body + "=" * (-len(body) % 4))


@given(key=keys, pair=typed)
def test_round_trip(key: str, pair: tuple[ColumnType, Any]) -> None:
    """Every value of every type decrypts to itself."""
    name, value = pair
    policy = PrivacyPolicy.from_settings("encrypt", key=key, base_contract=CONTRACT)
    text = policy.encrypt_value("one", f"direct_{name}", value)
    assert same(policy.reveal("one", f"direct_{name}", text), value)


@given(text=st.text(st.characters(categories=None)))
def test_round_trip_of_any_characters(text: str) -> None:
    """NUL and lone surrogates survive encryption too."""
    ciphertext = ENCRYPT.encrypt_value("one", "direct_text", text)
    assert ENCRYPT.reveal("one", "direct_text", ciphertext) == text
    assert ENCRYPT.hash_value(text) != ENCRYPT.hash_value(f"{text}\ud800")


@given(moment=st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=st.timezones()))  # noqa: DTZ001 - Hypothesis requires bounds without a zone
def test_time_is_the_same_in_every_zone(moment: datetime) -> None:
    """A time has one ciphertext in every time zone, and without a zone it is UTC."""
    utc = moment.astimezone(UTC)
    texts = {
        ENCRYPT.encrypt_value("one", "direct_timestamp", way)
        for way in (moment, utc, utc.replace(tzinfo=None))
    }
    assert len(texts) == 1


@given(key=keys, one=typed, other=typed)
def test_only_equal_values_join(
    key: str, one: tuple[ColumnType, Any], other: tuple[ColumnType, Any]
) -> None:
    """Two hashes are equal exactly when type and value are."""
    policy = PrivacyPolicy.from_settings(key=key, base_contract=CONTRACT)
    hashes = [policy.hash_value(value, name) for name, value in (one, other)]
    assert (hashes[0] == hashes[1]) == (one[0] == other[0] and one[1] == other[1])
    assert hashes[0] == policy.hash_value(one[1], one[0])


@given(name=st.sampled_from(TYPES), data=st.data())
def test_values_of_one_type_join(name: ColumnType, data: st.DataObject) -> None:
    """Equal values of one type have equal hashes and ciphertexts, others do not."""
    few = data.draw(st.lists(VALUES[name], min_size=1, max_size=3))
    one, other = data.draw(st.sampled_from(few)), data.draw(st.sampled_from(few))
    hashes = [ENCRYPT.hash_value(value, name) for value in (one, other)]
    ciphertext = [ENCRYPT.encrypt_value("one", f"direct_{name}", value) for value in (one, other)]
    assert (hashes[0] == hashes[1]) == (one == other)
    assert (ciphertext[0] == ciphertext[1]) == same(one, other)


@given(one=keys, other=keys, value=st.text())
def test_other_keys_give_other_results(one: str, other: str, value: str) -> None:
    """Another key gives another hash and ciphertext, and does not decrypt."""
    assume(one != other)
    first, second = (
        PrivacyPolicy.from_settings(key=key, base_contract=CONTRACT) for key in (one, other)
    )
    assert first.keyring
    assert second.keyring
    assert first.hash_value(value) != second.hash_value(value)
    ciphertext = first.encrypt_value("one", "direct_text", value)
    assert ciphertext != second.encrypt_value("one", "direct_text", value)
    with pytest.raises(RevealError, match="and the configured key is"):
        second.reveal("one", "direct_text", ciphertext)
    # Nor with the other key's id.
    renamed = ciphertext.replace(first.keyring.key_id, second.keyring.key_id)
    assert renamed != ciphertext
    assert not decrypts(second, "one", "direct_text", renamed)


@given(pair=typed, data=st.data())
def test_changed_bit_is_detected(pair: tuple[ColumnType, Any], data: st.DataObject) -> None:
    """A ciphertext with one changed bit does not decrypt."""
    name, value = pair
    text = ENCRYPT.encrypt_value("one", f"direct_{name}", value)
    head, ciphertext = split_ciphertext(text)
    changed = bytearray(ciphertext)
    bit = data.draw(st.integers(0, len(changed) * 8 - 1))
    changed[bit // 8] ^= 1 << bit % 8
    body = urlsafe_b64encode(changed).decode().rstrip("=")
    assert not decrypts(ENCRYPT, "one", f"direct_{name}", f"{head}.{body}")


@given(pair=typed, data=st.data())
def test_changed_character_is_detected(pair: tuple[ColumnType, Any], data: st.DataObject) -> None:
    """A changed, lost or added character is detected, even in unused bits of base64."""
    name, value = pair
    text = ENCRYPT.encrypt_value("one", f"direct_{name}", value)
    place = data.draw(st.integers(0, len(text) - 1) | st.just(len(text) - 1))
    new = data.draw(st.sampled_from([*BASE64, "=", "+", "/", ".", "\n", " ", "", "é"]))
    assume(new != text[place])
    assert not decrypts(ENCRYPT, "one", f"direct_{name}", text[:place] + new + text[place + 1 :])
    assert not decrypts(ENCRYPT, "one", f"direct_{name}", f"{text}{new or '='}")


@given(pair=typed, data=st.data())
def test_truncated_value_is_detected(pair: tuple[ColumnType, Any], data: st.DataObject) -> None:
    """A ciphertext truncated at either end does not decrypt."""
    name, value = pair
    head, ciphertext = split_ciphertext(ENCRYPT.encrypt_value("one", f"direct_{name}", value))
    cut = data.draw(st.integers(1, len(ciphertext)))
    for rest in (ciphertext[:-cut], ciphertext[cut:]):
        body = urlsafe_b64encode(rest).decode().rstrip("=")
        assert not decrypts(ENCRYPT, "one", f"direct_{name}", f"{head}.{body}")


@given(pair=typed, elsewhere=st.sampled_from(PERSONAL))
def test_moved_value_is_detected(pair: tuple[ColumnType, Any], elsewhere: str) -> None:
    """A ciphertext does not decrypt in another column or table."""
    name, value = pair
    assume(elsewhere != f"one.direct_{name}")
    text = ENCRYPT.encrypt_value("one", f"direct_{name}", value)
    table, column = elsewhere.split(".")
    assert not decrypts(ENCRYPT, table, column, text)


@given(text=st.text() | st.from_regex(r"[he][12]\.[\w-]{8}\.[\w-]{0,60}", fullmatch=True))
def test_any_text_is_refused(text: str) -> None:
    """A text that was not made with the key is refused with RevealError."""
    with pytest.raises(RevealError):
        ENCRYPT.reveal("one", "direct_text", text)


@settings(max_examples=25)
@given(policy=policies, table=rows)
def test_protected_rows(policy: PrivacyPolicy, table: pa.Table) -> None:
    """Protected rows have the policy's contract, and each value has its column's mode."""
    _assert_protected(policy, table)


@pytest.mark.slow
@settings(max_examples=200)
@given(policy=policies, table=rows)
def test_many_protected_rows(policy: PrivacyPolicy, table: pa.Table) -> None:
    """The same holds for many more policies and rows."""
    _assert_protected(policy, table)


def _assert_protected(policy: PrivacyPolicy, table: pa.Table) -> None:
    protected = policy.protect("one", table)
    assert protected.schema == arrow_schema(policy.contract["one"])
    assert protected.num_rows == table.num_rows
    protected.validate(full=True)
    for column in COLUMNS:
        mode = policy.mode("one", column.name)
        assert (column.name in protected.column_names) == (mode != "drop")
        if mode == "drop":
            continue
        before, after = table[column.name].to_pylist(), protected[column.name].to_pylist()
        assert [value is None for value in before] == [value is None for value in after]
        pairs = [pair for pair in zip(before, after, strict=True) if pair[0] is not None]
        if mode == "plain":
            assert before == after
        elif mode == "hash":
            assert all(policy.hash_value(b, column.type) == a for b, a in pairs)
        else:
            assert all(policy.encrypt_value("one", column.name, b) == a for b, a in pairs)
            assert all(equal(policy.reveal("one", column.name, a), b) for b, a in pairs)


def equal(one: Any, other: Any) -> bool:
    """Return whether two values are equal, including the sign of zero."""
    if isinstance(one, float):
        return one == other and math.copysign(1, one) == math.copysign(1, other)
    return bool(one == other)


@pytest.mark.parametrize("zeros", [[0.0, -0.0], [-0.0, 0.0]])
def test_zeros_are_revealed(zeros: list[float]) -> None:
    """Encryption distinguishes 0.0 and -0.0, although they are equal."""
    zero_rows = [{"submission_id": "s", "direct_double": zero} for zero in zeros]
    table = pa.Table.from_pylist(zero_rows, schema=arrow_schema(TABLES[0]))
    texts = ENCRYPT.protect("one", table)["direct_double"].to_pylist()
    revealed = [ENCRYPT.reveal("one", "direct_double", text) for text in texts]
    assert [math.copysign(1, zero) for zero in revealed] == [math.copysign(1, z) for z in zeros]


@given(policy=policies)
def test_contract_of_protected_rows(policy: PrivacyPolicy) -> None:
    """No policy changes keys, other columns or privacy classes."""
    for table in TABLES:
        effective = policy.contract[table.name].columns_by_name
        for column in table.columns:
            mode = policy.mode(table.name, column.name)
            if column.privacy == "none":
                assert mode == "plain"
            if mode == "drop":
                assert column.name not in effective
                continue
            asked = column.type if mode == "plain" else "text"
            assert effective[column.name].type == asked
            assert effective[column.name].privacy == column.privacy
            assert (
                arrow_schema(policy.contract[table.name]).field(column.name).type
                == (ARROW_TYPES[asked])
            )


@given(one=policies, other=policies)
@example(
    one=PrivacyPolicy.from_settings(
        "plain", "plain", key="a secret of some length", base_contract=CONTRACT
    ),
    other=PrivacyPolicy.from_settings(
        "plain", "plain", key="another of some length", base_contract=CONTRACT
    ),
)
def test_fingerprints_differ_with_settings(one: PrivacyPolicy, other: PrivacyPolicy) -> None:
    """Fingerprints differ exactly when a column's mode or the key in use differs."""
    ids = [
        policy.keyring.key_id if policy.keyring and not policy.is_plain else None
        for policy in (one, other)
    ]
    change = describe_policy_change(one.fingerprint(), other.fingerprint())
    assert (change is None) == (one.modes == other.modes and ids[0] == ids[1])
    assert (one.fingerprint() == other.fingerprint()) == (change is None)
    assert change is None or "\n" not in change


@given(
    direct=modes | st.text(),
    columns=st.dictionaries(st.text() | st.sampled_from(PERSONAL), modes | st.text(), max_size=3),
    key=st.none() | st.text(),
)
def test_any_settings_are_accepted_or_refused(
    direct: str, columns: dict[str, str], key: str | None
) -> None:
    """Any settings are accepted, or refused in one line."""
    refused = policy_error(direct, columns, key)
    assert refused is None or (refused.message and refused.remedy and "\n" not in str(refused))


def policy_error(direct: str, columns: dict[str, str], key: str | None) -> PolicyError | None:
    """Return the error of invalid settings; None if they are valid."""
    try:
        PrivacyPolicy.from_settings(direct, "plain", columns, key, base_contract=CONTRACT)
    except PolicyError as error:
        return error
    return None
