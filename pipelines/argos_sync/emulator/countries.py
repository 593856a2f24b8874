"""Countries of applicants: names, addresses and documents that belong together."""

from typing import NamedTuple

Names = tuple[str, ...]


class Document(NamedTuple):
    """A type of ID, how many years it is valid (0: for ever), and the form of its number.

    The number begins with `prefix` and has as many `digits` after it.
    """

    id_type: str
    years: int
    prefix: str
    digits: int


class Address(NamedTuple):
    """A city, its state, a street, and the first digits of its zip codes."""

    city: str
    state: str
    street: str
    zipcode: str


class Country(NamedTuple):
    """A country, by its ISO alpha-3 code; `ip` begins the addresses of its applicants."""

    code: str
    ip: str
    men: Names
    women: Names
    families: Names
    addresses: tuple[Address, ...]
    documents: tuple[Document, ...]


def _passport(prefix: str, digits: int) -> Document:
    return Document("passport", 10, prefix, digits)


def _license(years: int, prefix: str, digits: int) -> Document:
    return Document("drivers_license", years, prefix, digits)


def _card(years: int, prefix: str, digits: int) -> Document:
    return Document("identity_card", years, prefix, digits)


# The resident card of a Korean citizen has no date of expiry.
KOREAN_LICENSE = _license(10, "11-", 10)
KOREAN_DOCUMENTS = (_card(0, "", 9), _card(0, "", 9), KOREAN_LICENSE, _passport("M", 8))
RESIDENT_DOCUMENTS = (Document("alien_registration_card", 3, "R", 9),)
KOREAN_IP = "211"

KOREAN_FAMILIES = (
    ("김", "KIM"), ("김", "KIM"), ("이", "LEE"), ("이", "LEE"), ("박", "PARK"), ("최", "CHOI"),
    ("정", "JUNG"), ("강", "KANG"), ("조", "CHO"), ("윤", "YOON"), ("장", "JANG"), ("임", "LIM"),
    ("한", "HAN"), ("오", "OH"), ("서", "SEO"), ("신", "SHIN"), ("남궁", "NAMGUNG"),
)  # fmt: skip
KOREAN_MEN = (
    ("민준", "MINJUN"), ("도윤", "DOYUN"), ("준호", "JUNHO"), ("예준", "YEJUN"), ("지훈", "JIHOON"),
    ("성민", "SUNGMIN"), ("현우", "HYUNWOO"), ("동현", "DONGHYUN"), ("영수", "YOUNGSOO"),
)  # fmt: skip
KOREAN_WOMEN = (
    ("서연", "SEOYEON"), ("지우", "JIWOO"), ("하은", "HAEUN"), ("수빈", "SUBIN"), ("솔", "SOL"),
    ("민지", "MINJI"), ("지영", "JIYOUNG"), ("은정", "EUNJUNG"), ("유진", "YUJIN"),
)  # fmt: skip
KOREAN_ADDRESSES = (
    ("서울특별시", "강남구 테헤란로", "06"), ("서울특별시", "마포구 월드컵북로", "03"),
    ("서울특별시", "송파구 올림픽로", "05"), ("부산광역시", "해운대구 센텀중앙로", "48"),
    ("대전광역시", "유성구 대학로", "34"), ("인천광역시", "연수구 송도과학로", "21"),
    ("경기도 성남시", "분당구 판교역로", "13"), ("대구광역시", "수성구 달구벌대로", "42"),
)  # fmt: skip

USA = Country(
    "USA", "73",
    ("Liam", "James", "Marcus", "José Luis"), ("Anna", "Zoë", "Emily", "Mary Ann"),
    ("Smith", "O'Brien", "Smith-Jones", "Johnson", "van der Berg"),
    (Address("Austin", "TX", "Congress Ave", "787"), Address("Seattle", "WA", "Pine St", "981")),
    (_license(8, "D", 8), _license(8, "D", 8), _passport("5", 8)),
)  # fmt: skip
CANADA = Country(
    "CAN", "99",
    ("Jean-Luc", "Ethan"), ("Chloë", "Olivia"), ("Tremblay", "MacDonald", "Roy", "Singh"),
    (Address("Toronto", "ON", "Yonge Street", "5"), Address("Montréal", "QC", "Rue Peel", "3")),
    (_license(5, "T", 9), _passport("GA", 6)),
)  # fmt: skip
MEXICO = Country(
    "MEX", "187",
    ("José", "Mateo"), ("Guadalupe", "Ximena"), ("García Márquez", "Hernández", "Núñez"),
    (Address("Ciudad de México", "CDMX", "Avenida Insurgentes", "03"),),
    (_card(10, "IDMEX", 9), _passport("G", 8)),
)  # fmt: skip
GERMANY = Country(
    "DEU", "91",
    ("Jürgen", "Lukas", "Jonas"), ("Anja", "Lena", "Käthe"), ("Müller", "Schäfer", "Weiß", "Groß"),
    (Address("Berlin", "BE", "Torstraße", "10"), Address("München", "BY", "Leopoldstraße", "80")),
    (_card(10, "L", 8), _passport("C", 8)),
)  # fmt: skip
FRANCE = Country(
    "FRA", "90",
    ("François", "Théo"), ("Aïcha", "Élodie"), ("Dubois", "d'Angelo", "Lefèvre"),
    (Address("Paris", "IDF", "Rue de Rivoli", "75"),), (_card(10, "X", 8), _passport("19", 7)),
)  # fmt: skip
POLAND = Country(
    "POL", "83",
    ("Łukasz", "Paweł"), ("Agnieszka", "Małgorzata"), ("Nowak", "Łukasiewicz", "Wójcik"),
    (Address("Kraków", "MA", "ulica Długa", "31"),), (_card(10, "ABC", 6), _passport("EH", 7)),
)  # fmt: skip
BRAZIL = Country(
    "BRA", "177",
    ("João", "Thiago"), ("Conceição", "Letícia"), ("Silva", "Gonçalves", "dos Santos"),
    (Address("São Paulo", "SP", "Avenida Paulista", "01"),),
    (_card(10, "", 9), _license(10, "", 11)),
)  # fmt: skip
JAPAN = Country(
    "JPN", "126",
    ("Yuki", "Haruto"), ("Sakura", "Yui"), ("Tanaka", "Satō", "Suzuki"),
    (Address("東京", "東京都", "千代田区丸の内", "100"), Address("大阪", "大阪府", "梅田", "530")),
    (_license(5, "30", 10), _passport("TR", 7)),
)  # fmt: skip
VIETNAM = Country(
    "VNM", "113",
    ("Văn Hùng", "Minh Tuấn"), ("Thị Lan", "Ngọc Ánh"), ("Nguyễn", "Trần", "Phạm"),
    (Address("Hà Nội", "HN", "Hoàng Diệu", "10"),), (_card(15, "0", 11), _passport("B", 7)),
)  # fmt: skip
PHILIPPINES = Country(
    "PHL", "112",
    ("Juan Carlos", "Angelo"), ("Maria Cristina", "Jasmine"), ("Santos", "Dela Cruz", "Reyes"),
    (Address("Makati", "NCR", "Ayala Avenue", "12"),), (_license(5, "N01-", 8), _passport("P", 8)),
)  # fmt: skip
CHINA = Country(
    "CHN", "36",
    ("Wei", "Haoran"), ("Xiuying", "Yǔtóng"), ("Wáng", "Li", "Zhāng", "Ouyang"),
    (Address("上海", "上海市", "浦东新区世纪大道", "200"),), (_passport("E", 8),),
)  # fmt: skip
IRAN = Country(
    "IRN", "5",
    ("Reza",), ("Leila",), ("Hosseini", "Karimi"),
    (Address("Tehran", "THR", "Valiasr Street", "14"),), (_passport("R", 8),),
)  # fmt: skip

ABROAD = (
    *(USA,) * 8, *(JAPAN,) * 5, *(VIETNAM,) * 5, *(PHILIPPINES,) * 4, *(GERMANY,) * 3,
    *(CANADA,) * 3, *(MEXICO,) * 3, *(BRAZIL,) * 3, FRANCE, FRANCE, POLAND, POLAND,
)  # fmt: skip
"""Countries of applicants who live abroad, by weight."""

IN_KOREA = (*(CHINA,) * 4, *(VIETNAM,) * 3, *(PHILIPPINES,) * 2, USA, JAPAN)
"""Nationalities of foreigners who live in Korea, by weight."""

NORTH_AMERICA = frozenset({"USA", "CAN", "MEX"})
"""Countries whose IDs have a barcode."""
