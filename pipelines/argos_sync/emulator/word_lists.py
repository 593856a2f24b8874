"""Word lists for synthetic submissions: ordinary words, and strings that break careless code."""

KOREAN_SURNAMES = (
    ("김", "KIM"), ("이", "LEE"), ("박", "PARK"), ("최", "CHOI"), ("정", "JUNG"), ("강", "KANG"),
    ("조", "CHO"), ("윤", "YOON"), ("장", "JANG"), ("임", "LIM"), ("남궁", "NAMGUNG"),
)  # fmt: skip
KOREAN_GIVEN = (
    ("민준", "MINJUN"), ("서연", "SEOYEON"), ("도윤", "DOYUN"), ("지우", "JIWOO"),
    ("하은", "HAEUN"), ("준호", "JUNHO"), ("수빈", "SUBIN"), ("예준", "YEJUN"), ("솔", "SOL"),
)  # fmt: skip
KOREAN_CITIES = (
    ("서울특별시", "강남구 테헤란로"), ("부산광역시", "해운대구 센텀중앙로"),
    ("대전광역시", "유성구 대학로"), ("인천광역시", "연수구 송도과학로"),
)  # fmt: skip

GIVEN = (
    "José", "Nguyễn", "Chloë", "Søren", "Anna", "Liam", "Zoë", "Mateo", "Yuki", "Olga",
    "François", "Wei", "Aoife", "Bjørn", "Müjde", "Jean-Luc", "Mary Ann", "Ștefan",
)  # fmt: skip
SURNAMES = (
    "O'Brien", "García Márquez", "Smith", "Nguyễn", "Müller", "d'Angelo", "Łukasiewicz", "Tanaka",
    "van der Berg", "Smith-Jones", "Ivanova", "Þórsdóttir", "Wang", "Dubois", "Novák",
)  # fmt: skip
CITIES = (
    ("Austin", "TX", "100 Congress Ave"), ("Toronto", "ON", "1 Yonge Street"),
    ("Berlin", "BE", "Torstraße 1"), ("São Paulo", "SP", "Avenida Paulista 1578"),
    ("東京", "東京都", "千代田区丸の内1丁目"), ("Hà Nội", "HN", "36 Hoàng Diệu"),
)  # fmt: skip
COUNTRIES = ("USA", "CAN", "MEX", "DEU", "BRA", "JPN", "VNM", "FRA", "POL", "PHL")
NORTH_AMERICA = frozenset({"USA", "CAN", "MEX"})

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

ID_TYPES = ("idCard", "passport", "driverLicense", "alienRegistration")
PERMITS = ("F-4", "E-7", "D-2", "H-2")
AGE_GROUPS = ("18-24", "25-34", "35-44", "45-54", "55-64", "65+")
REJECTIONS = (
    ("R1001", "The ID image is blurry"),
    ("R1002", "The ID card has expired"),
    ("R2001", "The selfie does not match the ID"),
    ("R3004", "Suspected injection attack"),
    ("R9000", "기타 사유: 신분증 확인 불가"),
)
RETRIES = (
    ("face_not_found", "No face was detected"),
    ("liveness_low", "Liveness score below the threshold"),
    ("id_glare", "Glare on the ID card"),
    ("face_mismatch", "얼굴이 일치하지 않습니다"),
)
RISK_ICONS = ("SAN", "PEP", "RCA", "AM", "SIP", "POI", "INS", "WL", "TER")
BANKS = ("004", "011", "020", "081", "088", "090", "092")
QUESTIONS = (
    ("직업", "dropdown", ("회사원", "학생", "자영업")),
    ("Source of funds", "checkbox", ("Salary", "Savings", "Inheritance")),
    ("Purpose of account", "text", ("savings", "trading", "송금")),
    ("Referral code", "text", ("A-100", "B-200", "00042")),
)
