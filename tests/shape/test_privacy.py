"""The privacy policy: modes, keys, refusals and stored texts."""

import hmac
import json
import pickle
import re
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from argos_sync.shape.arrow_columns import arrow_schema
from argos_sync.shape.column_cipher import Keyring, RevealError
from argos_sync.shape.contract import Contract, load_contract
from argos_sync.shape.identity import content_hash
from argos_sync.shape.privacy import PolicyError, PrivacyPolicy, describe_policy_change
from argos_sync.shape.tables import shape_submissions
from shape.shaped_rows import FETCHED_AT

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
    """Return a column of protected rows."""
    result: list[Any] = policy.protect(table, shaped(*people)[table])[column].to_pylist()
    return result


# Stored values


def test_format_is_stable() -> None:
    """Later versions must find and decrypt the values that this version writes."""
    assert KEYRING.key_id == "zrXHqb2M"
    assert (
        HASH.hash_value("kim@example.com")
        == "h1.zrXHqb2M.tyLorelnIPp9hvhRR7kn85_EZ7O4FuJsrwiIhpaPZyU"
    )
    ciphertext = "e1.zrXHqb2M.tXg33cyg_IJF-c5RJ53zjrKVitFvrO2sY3fkhZbYFyM"
    assert ENCRYPT.encrypt_value("applicants", "email", "kim@example.com") == ciphertext
    assert ENCRYPT.reveal("applicants", "email", ciphertext) == "kim@example.com"


def test_hash_is_a_standard_hmac() -> None:
    """Any library can compute the hash from the key."""
    digest = hmac.digest(KEYRING.hash_key, b"tkim@example.com", "sha256")
    body = urlsafe_b64encode(digest).decode().rstrip("=")
    assert HASH.hash_value("kim@example.com") == f"h1.{KEYRING.key_id}.{body}"


def test_ciphertext_is_standard_aes_siv() -> None:
    """Any library with RFC 5297 can decrypt with the key."""
    _, _, body = ENCRYPT.encrypt_value("applicants", "email", "kim@example.com").split(".")
    ciphertext = urlsafe_b64decode(body + "=" * (-len(body) % 4))
    plain = AESSIV(KEYRING.encryption_key).decrypt(ciphertext, [b"applicants.email"])
    assert plain == b"tkim@example.com"


def test_hashes_join_across_tables_and_runs() -> None:
    """Equal texts have equal hashes in every table, column and policy with the key."""
    (userid,) = values(HASH, "submissions", "userid", PERSON)
    (email,) = values(
        PrivacyPolicy.from_settings(direct="hash", key=KEY), "applicants", "email", PERSON
    )
    assert userid == email == HASH.hash_value("kim@example.com")


def test_encrypted_values_do_not_join_across_columns() -> None:
    """Equal values have different ciphertexts in different columns."""
    (userid,) = values(ENCRYPT, "submissions", "userid", PERSON)
    (email,) = values(ENCRYPT, "applicants", "email", PERSON)
    assert userid != email
    assert userid == ENCRYPT.encrypt_value("submissions", "userid", "kim@example.com")
    assert email == ENCRYPT.encrypt_value("applicants", "email", "kim@example.com")


def test_types_have_different_hashes() -> None:
    """Values of different types that print alike have different hashes."""
    hashes = {
        HASH.hash_value("1"),
        HASH.hash_value("1", "json"),
        HASH.hash_value(1, "bigint"),
        HASH.hash_value(1.0, "double"),
    }
    assert len(hashes) == 4


def test_zeros_have_the_same_hash() -> None:
    """0.0 and -0.0 are equal, and so are their hashes."""
    assert HASH.hash_value(0.0, "double") == HASH.hash_value(-0.0, "double")


def test_time_without_a_zone_is_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's time zone does not matter."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Seoul")
        time.tzset()
        naive = HASH.hash_value(FETCHED_AT.replace(tzinfo=None), "timestamp")
    time.tzset()
    assert naive == HASH.hash_value(FETCHED_AT, "timestamp")


@pytest.mark.parametrize("policy", [PrivacyPolicy.plain(), HASH, ENCRYPT])
def test_null_stays_null(policy: PrivacyPolicy) -> None:
    """Null stays null in every mode."""
    assert values(policy, "applicants", "date_of_birth", {"data": {"name": "Kim"}}) == [None]


@pytest.mark.parametrize("policy", [HASH, ENCRYPT])
def test_empty_text_is_a_value(policy: PrivacyPolicy) -> None:
    """The API sends no empty texts, but they count as values."""
    rows = shaped(PERSON)["applicants"]
    names = pa.chunked_array([pa.array([""])])
    rows = rows.set_column(rows.column_names.index("name"), rows.schema.field("name"), names)
    (name,) = policy.protect("applicants", rows)["name"].to_pylist()
    assert name is not None
    assert policy is HASH or policy.reveal("applicants", "name", name) == ""


def test_extra_is_protected() -> None:
    """`_extra` is hashed or encrypted as a whole."""
    extra_json = '{"data.odd":1}'
    (extra,) = values(ENCRYPT, "applicants", "_extra", PERSON)
    assert ENCRYPT.reveal("applicants", "_extra", extra) == extra_json
    assert values(HASH, "applicants", "_extra", PERSON) == [HASH.hash_value(extra_json, "json")]


def test_quarantine_is_protected() -> None:
    """A quarantined object is as personal as a submission."""
    row = {"quarantine_id": "q", "run_id": "r", "received_at": FETCHED_AT, "reason": "missing"}
    rows = pa.Table.from_pylist(
        [{**row, "_extra": '{"name":"Kim"}'}], schema=arrow_schema(load_contract()["quarantine"])
    )
    (protected,) = ENCRYPT.protect("quarantine", rows).to_pylist()
    others = dict.fromkeys(("last_run_id", "submission_id", "_content_hash"))
    assert protected == {**row, **others, "_extra": protected["_extra"]}
    assert ENCRYPT.reveal("quarantine", "_extra", protected["_extra"]) == '{"name":"Kim"}'


def test_every_value_is_revealed(january: list[dict[str, Any]]) -> None:
    """Every encrypted value of a month decrypts to the original."""
    hashes = [content_hash(item) for item in january]
    for name, rows in shape_submissions(january, hashes, FETCHED_AT).tables.items():
        protected = ENCRYPT.protect(name, rows)
        for column in load_contract()[name].columns:
            result = protected[column.name].to_pylist()
            if column.privacy != "none":
                result = [text and ENCRYPT.reveal(name, column.name, text) for text in result]
            assert result == rows[column.name].to_pylist()


def test_no_personal_value_is_left(january: list[dict[str, Any]]) -> None:
    """No mode except plain leaves a personal value of a month in the rows."""
    hashes = [content_hash(item) for item in january]
    for name, rows in shape_submissions(january, hashes, FETCHED_AT).tables.items():
        personal = {c.name for c in load_contract()[name].columns if c.privacy != "none"}
        for policy in (HASH, ENCRYPT, DROP):
            protected = policy.protect(name, rows)
            for column in personal & set(protected.column_names):
                prefixes = {str(text)[:12] for text in protected[column].to_pylist() if text}
                assert prefixes <= {f"h1.{KEYRING.key_id}.", f"e1.{KEYRING.key_id}."}
            assert policy is not DROP or personal.isdisjoint(protected.column_names)


# Modes


def test_column_mode_overrides_class_mode() -> None:
    """The mode of a column applies to that column only."""
    columns = {"applicants.email": "encrypt", "applicants.gender": "plain"}
    policy = PrivacyPolicy.from_settings("drop", "hash", columns, KEY)
    assert policy.mode("applicants", "email") == "encrypt"
    assert policy.mode("applicants", "name") == "drop"
    assert policy.mode("applicants", "gender") == "plain"
    assert policy.mode("applicants", "nationality") == "hash"
    assert policy.mode("applicants", "submission_id") == "plain"
    assert policy.mode("sync_runs", "error") == "plain"


def test_contract_of_protected_rows() -> None:
    """Dropped columns are missing, protected ones are text, the rest is unchanged."""
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
def test_other_columns_are_unchanged(policy: PrivacyPolicy) -> None:
    """Keys and columns of class none keep their place and values in every table."""
    for name, rows in shaped(PERSON, {"kyc": {"result": "approved"}}).items():
        columns = [c.name for c in load_contract()[name].columns if c.privacy == "none"]
        assert policy.protect(name, rows).select(columns).equals(rows.select(columns))


def test_plain_policy_changes_nothing() -> None:
    """The plain policy does not even copy rows and contract."""
    rows = shaped(PERSON)["applicants"]
    assert PrivacyPolicy.plain().protect("applicants", rows) is rows
    assert PrivacyPolicy.plain().contract is load_contract()


def test_chunked_rows() -> None:
    """Concatenated and sliced rows are protected in their order."""
    pages = [shaped({"email": mail}, {"email": "b"})["applicants"] for mail in ("a", "b", "c")]
    rows = pa.concat_tables(pages).slice(1, 4)
    emails = ENCRYPT.protect("applicants", rows)["email"].to_pylist()
    decrypted = [ENCRYPT.reveal("applicants", "email", text) for text in emails]
    assert decrypted == ["b", "b", "b", "c"]
    assert HASH.protect("applicants", rows.slice(0, 0)).num_rows == 0


def test_rows_of_another_schema_are_refused() -> None:
    """Rows that do not have the contract's schema are refused."""
    rows = shaped(PERSON)["applicants"]
    for wrong in (
        rows.append_column("new", pa.array(["Kim"])),
        rows.drop_columns(["name"]),
        ENCRYPT.protect("applicants", rows),
    ):
        with pytest.raises(
            ValueError, match="rows of applicants do not have the columns"
        ) as caught:
            HASH.protect("applicants", wrong)
        assert "Kim" not in str(caught.value)


def test_key_columns_are_never_changed() -> None:
    """A key never changes, whatever its class, because rows are merged on it."""
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
def test_invalid_columns_are_refused(place: str, problem: str, remedy: str) -> None:
    """A column without a mode is refused with those that have one."""
    with pytest.raises(PolicyError) as caught:
        PrivacyPolicy.from_settings(columns={place: "drop"})
    assert problem in caught.value.message
    assert remedy in caught.value.remedy
    assert "kim" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "nearest"),
    [
        ("applicants.e-mail", "applicants.email"),
        ("aplicants.email", "applicants.email"),
        ("identity_number", "applicants.identity_number"),
        ("applicants.shoe", None),
        ("kyc.result", None),  # it exists, so it is no mistake in spelling
    ],
)
def test_the_nearest_column_is_named(place: str, nearest: str | None) -> None:
    """A misspelt column, or one without its table, is answered with the nearest personal one."""
    with pytest.raises(PolicyError) as caught:
        PrivacyPolicy.from_settings(columns={place: "drop"})
    named = re.match(r"did you mean (\S+)\? Otherwise (use one|name) ", caught.value.remedy)
    assert (named[1] if named else None) == nearest


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"direct": "Hash"}, "direct"),
        ({"quasi": ""}, "quasi"),
        ({"columns": {"applicants.email": "secret"}}, "columns.applicants.email"),
        ({"columns": {"applicants": {"email": "drop"}}}, "columns.applicants"),
    ],
)
def test_invalid_modes_are_refused(settings: dict[str, Any], name: str) -> None:
    """An invalid mode is not repeated, because it may be a misplaced key."""
    with pytest.raises(PolicyError) as caught:
        PrivacyPolicy.from_settings(**settings, key=KEY)
    assert str(caught.value) == (
        f"privacy.{name} has a value that is not valid; use plain, hash, encrypt or drop"
    )


@pytest.mark.parametrize("key", ["", "short", "15 characters ."])
def test_short_keys_are_refused(key: str) -> None:
    """A short key is refused with its length and not shown."""
    with pytest.raises(PolicyError, match="characters instead of at least 16") as caught:
        PrivacyPolicy.from_settings(key=key)
    assert not key or key not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [{"direct": "hash"}, {"quasi": "encrypt"}, {"columns": {"applicants.email": "hash"}}],
)
def test_missing_key_is_refused(settings: dict[str, Any]) -> None:
    """Hashing and encrypting need a key."""
    with pytest.raises(PolicyError, match=r"no value for privacy\.key"):
        PrivacyPolicy.from_settings(**settings)


def test_dropping_needs_no_key() -> None:
    """A policy that only drops columns has no key and cannot hash or decrypt."""
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
def test_values_of_another_type_are_refused(column: str, value: Any) -> None:
    """A value of another type than the column's is refused and not shown."""
    with pytest.raises(TypeError, match="a value of type") as caught:
        ENCRYPT.encrypt_value("applicants", column, value)
    assert "1990" not in str(caught.value)


@pytest.mark.parametrize(
    ("table", "column"), [("people", "email"), ("applicants", "mail"), ("", ""), ("kyc", "email")]
)
def test_unknown_columns_are_refused(table: str, column: str) -> None:
    """An unknown table or column is refused with the known ones."""
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


def test_reasons_not_to_reveal() -> None:
    """Each reason for a failed decryption has its own message."""
    other = PrivacyPolicy.from_settings("encrypt", key=f"{KEY} of another")
    ciphertext = ENCRYPT.encrypt_value("applicants", "email", "kim@example.com")
    refused = {
        "kim@example.com": "the value of applicants.email is not encrypted",
        HASH.hash_value("kim@example.com"): "the value of applicants.email is hashed",
        other.encrypt_value("applicants", "email", "kim@example.com"): (
            f"encrypted with the key {other.keyring and other.keyring.key_id},"
            f" and the configured key is {KEYRING.key_id}"
        ),
        ENCRYPT.encrypt_value("submissions", "userid", "kim@example.com"): "moved from another",
        ciphertext[:-1]: "was changed, cut off or moved",
        ciphertext[:20]: "was changed, cut off or moved",
    }
    for text, why in refused.items():
        with pytest.raises(RevealError) as caught:
            ENCRYPT.reveal("applicants", "email", text)
        assert why in str(caught.value)
        assert "kim" not in str(caught.value)
        assert text not in str(caught.value)


def test_reveal_ignores_the_current_mode() -> None:
    """An encrypted value decrypts with its key, whatever the column's current mode."""
    ciphertext = ENCRYPT.encrypt_value("applicants", "email", "kim@example.com")
    assert (
        PrivacyPolicy.from_settings(key=KEY).reveal("applicants", "email", ciphertext)
        == "kim@example.com"
    )


# Keys


def test_keys_differ() -> None:
    """Each purpose has its own key of the right length."""
    keys = [KEYRING.hash_key, KEYRING.encryption_key, KEYRING.content_key, KEYRING.suppression_key]
    assert [len(key) for key in keys] == [32, 64, 32, 32]
    assert len({key[:6] for key in keys} | {urlsafe_b64decode(KEYRING.key_id)}) == 5
    assert content_hash({"a": 1}, KEYRING.content_key) != content_hash({"a": 1})


def test_keys_are_not_shown() -> None:
    """Neither a policy nor its keyring shows a key when printed."""
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
    """A lone surrogate in a key does not raise an error that contains the key."""
    assert Keyring.from_secret("\ud800" * 16) != Keyring.from_secret("\udfff" * 16)


def test_policy_can_be_pickled() -> None:
    """A pickled policy protects rows in the same way."""
    rows = shaped(PERSON)["applicants"]
    protected = ENCRYPT.protect("applicants", rows)
    copy = pickle.loads(pickle.dumps(ENCRYPT))  # noqa: S301 - made by the test
    assert copy == ENCRYPT
    assert hash(copy) == hash(ENCRYPT)
    assert copy.protect("applicants", rows).equals(protected)
    error = pickle.loads(pickle.dumps(PolicyError("problem", "remedy")))  # noqa: S301 - made by the test
    assert str(error) == "problem; remedy"


# Fingerprints


def test_fingerprint_is_stable() -> None:
    """Equal settings have equal fingerprints, which contain every column's mode."""
    assert HASH.fingerprint() == PrivacyPolicy.from_settings("hash", "hash", key=KEY).fingerprint()
    content = json.loads(PrivacyPolicy.from_settings(quasi="drop").fingerprint())
    assert content["key"] is None
    assert content["modes"]["applicants.gender"] == "drop"
    assert content["modes"]["applicants.email"] == "plain"
    assert len(content["modes"]) == sum(len(t.columns) for t in load_contract().tables.values())


def test_policy_changes() -> None:
    """One line describes changed modes and a changed key."""
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
        " applicants.address_country and 20 more"
    )


def test_new_columns_are_not_a_change() -> None:
    """A column that only one version has does not count as a change."""
    applicants = load_contract()["applicants"]
    less = Contract({"applicants": replace(applicants, columns=applicants.columns[:-1])})
    new, old = (
        HASH.fingerprint(),
        PrivacyPolicy.from_settings("hash", "hash", key=KEY, base_contract=less).fingerprint(),
    )
    assert describe_policy_change(old, new) is None
    assert describe_policy_change(new, old) is None


@pytest.mark.parametrize("stored", ["", "kim@example.com", "[]", "{}", '{"format":1}', "5"])
def test_unreadable_fingerprints(stored: str) -> None:
    """A fingerprint of another format counts as a change and is not repeated."""
    change = describe_policy_change(stored, HASH.fingerprint())
    assert change == "a fingerprint was written by another version of argos-sync"
    stored = HASH.fingerprint().replace('"format":1', '"format":2')
    assert describe_policy_change(HASH.fingerprint(), stored) == change
