"""Parse a report into elements and tables, knowing only HTML."""

from collections import defaultdict
from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"meta", "link", "br", "img", "hr", "input"}

Attributes = dict[str, str | None]


@dataclass
class Element:
    """Represent an HTML element.

    Attributes:
        section: Id of the article around it, a section of the report; empty outside of them.
        text: Text of the element and its descendants.
    """

    tag: str
    attributes: Attributes
    section: str
    text: str = ""


@dataclass
class Page(HTMLParser):
    """Collect the elements of a page in order, and the cells of its tables by section."""

    html: str
    elements: list[Element] = field(default_factory=list)
    tables: dict[str, list[list[str]]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        """Parse the page, failing on an element that is closed in the wrong place."""
        super().__init__()
        self._open: list[Element] = []
        self.feed(self.html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record an element."""
        attributes = dict(attrs)
        inside = self._open[-1].section if self._open else ""
        section = str(attributes["id"]) if tag == "article" else inside
        element = Element(tag, attributes, section)
        self.elements.append(element)
        if tag == "tr":
            self.tables[section].append([])
        if tag not in _VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record an SVG element without content."""
        self.elements.append(Element(tag, dict(attrs), self._open[-1].section))

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost open element."""
        element = self._open.pop()
        assert element.tag == tag
        if tag in ("td", "th"):
            self.tables[element.section][-1].append(element.text)

    def handle_data(self, data: str) -> None:
        """Add text to every open element."""
        for element in self._open:
            element.text += data

    def all(self, *tags: str) -> list[Element]:
        """Return the elements with any of these tags."""
        return [element for element in self.elements if element.tag in tags]

    def by_id(self, element_id: str) -> Element:
        """Return the element with an id."""
        (element,) = (one for one in self.elements if one.attributes.get("id") == element_id)
        return element

    def rows(self, section: str) -> dict[str, list[str]]:
        """Return the rows of a section's table, without its head, by first cell."""
        return {first: cells for first, *cells in self.tables[section][1:]}
