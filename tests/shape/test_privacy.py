"""What happens to personal values: modes, keys, refusals, and the texts that are stored."""

from __future__ import annotations

import hmac
import json
import pickle
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from argos_sync.shape.column_cipher import Keyring, RevealError
from argos_sync.shape.columns import arrow_schema
from argos_sync.shape.contract import Contract, load_contract
from argos_sync.shape.identity import content_hash
from argos_sync.shape.privacy import PolicyError, PrivacyPolicy, describe_policy_change
from argos_sync.shape.tables import shape_submissions
from shape.reading import FETCHED_AT

KEY = "a secret of some length"
HASH = PrivacyPolicy.from_settings("hash", "hash", key=KEY)
ENCRYPT = PrivacyPolicy.from_settings("encrypt", "encrypt", key=KEY)
DROP = PrivacyPolicy.from_settings("drop", "drop")
KEYRING = Keyring.from_secret(KEY)
PERSON = {
    "userid": "kim@example.com",
    "email": "kim@example.com",
    "data": {"name": "Kim", "date_of_birth": "1990-12-31", "idType": "passport", "odd": 1},
}


def shaped(*people: dict[str, Any]) -> dict[str, pa.Table]:
    """Tables of submissions made of these fields, s0 and on."""
    items = [
        {"submission_id": f"s{number}", "created_at": "2026-01-05-09-00-00-123", **fields}
        for number, fields in enumerate(people)
    ]
    return shape_submissions(items, [content_hash(item) for item in items], FETCHED_AT).tables


def values(policy: PrivacyPolicy, table: str, column: str, *people: dict[str, Any]) -> list[Any]:
    """A column of the protected rows of some people."""
    found: list[Any] = policy.protect(table, shaped(*people)[table])[column].to_pylist()
    return found


# What is stored


def test_stored_texts_never_change() -> None:
    """What a version of argos-sync has written is found and opened by all later ones."""
    assert KEYRING.key_id == "zrXHqb2M"
    assert (
        HASH.hash_value("kim@example.com")
        == "h1.zrXHqb2M.tyLorelnIPp9hvhRR7kn85_EZ7O4FuJsrwiIhpaPZyU"
    )
    sealed = "e1.zrXHqb2M.tXg33cyg_IJF-c5RJ53zjrKVitFvrO2sY3fkhZbYFyM"
    assert ENCRYPT.encrypt_value("applicants", "email", "kim@example.com") == sealed
    assert ENCRYPT.reveal("applicants", "email", sealed) == "kim@example.com"


def test_a_hash_is_an_ordinary_hmac() -> None:
    """Whoever has the key can make the hash with any library."""
    digest = hmac.digest(KEYRING.hash_key, b"tkim@example.com", "sha256")
    body = urlsafe_b64encode(digest).decode().rstrip("=")
    assert HASH.hash_value("kim@example.com") == f"h1.{KEYRING.key_id}.{body}"


def test_an_encrypted_value_is_ordinary_aes_siv() -> None:
    """Whoever has the key can decrypt with any library that knows RFC 5297."""
    _, _, body = ENCRYPT.encrypt_value("applicants", "email", "kim@example.com").split(".")
    sealed = urlsafe_b64decode(body + "=" * (-len(body) % 4))
    plain = AESSIV(KEYRING.encryption_key).decrypt(sealed, [b"applicants.email"])
    assert plain == b"tkim@example.com"


def test_hashes_join_across_tables_and_runs() -> None:
    """The same text has the same hash in every table and column, by every policy of the key."""
    (userid,) = values(HASH, "submissions", "userid", PERSON)
    (email,) = values(
        PrivacyPolicy.from_settings(direct="hash", key=KEY), "applicants", "email", PERSON
    )
    assert userid == email == HASH.hash_value("kim@example.com")


def test_encrypted_values_do_not_join_across_columns() -> None:
    """A ciphertext belongs to its column, and is found with the column's name."""
    (userid,) = values(ENCRYPT, "submissions", "userid", PERSON)
    (email,) = values(ENCRYPT, "applicants", "email", PERSON)
    assert userid != email
    assert userid == ENCRYPT.encrypt_value("submissions", "userid", "kim@example.com")
    assert email == ENCRYPT.encrypt_value("applicants", "email", "kim@example.com")


def test_types_are_told_apart() -> None:
    """Values that print alike but are of different types have nothing to do with each other."""
    hashes = {
        HASH.hash_value("1"),
        HASH.hash_value("1", "json"),
        HASH.hash_value(1, "bigint"),
        HASH.hash_value(1.0, "double"),
    }
    assert len(hashes) == 4


def test_both_zeros_are_one_number() -> None:
    """Zero and minus zero are equal, and so are their hashes."""
    assert HASH.hash_value(0.0, "double") == HASH.hash_value(-0.0, "double")


def test_a_moment_without_a_zone_is_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own time zone does not count."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Seoul")
        time.tzset()
        naive = HASH.hash_value(FETCHED_AT.replace(tzinfo=None), "timestamp")
    time.tzset()
    assert naive == HASH.hash_value(FETCHED_AT, "timestamp")


@pytest.mark.parametrize("policy", [PrivacyPolicy.plain(), HASH, ENCRYPT])
def test_null_stays_null(policy: PrivacyPolicy) -> None:
    """A value that is not there is not there in any mode."""
    assert values(policy, "applicants", "date_of_birth", {"data": {"name": "Kim"}}) == [None]


@pytest.mark.parametrize("policy", [HASH, ENCRYPT])
def test_an_empty_text_is_a_value(policy: PrivacyPolicy) -> None:
    """Empty texts do not come from the API, but are not taken for nothing."""
    rows = shaped(PERSON)["applicants"]
    names = pa.chunked_array([pa.array([""])])
    rows = rows.set_column(rows.column_names.index("name"), rows.schema.field("name"), names)
    (name,) = policy.protect("applicants", rows)["name"].to_pylist()
    assert name is not None
    assert policy is HASH or policy.reveal("applicants", "name", name) == ""


def test_the_rest_of_a_row_is_protected_too() -> None:
    """What has no column is in `_extra`, which is encrypted and hashed whole."""
    kept = '{"data.odd":1}'
    (extra,) = values(ENCRYPT, "applicants", "_extra", PERSON)
    assert ENCRYPT.reveal("applicants", "_extra", extra) == kept
    assert values(HASH, "applicants", "_extra", PERSON) == [HASH.hash_value(kept, "json")]


def test_quarantine_is_protected_too() -> None:
    """An object without an id is as personal as any other."""
    row = {"quarantine_id": "q", "run_id": "r", "received_at": FETCHED_AT, "reason": "missing"}
    rows = pa.Table.from_pylist(
        [{**row, "_extra": '{"name":"Kim"}'}], schema=arrow_schema(load_contract()["quarantine"])
    )
    (found,) = ENCRYPT.protect("quarantine", rows).to_pylist()
    assert found == {**row, "_extra": found["_extra"]}
    assert ENCRYPT.reveal("quarantine", "_extra", found["_extra"]) == '{"name":"Kim"}'


def test_whatever_comes_is_revealed_again(january: list[dict[str, Any]]) -> None:
    """Every value of every table of a month is what it was after a way there and back."""
    hashes = [content_hash(item) for item in january]
    for name, rows in shape_submissions(january, hashes, FETCHED_AT).tables.items():
        protected = ENCRYPT.protect(name, rows)
        for column in load_contract()[name].columns:
            found = protected[column.name].to_pylist()
            if column.privacy != "none":
                found = [text and ENCRYPT.reveal(name, column.name, text) for text in found]
            assert found == rows[column.name].to_pylist()


def test_nothing_personal_is_left(january: list[dict[str, Any]]) -> None:
    """No personal text of a month is in what is written, hashed or encrypted or dropped."""
    hashes = [content_hash(item) for item in january]
    for name, rows in shape_submissions(january, hashes, FETCHED_AT).tables.items():
        personal = {c.name for c in load_contract()[name].columns if c.privacy != "none"}
        for policy in (HASH, ENCRYPT, DROP):
            protected = policy.protect(name, rows)
            for column in personal & set(protected.column_names):
                prefixes = {str(text)[:12] for text in protected[column].to_pylist() if text}
                assert prefixes <= {f"h1.{KEYRING.key_id}.", f"e1.{KEYRING.key_id}."}
            assert policy is not DROP or personal.isdisjoint(protected.column_names)


# Which mode a column has


def test_a_column_goes_before_its_class() -> None:
    """A mode for one column holds for this column alone."""
    columns = {"applicants.email": "encrypt", "applicants.gender": "plain"}
    policy = PrivacyPolicy.from_settings("drop", "hash", columns, KEY)
    assert policy.mode("applicants", "email") == "encrypt"
    assert policy.mode("applicants", "name") == "drop"
    assert policy.mode("applicants", "gender") == "plain"
    assert policy.mode("applicants", "nationality") == "hash"
    assert policy.mode("applicants", "submission_id") == "plain"
    assert policy.mode("sync_runs", "error") == "plain"


def test_the_effective_contract() -> None:
    """Dropped columns are gone, protected ones texts, and the rest is what it was."""
    original = load_contract()["applicants"]
    policy = PrivacyPolicy.from_settings("drop", "hash", {"applicants.ocr_raw": "encrypt"}, KEY)
    effective = policy.contract["applicants"]
    assert effective.key == original.key
    assert effective.columns_by_name["date_of_birth"] == replace(
        original.columns_by_name["date_of_birth"], type="text"
    )
    assert effective.columns_by_name["ocr_raw"].type == "text"
    assert effective.columns_by_name["id_type"] == original.columns_by_name["id_type"]
    assert {"name", "email", "_extra"}.isdisjoint(effective.columns_by_name)
    assert policy.contract["sync_runs"] == load_contract()["sync_runs"]


@pytest.mark.parametrize("policy", [HASH, ENCRYPT, DROP])
def test_what_is_not_personal_stays(policy: PrivacyPolicy) -> None:
    """Keys and all columns of class none are the same in every table, in place and value."""
    for name, rows in shaped(PERSON, {"kyc": {"result": "approved"}}).items():
        kept = [c.name for c in load_contract()[name].columns if c.privacy == "none"]
        assert policy.protect(name, rows).select(kept).equals(rows.select(kept))


def test_the_plain_policy_changes_nothing() -> None:
    """Without settings, rows and contract are not even copied."""
    rows = shaped(PERSON)["applicants"]
    assert PrivacyPolicy.plain().protect("applicants", rows) is rows
    assert PrivacyPolicy.plain().contract is load_contract()


def test_rows_in_pieces() -> None:
    """Rows put together from pages and cut out of them are protected in their order."""
    pages = [shaped({"email": mail}, {"email": "b"})["applicants"] for mail in ("a", "b", "c")]
    rows = pa.concat_tables(pages).slice(1, 4)
    emails = ENCRYPT.protect("applicants", rows)["email"].to_pylist()
    opened = [ENCRYPT.reveal("applicants", "email", text) for text in emails]
    assert opened == ["b", "b", "b", "c"]
    assert HASH.protect("applicants", rows.slice(0, 0)).num_rows == 0


def test_columns_nobody_knows_do_not_get_past() -> None:
    """Rows that are not as the contract has them are refused, dropped ones included."""
    rows = shaped(PERSON)["applicants"]
    for wrong in (
        rows.append_column("new", pa.array(["Kim"])),
        rows.drop_columns(["name"]),
        ENCRYPT.protect("applicants", rows),
    ):
        with pytest.raises(ValueError, match="rows of applicants do not have the columns") as got:
            HASH.protect("applicants", wrong)
        assert "Kim" not in str(got.value)


def test_a_personal_key_is_never_changed() -> None:
    """A key stays as it is whatever class a contract gives it, or rows could not be replaced."""
    table = load_contract()["kyc"]
    id_, *others = table.columns
    contract = Contract(
        {"kyc": replace(table, columns=(replace(id_, privacy="direct"), *others))},
    )
    assert (
        PrivacyPolicy.from_settings(direct="drop", base_contract=contract).mode(
            "kyc", "submission_id"
        )
        == "plain"
    )
    with pytest.raises(PolicyError, match="is never changed"):
        PrivacyPolicy.from_settings(columns={"kyc.submission_id": "drop"}, base_contract=contract)


# Refusals


@pytest.mark.parametrize(
    ("place", "problem", "remedy"),
    [
        ("submissions.submission_id", "submissions.submission_id is not personal", "_extra"),
        ("submissions.created_at", "submissions.created_at is not personal", "submissions.userid"),
        ("kyc.result", "kyc.result is not personal", "use one of kyc._extra"),
        ("sync_runs.error", "sync_runs.error is not personal", "nothing in sync_runs is personal"),
        ("applicants.e-mail", "applicants has no column e-mail", "applicants.email, "),
        ("applicants", "applicants has no column *", "applicants.email, "),
        ("applicant.email", "there is no table applicant", "applicants, "),
        ("email", "there is no table email", "name columns as table.column"),
        ("kim@example.com.x", "there is no table *", "name columns as table.column"),
    ],
)
def test_columns_that_cannot_be_set(place: str, problem: str, remedy: str) -> None:
    """What must not or cannot be changed is refused, with what can be."""
    with pytest.raises(PolicyError) as got:
        PrivacyPolicy.from_settings(columns={place: "drop"})
    assert problem in got.value.problem
    assert remedy in got.value.remedy
    assert "kim" not in str(got.value)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"direct": "Hash"}, "direct"),
        ({"quasi": ""}, "quasi"),
        ({"columns": {"applicants.email": "secret"}}, "columns.applicants.email"),
        ({"columns": {"applicants": {"email": "drop"}}}, "columns.applicants"),
    ],
)
def test_modes_that_do_not_exist(settings: dict[str, Any], name: str) -> None:
    """A mode that is none is not repeated, for it may be a key in the wrong place."""
    with pytest.raises(PolicyError) as got:
        PrivacyPolicy.from_settings(**settings, key=KEY)
    assert str(got.value) == (
        f"privacy.{name} has a value that is not valid; use plain, hash, encrypt or drop"
    )


@pytest.mark.parametrize("key", ["", "short", "15 characters ."])
def test_short_keys_are_refused(key: str) -> None:
    """A key that could be guessed is refused by its length, in words that do not show it."""
    with pytest.raises(PolicyError, match="characters instead of at least 16") as got:
        PrivacyPolicy.from_settings(key=key)
    assert not key or key not in str(got.value)


@pytest.mark.parametrize(
    "settings",
    [{"direct": "hash"}, {"quasi": "encrypt"}, {"columns": {"applicants.email": "hash"}}],
)
def test_a_key_is_needed(settings: dict[str, Any]) -> None:
    """Hashing and encrypting need a key, wherever they are asked for."""
    with pytest.raises(PolicyError, match=r"no value for privacy\.key"):
        PrivacyPolicy.from_settings(**settings)


def test_no_key_is_needed_to_drop() -> None:
    """Without hashing or encrypting there is nothing to have a key for."""
    assert DROP.keyring is None
    for look_up in (
        lambda: DROP.hash_value("x"),
        lambda: DROP.encrypt_value("applicants", "email", "x"),
        lambda: DROP.reveal("applicants", "email", "x"),
    ):
        with pytest.raises(PolicyError, match=r"no value for privacy\.key"):
            look_up()


@pytest.mark.parametrize(
    ("column", "value"),
    [("email", 5), ("email", None), ("date_of_birth", "1990-12-31"), ("date_of_birth", FETCHED_AT)],
)
def test_values_of_another_type_are_not_looked_up(column: str, value: Any) -> None:
    """What could not be in the column is told, not searched in vain."""
    with pytest.raises(TypeError, match="a value of type") as got:
        ENCRYPT.encrypt_value("applicants", column, value)
    assert "1990" not in str(got.value)


@pytest.mark.parametrize(
    ("table", "column"), [("people", "email"), ("applicants", "mail"), ("", ""), ("kyc", "email")]
)
def test_unknown_columns(table: str, column: str) -> None:
    """Every question about a column that does not exist is answered with those that do."""
    for ask in (
        lambda: ENCRYPT.mode(table, column),
        lambda: ENCRYPT.reveal(table, column, "x"),
        lambda: ENCRYPT.encrypt_value(table, column, "x"),
    ):
        with pytest.raises(PolicyError, match=r"there is no table|has no column"):
            ask()
    with pytest.raises(PolicyError, match="there is no table people"):
        ENCRYPT.protect("people", pa.table({}))


# Revealing


def test_what_cannot_be_revealed() -> None:
    """Each reason why a text does not open has words of its own."""
    other = PrivacyPolicy.from_settings("encrypt", key=f"{KEY} of another")
    sealed = ENCRYPT.encrypt_value("applicants", "email", "kim@example.com")
    refused = {
        "kim@example.com": "the value of applicants.email is not encrypted",
        HASH.hash_value("kim@example.com"): "the value of applicants.email is hashed",
        other.encrypt_value("applicants", "email", "kim@example.com"): (
            f"encrypted with the key {other.keyring and other.keyring.key_id},"
            f" and the configured key is {KEYRING.key_id}"
        ),
        ENCRYPT.encrypt_value("submissions", "userid", "kim@example.com"): "moved from another",
        sealed[:-1]: "was changed, cut off or moved",
        sealed[:20]: "was changed, cut off or moved",
    }
    for text, why in refused.items():
        with pytest.raises(RevealError) as got:
            ENCRYPT.reveal("applicants", "email", text)
        assert why in str(got.value)
        assert "kim" not in str(got.value)
        assert text not in str(got.value)


def test_old_values_are_revealed_under_another_mode() -> None:
    """What was encrypted opens with its key, whatever happens to the column today."""
    sealed = ENCRYPT.encrypt_value("applicants", "email", "kim@example.com")
    assert (
        PrivacyPolicy.from_settings(key=KEY).reveal("applicants", "email", sealed)
        == "kim@example.com"
    )


# Keys


def test_keys_are_apart() -> None:
    """Each use has a key of its own, long enough for it, and none tells another."""
    keys = [KEYRING.hash_key, KEYRING.encryption_key, KEYRING.content_key, KEYRING.suppression_key]
    assert [len(key) for key in keys] == [32, 64, 32, 32]
    assert len({key[:6] for key in keys} | {urlsafe_b64decode(KEYRING.key_id)}) == 5
    assert content_hash({"a": 1}, KEYRING.content_key) != content_hash({"a": 1})


def test_keys_are_not_shown() -> None:
    """Neither a policy nor its keyring shows a key when it is printed."""
    for shown in (repr(HASH), repr(KEYRING), str(HASH), HASH.fingerprint()):
        assert KEY not in shown
        assert KEYRING.key_id in shown
        for key in (
            KEYRING.hash_key,
            KEYRING.encryption_key,
            KEYRING.content_key,
            KEYRING.suppression_key,
        ):
            assert repr(key)[2:-1] not in shown


def test_any_text_may_be_a_key() -> None:
    """A stray surrogate in a key does not raise an error that carries the key."""
    assert Keyring.from_secret("\ud800" * 16) != Keyring.from_secret("\udfff" * 16)


def test_a_policy_goes_to_another_process() -> None:
    """A policy that was used can be pickled, and does the same there."""
    rows = shaped(PERSON)["applicants"]
    protected = ENCRYPT.protect("applicants", rows)
    copy = pickle.loads(pickle.dumps(ENCRYPT))  # noqa: S301 our own
    assert copy == ENCRYPT
    assert hash(copy) == hash(ENCRYPT)
    assert copy.protect("applicants", rows).equals(protected)
    error = pickle.loads(pickle.dumps(PolicyError("problem", "remedy")))  # noqa: S301 our own
    assert str(error) == "problem; remedy"


# Fingerprints


def test_a_fingerprint_is_stable() -> None:
    """The same settings have the same fingerprint, which names every column's mode."""
    assert HASH.fingerprint() == PrivacyPolicy.from_settings("hash", "hash", key=KEY).fingerprint()
    found = json.loads(PrivacyPolicy.from_settings(quasi="drop").fingerprint())
    assert found["key"] is None
    assert found["modes"]["applicants.gender"] == "drop"
    assert found["modes"]["applicants.email"] == "plain"
    assert len(found["modes"]) == sum(len(t.columns) for t in load_contract().tables.values())


def test_differences() -> None:
    """One line tells which columns changed their mode, and whether the key did."""
    plain, one = (
        PrivacyPolicy.plain(),
        PrivacyPolicy.from_settings(columns={"kyc._extra": "hash"}, key=KEY),
    )
    other = PrivacyPolicy.from_settings(
        columns={"kyc._extra": "drop"}, key="another secret of some length"
    )
    assert describe_policy_change(one.fingerprint(), one.fingerprint()) is None
    assert describe_policy_change(plain.fingerprint(), one.fingerprint()) == (
        f"plain became hash for kyc._extra; the key was not set and is {KEYRING.key_id}"
    )
    assert describe_policy_change(one.fingerprint(), other.fingerprint()) == (
        "hash became drop for kyc._extra; the key was"
        f" {KEYRING.key_id} and is {other.keyring and other.keyring.key_id}"
    )
    assert describe_policy_change(
        PrivacyPolicy.from_settings(quasi="drop").fingerprint(), plain.fingerprint()
    ) == (
        "drop became plain for additional_answers.answer, applicants.address_city,"
        " applicants.address_country and 19 more"
    )


def test_columns_of_other_versions_are_no_difference() -> None:
    """A column that one version has and another has not never had another mode."""
    applicants = load_contract()["applicants"]
    less = Contract({"applicants": replace(applicants, columns=applicants.columns[:-1])})
    new, old = (
        HASH.fingerprint(),
        PrivacyPolicy.from_settings("hash", "hash", key=KEY, base_contract=less).fingerprint(),
    )
    assert describe_policy_change(old, new) is None
    assert describe_policy_change(new, old) is None


@pytest.mark.parametrize("stored", ["", "kim@example.com", "[]", "{}", '{"format":1}', "5"])
def test_fingerprints_that_cannot_be_read(stored: str) -> None:
    """What is no fingerprint of this version differs, and is not repeated."""
    told = describe_policy_change(stored, HASH.fingerprint())
    assert told == "a fingerprint was written by another version of argos-sync"
    stored = HASH.fingerprint().replace('"format":1', '"format":2')
    assert describe_policy_change(HASH.fingerprint(), stored) == told
