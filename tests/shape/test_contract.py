import pytest

from argos_sync.shape.contract import load_contract, safe_name, schemas_folder

PROMISED = {
    "submissions": """
        submission_id text, created_at timestamp, updated_at timestamp, kyc_result_at timestamp,
        pending_at timestamp, applicant_id text, userid text, token_id text, reviewer text,
        duplicated_information text, custom_duplicated_information text,
        recognition_score double, argos_score double, review json,
        project_options json, projection_id text, projection_name text, memo_text text,
        memo_updated_at timestamp, injection_type text, injection_time timestamp,
        id_liveness_screen_play double, id_liveness_paper_printed double,
        id_liveness_replace_portraits double, _synced_at timestamp, _changed_at timestamp,
        _content_hash text, _deleted_at timestamp, _extra json""",
    "applicants": """
        submission_id text, name text, first_name text, mid_name text, last_name text,
        full_name text, full_name_en text, gender text, age_group text, nationality text,
        date_of_birth date, ip_address text, serial_number text, ssn_number text,
        curp_number text, privacy_shield text, version text, phone_number text,
        id_type text, idcard_issuing_country text, idcard_issue_date date,
        idcard_expire_date date, identity_number text, document_number text, address_city text,
        address_country text, address_state text, address_street text, address_street2 text,
        address_zipcode text, address_global_code text, address_compound_code text,
        address_formatted text, address_input text, address_detail text, cf1 text, cf2 text,
        cf3 text, email text, id_image text, id_back_image text, selfie_image text,
        address_image text, ocr_raw json, ocr json, verification json, type_of_permit text,
        type_of_permit_gov_kor text, expiry_date_of_stay_kor date, nationality_gov_kor text,
        _extra json""",
    "kyc": "submission_id text, result text, _extra json",
    "kyc_comments": """
        submission_id text, comment_index bigint, comment text, comment_code text, _extra json""",
    "attempts": """
        submission_id text, attempt_index bigint, attempt_cnt bigint, id_barcode_result text,
        verification_result text, verification json, verification_params json, error_code text,
        error_msg text, step1_time1st timestamp, step1_time2nd timestamp,
        step1_time3rd timestamp, step2_time1st timestamp, step2_time2nd timestamp,
        step2_time3rd timestamp, face_similarity_score double, selfie_image text,
        liveness_score double, liveness_detail_score double, liveness_detail_probability double,
        liveness_detail_quality double, _extra json""",
    "attempt_retries": """
        submission_id text, attempt_index bigint, retry_index bigint, retry_code text,
        retry_msg text, _extra json""",
    "aml": """
        submission_id text, risk_level_summary text, current_status text, raw_data json,
        _extra json""",
    "matches": """
        submission_id text, match_index bigint, risk_level text, argos_number text,
        resource_id text, score double, _extra json""",
    "match_risk_icons": """
        submission_id text, match_index bigint, icon_index bigint, risk_icon text, _extra json""",
    "bank_verification": """
        submission_id text, result text, type text, bank_code text, account_number text,
        retry_count bigint, _extra json""",
    "additional_answers": """
        submission_id text, answer_index bigint, answer text, input_value text, block_type text,
        _extra json""",
    "submission_changes": """
        submission_id text, changed_at timestamp, table_name text, column_name text""",
    "submission_status_history": """
        submission_id text, kyc_result text, aml_current_status text,
        aml_risk_level_summary text, reviewer text, valid_from timestamp, valid_to timestamp""",
    "quarantine": """
        quarantine_id text, run_id text, last_run_id text, submission_id text,
        _content_hash text, received_at timestamp, reason text, _extra json""",
}
KEYS = {
    "submissions": ["submission_id"],
    "applicants": ["submission_id"],
    "kyc": ["submission_id"],
    "kyc_comments": ["submission_id", "comment_index"],
    "attempts": ["submission_id", "attempt_index"],
    "attempt_retries": ["submission_id", "attempt_index", "retry_index"],
    "aml": ["submission_id"],
    "matches": ["submission_id", "match_index"],
    "match_risk_icons": ["submission_id", "match_index", "icon_index"],
    "bank_verification": ["submission_id"],
    "additional_answers": ["submission_id", "answer_index"],
    "submission_status_history": ["submission_id", "valid_from"],
    "submission_changes": ["submission_id", "changed_at", "table_name", "column_name"],
    "sync_runs": ["run_id"],
    "sync_windows": ["window_id"],
    "sync_checks": ["run_id", "check_name", "place"],
    "quarantine": ["quarantine_id"],
}

PRIVACY = ["sync_suppressions", "sync_erasures", "sync_reveals"]


@pytest.mark.parametrize("table", PROMISED)
def test_columns(table: str) -> None:
    """A table has the promised columns with the promised types, and no others."""
    columns = load_contract()[table].columns
    assert {f"{c.name} {c.type}" for c in columns} == {
        promised.strip() for promised in PROMISED[table].split(",")
    }


@pytest.mark.parametrize("table", KEYS)
def test_keys(table: str) -> None:
    """Each table has the documented key, whose columns are never null."""
    contract = load_contract()[table]
    assert list(contract.key) == KEYS[table]
    assert not any(contract.columns_by_name[name].nullable for name in contract.key)


def test_tables() -> None:
    """The contract has the promised tables, the list of issues and those of privacy, no others."""
    assert set(load_contract().tables) == {*KEYS, "sync_issues", *PRIVACY}


@pytest.mark.parametrize("table", ["sync_issues", "sync_checks", *PRIVACY])
def test_own_tables_hold_no_value(table: str) -> None:
    """What argos-sync writes of what it did is in columns that cannot hold a value."""
    assert all(column.privacy == "none" for column in load_contract()[table].columns)


def test_issues_say_where_and_what() -> None:
    """Not what the value was."""
    columns = load_contract()["sync_issues"].columns_by_name
    assert {"run_id", "submission_id", "table_name", "path", "problem"} <= set(columns)


def test_enumerations_are_not_personal() -> None:
    """Reports name unknown values of enumerations, so these columns must not be personal."""
    columns = {
        f"{table.name}.{column.name}": column
        for table in load_contract().api_tables
        for column in table.columns
        if column.known
    }
    assert columns["kyc.result"].known == ("approved", "rejected", "pending", "incomplete")
    assert len(columns) > 5
    assert {(one.privacy, one.type) for one in columns.values()} == {("none", "text")}
    assert min(len(one.known) for one in columns.values()) > 1


def test_created_at_is_never_null() -> None:
    """A submission without a creation time is invalid."""
    assert not load_contract()["submissions"].columns_by_name["created_at"].nullable


def test_tables_come_parents_first() -> None:
    """Submissions come first, and lists after the objects that contain them."""
    names = [table.name for table in load_contract().api_tables]
    assert names[0] == "submissions"
    for parent, child in [
        ("kyc", "kyc_comments"),
        ("kyc", "attempts"),
        ("attempts", "attempt_retries"),
        ("aml", "matches"),
        ("matches", "match_risk_icons"),
    ]:
        assert names.index(parent) < names.index(child)


def test_extra_is_personal() -> None:
    """`_extra` may contain anything, so it has the strictest privacy class."""
    extras = [table.columns_by_name["_extra"] for table in load_contract().api_tables]
    assert {column.privacy for column in extras} == {"direct"}
    assert {column.nullable for column in extras} == {True}


def test_images_are_marked_as_urls() -> None:
    """The columns whose query part may change on every fetch are the images."""
    urls = {c.path for table in load_contract().api_tables for c in table.columns if c.url}
    assert urls == {
        "image.idImage",
        "image.idBackImage",
        "image.selfieImage",
        "image.addressImage",
        "kyc.attempts[i].selfieImage",
    }


def test_every_column_has_a_meaning_of_one_line() -> None:
    """Every column and table has one line for the data dictionary."""
    for table in load_contract().tables.values():
        assert table.description
        assert "\n" not in table.description
        for column in table.columns:
            assert column.meaning
            assert "\n" not in column.meaning


def test_submission_id_is_read_once() -> None:
    """Other tables take the submission's id from the submission, not from their object."""
    contract = load_contract()
    assert "submission_id" in [c.name for c in contract["submissions"].api_columns]
    assert "submission_id" not in [c.name for c in contract["kyc"].api_columns]


def test_index_columns() -> None:
    """The key columns after the submission's id are positions, in API tables only."""
    contract = load_contract()
    assert contract["attempt_retries"].index_columns == ("attempt_index", "retry_index")
    assert contract["submissions"].index_columns == ()
    assert contract["submission_status_history"].index_columns == ()


def test_documented_keys() -> None:
    """The keys keys of an API object include those of other tables."""
    keys = load_contract().documented_keys
    assert keys["aml"] == {"risk_level_summary", "currentstatus", "raw_data", "matches"}
    assert keys["kyc"] == {"result", "comment", "commentCode", "attempts"}
    assert keys["kyc.attempts[i].liveness"] == {"score", "probability", "quality"}
    assert {"submission_id", "data", "kyc", "memo", "OCR_raw"} <= keys[""]


def test_schemas_folder() -> None:
    """The package finds its schema files, one for each table."""
    assert {path.stem for path in schemas_folder().glob("*.yaml")} == set(load_contract().tables)


@pytest.mark.parametrize("name", ["newField", "id_type", "_x", "x-y", "a" * 64])
def test_safe_names_are_shown(name: str) -> None:
    """A name that looks like an identifier is shown in reports."""
    assert safe_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "kim@example.com", "Kim Minjun", "9lives", "김", "a" * 65, "a.b", "x\n"]
)
def test_other_names_are_hidden(name: str) -> None:
    """A name that may be personal is shown as a star."""
    assert safe_name(name) == "*"
