"""Word lists for synthetic submissions: codes of the API, and strings that break careless code."""

# Some layer between the API and an analyst's screen mistakes each of these for something else.
HOSTILE = (
    "'; DROP TABLE submissions; --",
    '" OR ""="',
    "O''Brien \"Ann\" `x`",
    "<script>alert('x')</script>",
    "<img src=x onerror=alert(1)>&amp;&lt;",
    '=HYPERLINK("http://example.com","x")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1,2)",
    "100% %s %d %(name)s {0} ${HOME}",
    "C:\\temp\\new\\",
    "\\u0041 \\x41 \\N \\.",
    "line one\nline two\r\nline three\ttab",
    "👩‍👩‍👧‍👦 🇰🇷 👍🏽 🏳️‍🌈",
    "مرحبا بالعالم",
    "\u202eevil\u202c \u200fשלום",  # noqa: RUF001 Hebrew on purpose
    "zero\u200bwidth\u200djoin\ufeff",
    "e\u0301 vs é, ㅎㅏㄴ vs 한",
    "\u0001\u001f\u007f\u0085\u2028\u2029",
    " leading and trailing ",
    "NULL",
    "N / A",
    "true",
    "0123",
    "1e5",
    "," * 40,
    "긴 문자열 " * 600,
)  # fmt: skip

PERMITS = ("F-4", "F-5", "E-7", "D-2", "H-2")

REASONS = {
    "id_image_invalidImage": "no ID in the image",
    "id_image_invalidId": "ID is a copy or was altered",
    "id_image_error": "ID could not be read",
    "id_image_badImage": "ID image is blurred or reflects light",
    "id_info_dataMismatch": "ID does not match the data entered",
    "id_info_blacklist": "applicant is on the project's blacklist",
    "id_info_notOfAge": "applicant is not of age",
    "duplicate_user": "applicant is already approved",
    "duplicated_user_PII_exact": "same personal details as an approved applicant",
    "duplicated_face": "same face as an approved applicant",
    "too_many_retry": "retries used up",
    "blacklistCountry": "country is not served",
    "under_ageLimit": "applicant is below the age limit",
    "invalid_acceptedID": "type of ID is not accepted",
    "no-date-of-birth": "ID shows no date of birth",
    "expired_id": "ID has expired",
    "automatic_verification_fail": "ID could not be verified with the issuer",
    "address_image_invalidImage": "no proof of address in the image",
    "address_image_error": "proof of address could not be read",
    "address_image_badImage": "proof of address is blurred",
    "address_info_expiredDocument": "proof of address is too old",
    "address_info_dataMismatch": "proof of address shows another address",
    "timeout": "submission was not finished in time",
    "other": "기타 사유: 신분증 확인 불가",
}
"""A comment for each code of `kyc.commentCode`."""

REASONS_OF_SYSTEM = (
    *("expired_id",) * 6, *("automatic_verification_fail",) * 5, *("id_image_invalidId",) * 4,
    *("id_image_badImage",) * 4, *("under_ageLimit",) * 2, *("blacklistCountry",) * 2,
    *("too_many_retry",) * 8, "id_image_invalidImage", "id_image_error", "id_info_dataMismatch",
    "id_info_blacklist", "id_info_notOfAge", "invalid_acceptedID", "no-date-of-birth",
)  # fmt: skip
"""Codes by which the system rejects, by weight."""

REASONS_OF_AGENT = (
    *("id_info_dataMismatch",) * 5, *("id_image_invalidId",) * 4, *("id_image_badImage",) * 3,
    *("address_info_dataMismatch",) * 2, "address_image_invalidImage", "address_image_error",
    "address_image_badImage", "address_info_expiredDocument", "other", "other",
)  # fmt: skip
"""Codes by which a person rejects, by weight."""

REASONS_OF_DUPLICATES = ("duplicated_user_PII_exact", "duplicated_face", "duplicate_user")

RETRIES = (
    *(("liveness_error", "face too close to the border"),) * 3,
    *(("liveness_error", "face is not straight"),) * 2,
    ("liveness_error", "eyes are closed"),
    ("liveness_error", "얼굴이 가려져 있습니다"),
    *(("face_compare_underscore", "face does not match"),) * 3,
)
"""Codes and messages of attempts that fail, by weight."""

HITS = (
    *(("LOW", ("PEP-FORMER",)),) * 4,
    *(("LOW", ("RRE",)),) * 3,
    *(("LOW", ()),) * 2,
    *(("MEDIUM", ("PEP",)),) * 4,
    *(("MEDIUM", ("PEP", "PEP-LINKED")),) * 2,
    *(("MEDIUM", ("REL", "POI")),) * 2,
    *(("HIGH", ("SAN",)),) * 2,
    ("HIGH", ("SAN", "PEP", "INS")),
    ("HIGH", ("DD", "POI")),
)
"""Risk level and icons of AML matches, by weight."""

MEMOS = (
    "",
    "",
    "",
    "checked by phone",
    "asked for a better image",
    "고객과 통화함",
    "second opinion",
)
"""Notes of reviewers, most of whom write none."""

BANKS = ("004", "011", "020", "081", "088", "090", "092")
CHANNELS = ("web", "ios", "ios", "android", "android", "android")
QUESTIONS = (
    ("직업", "dropdown", ("회사원", "학생", "자영업")),
    ("Source of funds", "checkbox", ("Salary", "Savings", "Inheritance")),
    ("Purpose of account", "text", ("savings", "trading", "송금")),
    ("Referral code", "text", ("A-100", "B-200", "00042")),
)
