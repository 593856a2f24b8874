"""An independent, slow implementation of the contract's tables, to test the fast one against.

It follows the text of the contract and of the API page. It imports nothing of the package, reads
no schema file and converts one value at a time, so the same error in both implementations is
unlikely. If they disagree, one of them misreads the contract.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Any, NamedTuple

TEXT, BIGINT, DOUBLE = "text", "bigint", "double"
DATE, TIMESTAMP, JSON = "date", "timestamp", "json"


class Column(NamedTuple):
    """A column: its name, its type, and the path of its value in the row's object."""

    name: str
    kind: str
    path: str


def _columns(kind: str, **paths: str) -> list[Column]:
    return [Column(name, kind, path) for name, path in paths.items()]


SUBMISSIONS = [
    *_columns(
        TIMESTAMP,
        created_at="created_at",
        updated_at="updated_at",
        kyc_result_at="kyc_result_at",
        pending_at="pending_at",
        memo_updated_at="memo.updated_at",
        injection_time="Injection_action.time",
    ),
    *_columns(
        TEXT,
        applicant_id="applicant_id",
        userid="userid",
        token_id="tokenId",
        reviewer="reviewer",
        duplicated_information="duplicated_information",
        custom_duplicated_information="custom_duplicated_information",
        projection_id="projection.projectionId",
        projection_name="projection.projectionName",
        memo_text="memo.text",
        injection_type="Injection_action.type",
    ),
    *_columns(
        DOUBLE,
        recognition_score="recognition_score",
        argos_score="argos_score",
        id_liveness_screen_play="id_LivenessScore.Screen_play",
        id_liveness_paper_printed="id_LivenessScore.Paper_printed",
        id_liveness_replace_portraits="id_LivenessScore.Replace_portraits",
    ),
    *_columns(JSON, project_options="project_options", review="review"),
]
APPLICANTS = [
    *_columns(
        TEXT,
        name="data.name",
        first_name="data.first_name",
        mid_name="data.mid_name",
        last_name="data.last_name",
        full_name="data.full_name",
        full_name_en="data.full_name_en",
        gender="data.gender",
        age_group="data.age_group",
        nationality="data.nationality",
        ip_address="data.ip_address",
        id_type="data.idType",
        idcard_issuing_country="data.idcard_issuingCountry",
        identity_number="data.identityNumber",
        document_number="data.documentNumber",
        serial_number="data.serialNumber",
        ssn_number="data.ssnNumber",
        curp_number="data.curpNumber",
        privacy_shield="data.privacyShield",
        version="data.version",
        address_city="data.address_city",
        address_country="data.address_country",
        address_state="data.address_state",
        address_street="data.address_street",
        address_street2="data.address_street2",
        address_zipcode="data.address_zipcode",
        address_global_code="data.address_globalCode",
        address_compound_code="data.address_compoundCode",
        address_formatted="data.address_formatted",
        address_input="data.address_input",
        address_detail="data.address_detail",
        cf1="data.cf1",
        cf2="data.cf2",
        cf3="data.cf3",
        type_of_permit="data.typeOfPermit",
        type_of_permit_gov_kor="data.typeOfPermitGovKor",
        nationality_gov_kor="data.nationalityGovKor",
        email="email",
        phone_number="data.phoneNumber",
        id_image="image.idImage",
        id_back_image="image.idBackImage",
        selfie_image="image.selfieImage",
        address_image="image.addressImage",
    ),
    *_columns(
        DATE,
        date_of_birth="data.date_of_birth",
        idcard_issue_date="data.idcard_issueDate",
        idcard_expire_date="data.idcard_expireDate",
        expiry_date_of_stay_kor="data.expiryDateOfStayKor",
    ),
    *_columns(JSON, ocr_raw="OCR_raw", ocr="ocr", verification="verification"),
]
KYC = _columns(TEXT, result="result")
ATTEMPTS = [
    *_columns(BIGINT, attempt_cnt="attemptCnt"),
    *_columns(
        TEXT,
        id_barcode_result="idBarcodeResult",
        verification_result="verificationResult",
        error_code="errorCode",
        error_msg="errorMsg",
        selfie_image="selfieImage",
    ),
    *_columns(JSON, verification="verification", verification_params="verificationParams"),
    *_columns(
        TIMESTAMP,
        step1_time1st="step1Time1st",
        step1_time2nd="step1Time2nd",
        step1_time3rd="step1Time3rd",
        step2_time1st="step2Time1st",
        step2_time2nd="step2Time2nd",
        step2_time3rd="step2Time3rd",
    ),
    *_columns(
        DOUBLE,
        face_similarity_score="faceSimilarityScore",
        liveness_score="livenessScore",
        liveness_detail_score="liveness.score",
        liveness_detail_probability="liveness.probability",
        liveness_detail_quality="liveness.quality",
    ),
]
AML = [
    *_columns(TEXT, risk_level_summary="risk_level_summary", current_status="currentstatus"),
    *_columns(JSON, raw_data="raw_data"),
]
MATCHES = [
    *_columns(
        TEXT, risk_level="risk_level", argos_number="argos_number", resource_id="resource_id"
    ),
    *_columns(DOUBLE, score="score"),
]
BANK_VERIFICATION = [
    *_columns(
        TEXT,
        result="result",
        type="type",
        bank_code="bank_code",
        account_number="account_number",
    ),
    *_columns(BIGINT, retry_count="retry_count"),
]
ADDITIONAL_ANSWERS = _columns(
    TEXT, answer="answer", input_value="inputValue", block_type="blockType"
)
TABLES = (
    "submissions",
    "applicants",
    "kyc",
    "kyc_comments",
    "attempts",
    "attempt_retries",
    "aml",
    "matches",
    "match_risk_icons",
    "bank_verification",
    "additional_answers",
)


def flatten(submissions: Iterable[Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of every table of the API, without the columns that argos-sync adds."""
    tables: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
    for submission in submissions:
        if _usable(submission):
            _flatten_one(submission, tables)
    return tables


def quarantined(submissions: Iterable[Any]) -> list[Any]:
    """Return the submissions that cannot become rows."""
    return [submission for submission in submissions if not _usable(submission)]


def submission_id(submission: Any) -> str | None:
    """Return the id in all rows of this submission; None if it has no usable id."""
    if not isinstance(submission, dict) or absent(submission.get("submission_id")):
        return None
    try:
        return _text(submission["submission_id"])
    except ValueError:
        return None


def _usable(submission: Any) -> bool:
    if submission_id(submission) is None or absent(submission.get("created_at")):
        return False
    try:
        _timestamp(submission["created_at"])
    except ValueError:
        return False
    return True


def absent(value: Any) -> bool:
    """Return whether a value means that there is none."""
    return value is None or value in ("", "N/A") or (isinstance(value, dict | list) and not value)


def fits(value: Any, kind: str) -> bool:
    """Return whether a value that is not absent can be converted to a type."""
    try:
        CONVERT[kind](value)
    except ValueError:
        return False
    return True


# One submission


def _flatten_one(raw: dict[str, Any], tables: dict[str, list[dict[str, Any]]]) -> None:
    keys = {"submission_id": submission_id(raw)}
    top: dict[str, Any] = {}  # `_extra` of the row of `submissions`

    personal = ("data", "image", "email", "OCR_raw", "ocr", "verification")
    person = {name: raw.get(name) for name in personal}
    if not all(map(absent, person.values())):
        tables["applicants"].append(_row(keys, person, APPLICANTS, "", {}))
    if (kyc := _section(raw, "kyc", "kyc", top)) is not None:
        _flatten_kyc(kyc, keys, tables)
    if (aml := _section(raw, "aml", "aml", top)) is not None:
        _flatten_aml(aml, keys, tables)
    bank = _section(raw, "bank_verification", "bank_verification", top)
    if bank is not None:
        row = _row(keys, bank, BANK_VERIFICATION, "bank_verification.", {})
        tables["bank_verification"].append(row)
    for index, answer in _objects(raw, "additional_list", "additional_list", top):
        at = f"additional_list[{index}]."
        row = _row({**keys, "answer_index": index}, answer, ADDITIONAL_ANSWERS, at, {})
        tables["additional_answers"].append(row)
    other_tables = ("submission_id", "kyc", "aml", "bank_verification", "additional_list")
    own = _without(raw, *other_tables, *person)
    tables["submissions"].append(_row(keys, own, SUBMISSIONS, "", top))


def _flatten_kyc(kyc: dict[str, Any], keys: dict[str, Any], tables: dict[str, Any]) -> None:
    extra: dict[str, Any] = {}
    own = _without(kyc, "attempts", "comment", "commentCode")
    for index, attempt in _objects(kyc, "attempts", "kyc.attempts", extra):
        at = f"kyc.attempts[{index}]."
        place = {**keys, "attempt_index": index}
        tables["attempts"].append(
            _row(place, _without(attempt, "retryCode", "retryMsg"), ATTEMPTS, at, {})
        )
        lists = {"retry_code": "retryCode", "retry_msg": "retryMsg"}
        tables["attempt_retries"] += _side_by_side(attempt, lists, place, "retry_index", at)
    lists = {"comment": "comment", "comment_code": "commentCode"}
    tables["kyc_comments"] += _side_by_side(kyc, lists, keys, "comment_index", "kyc.")
    tables["kyc"].append(_row(keys, own, KYC, "kyc.", extra))


def _flatten_aml(aml: dict[str, Any], keys: dict[str, Any], tables: dict[str, Any]) -> None:
    extra: dict[str, Any] = {}
    for index, match in _objects(aml, "matches", "aml.matches", extra):
        at = f"aml.matches[{index}]."
        place = {**keys, "match_index": index}
        tables["matches"].append(_row(place, _without(match, "risk_icons"), MATCHES, at, {}))
        lists = {"risk_icon": "risk_icons"}
        tables["match_risk_icons"] += _side_by_side(match, lists, place, "icon_index", at)
    tables["aml"].append(_row(keys, _without(aml, "matches"), AML, "aml.", extra))


def _without(obj: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in obj.items() if name not in names}


# Objects and lists


def _object(value: Any) -> dict[str, Any] | None:
    """Return a value that is an object, or the only object of a list; else None."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, dict) else None


def _section(
    parent: dict[str, Any], name: str, path: str, extra: dict[str, Any]
) -> dict[str, Any] | None:
    """Return the object under a name, None if absent; put anything else into `extra`."""
    value = parent.get(name)
    if absent(value):
        return None
    section = _object(value)
    if section is None:
        extra[path] = value
    return section


def _objects(
    parent: dict[str, Any], name: str, path: str, extra: dict[str, Any]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield position and object of each entry of a list; put other entries into `extra`."""
    value = parent.get(name)
    for index, entry in enumerate(_list(value)):
        if absent(entry):
            continue
        obj = _object(entry)
        if obj is not None:
            yield index, obj
        else:
            extra[f"{path}[{index}]" if isinstance(value, list) else path] = entry


def _list(value: Any) -> list[Any]:
    if absent(value):
        return []
    return value if isinstance(value, list) else [value]


def _side_by_side(
    parent: dict[str, Any],
    lists: dict[str, str],
    keys: dict[str, Any],
    index_name: str,
    at: str,
) -> list[dict[str, Any]]:
    """Return a row for each position at which one of the parallel lists has a value."""
    entries = {column: _list(parent.get(name)) for column, name in lists.items()}
    rows = []
    for index in range(max(map(len, entries.values()))):
        row_values = {
            column: values[index] if index < len(values) else None
            for column, values in entries.items()
        }
        if all(map(absent, row_values.values())):
            continue
        row: dict[str, Any] = {**keys, index_name: index}
        extra: dict[str, Any] = {}
        for column, value in row_values.items():
            row[column] = _read(value, TEXT, f"{at}{lists[column]}[{index}]", extra)
        rows.append(_finish(row, extra))
    return rows


# Rows


def _row(
    keys: dict[str, Any],
    obj: dict[str, Any],
    columns: list[Column],
    at: str,
    extra: dict[str, Any],
) -> dict[str, Any]:
    """Return the row of an object: known fields in columns, unknown ones in `_extra`."""
    row = dict(keys)
    extra = dict(extra)
    groups = {column.path.partition(".")[0] for column in columns if "." in column.path}
    inside = {name: _section(obj, name, at + name, extra) for name in sorted(groups)}
    known = {(column.path.rpartition(".")[0], column.path.rpartition(".")[2]) for column in columns}
    for column in columns:
        group, _, field = column.path.rpartition(".")
        value = (inside[group] or {}).get(field) if group else obj.get(field)
        row[column.name] = _read(value, column.kind, at + column.path, extra)
    for name, value in obj.items():
        if name not in groups and ("", name) not in known:
            extra[at + _step(name)] = value
    for group, section in inside.items():
        for name, value in (section or {}).items():
            if (group, name) not in known:
                extra[f"{at}{group}.{_step(name)}"] = value
    return _finish(row, extra)


def _step(name: str) -> str:
    """Return a field's name as a step of a path; quoted if it looks like several steps."""
    return json.dumps(name) if "." in name or "[" in name else name


def _read(value: Any, kind: str, path: str, extra: dict[str, Any]) -> Any:
    """Return a value converted to its column's type; put one that does not fit into `extra`."""
    if absent(value):
        return None
    if fits(value, kind):
        return CONVERT[kind](value)
    extra[path] = value
    return None


def _finish(row: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    return {**row, "_extra": storable(extra) if extra else None}


# Values


def storable(value: Any) -> Any:
    """Return JSON with escapes for the characters that databases do not store in texts."""
    if isinstance(value, dict):
        return {storable(name): storable(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [storable(entry) for entry in value]
    if isinstance(value, str):
        return "".join(f"\\u{ord(char):04x}" if _unstorable(char) else char for char in value)
    return value


def _unstorable(char: str) -> bool:
    return char == "\0" or 0xD800 <= ord(char) <= 0xDFFF


SPACES = " \t\n\r\f\v"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        if any(map(_unstorable, value)):
            raise ValueError
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and abs(value) < 2**63:
        return repr(value)
    raise ValueError


def _bigint(value: Any) -> int:
    if isinstance(value, bool):
        raise ValueError  # noqa: TRY004 - the same error for all types
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,19}(\.0*)?", value.strip(SPACES)):
        value = int(value.partition(".")[0])
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return value
    raise ValueError


def _double(value: Any) -> float:
    if isinstance(value, str) and re.fullmatch(
        r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", value.strip(SPACES)
    ):
        value = float(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError as error:
            raise ValueError from error
        if math.isfinite(number):
            return number
    raise ValueError


def _date(value: Any) -> date:
    midnight = r"([T ]00:00(:00(\.0+)?)?(Z|[+-]00:?00)?)?"
    if isinstance(value, str) and (
        match := re.fullmatch(rf"([0-9]{{4}})-([0-9]{{2}})-([0-9]{{2}}){midnight}", value)
    ):
        return date(int(match[1]), int(match[2]), int(match[3]))
    raise ValueError


VENDOR = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"-([0-9]{2})-([0-9]{2})-([0-9]{2})(?:-([0-9]{1,3}))?"
)
ISO_ZONE = r"(?: ?(?:[Zz]|([+-])([0-9]{2})(?::?([0-5][0-9]))?))?"
ISO = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?" + ISO_ZONE + ")?"
)
BASIC_ISO = re.compile(
    r"([0-9]{4})([0-9]{2})([0-9]{2})"
    r"[Tt ]([0-9]{2})([0-9]{2})(?:([0-9]{2})(?:[.,]([0-9]+))?)?" + ISO_ZONE
)
EPOCH_TEXT = re.compile(r"[0-9]{9,13}(\.[0-9]+)?")
YEAR_2000, YEAR_2100 = (datetime(year, 1, 1, tzinfo=UTC).timestamp() for year in (2000, 2100))


def _timestamp(value: Any) -> datetime:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError  # noqa: TRY004 - the same error for all types
    if not isinstance(value, str) or EPOCH_TEXT.fullmatch(value):
        return _epoch_time(value)
    if match := VENDOR.fullmatch(value):
        year, month, day, hour, minute, second, ms = (int(part or 0) for part in match.groups())
        return _time((year, month, day), (hour, minute, second, ms * 1000), UTC)
    if not (match := ISO.fullmatch(value) or BASIC_ISO.fullmatch(value)):
        raise ValueError
    *texts, fraction, sign, hours, minutes = match.groups()
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    zone = timezone(-offset if sign == "-" else offset)
    year, month, day, hour, minute, second = (int(text or 0) for text in texts)
    microsecond = int((fraction or "").ljust(6, "0")[:6])
    return _time((year, month, day), (hour, minute, second, microsecond), zone)


def _time(day: tuple[int, int, int], clock: tuple[int, int, int, int], zone: tzinfo) -> datetime:
    ends_the_day = clock == (24, 0, 0, 0)
    try:
        hour, *rest = (0, 0, 0, 0) if ends_the_day else clock
        moment = datetime(day[0], day[1], day[2], hour, rest[0], rest[1], rest[2], zone)
        return (moment + timedelta(days=1 if ends_the_day else 0)).astimezone(UTC)
    except OverflowError as error:
        raise ValueError from error


def _epoch_time(value: Any) -> datetime:
    number = float(value) if isinstance(value, str) else value
    if YEAR_2000 <= number < YEAR_2100:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=round(number * 10**6))
    if YEAR_2000 * 1000 <= number < YEAR_2100 * 1000:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=round(number * 10**3))
    raise ValueError


CONVERT: dict[str, Callable[[Any], Any]] = {
    TEXT: _text,
    BIGINT: _bigint,
    DOUBLE: _double,
    DATE: _date,
    TIMESTAMP: _timestamp,
    JSON: storable,
}
