"""Reading a report as a program does that knows HTML and nothing of how the page was made."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"meta", "link", "br", "img", "hr", "input"}

Attributes = dict[str, str | None]


@dataclass
class Element:
    """An element of a page.

    Attributes:
        section: Id of the section it stands in; empty outside of them.
        text: Its text, that of elements in it included.
    """

    tag: str
    attributes: Attributes
    section: str
    text: str = ""


@dataclass
class Page(HTMLParser):
    """All elements of a page in their order, and the cells of its tables by section."""

    html: str
    elements: list[Element] = field(default_factory=list)
    tables: dict[str, list[list[str]]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        """Read it; an element that is closed in the wrong place is an error."""
        super().__init__()
        self._open: list[Element] = []
        self.feed(self.html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        attributes = dict(attrs)
        inside = self._open[-1].section if self._open else ""
        section = str(attributes["id"]) if tag == "section" else inside
        element = Element(tag, attributes, section)
        self.elements.append(element)
        if tag == "tr":
            self.tables[section].append([])
        if tag not in _VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element of SVG, which has nothing in it."""
        self.elements.append(Element(tag, dict(attrs), self._open[-1].section))

    def handle_endtag(self, tag: str) -> None:
        """Close the element that is open."""
        element = self._open.pop()
        assert element.tag == tag
        if tag in ("td", "th"):
            self.tables[element.section][-1].append(element.text)

    def handle_data(self, data: str) -> None:
        """Add text to all elements that are open."""
        for element in self._open:
            element.text += data

    def all(self, *tags: str) -> list[Element]:
        """The elements of these kinds."""
        return [element for element in self.elements if element.tag in tags]

    def one(self, name: str) -> Element:
        """The element with this id."""
        (element,) = (one for one in self.elements if one.attributes.get("id") == name)
        return element

    def rows(self, section: str) -> dict[str, list[str]]:
        """What the table of a section says, by the first cell of each row, without its head."""
        return {first: cells for first, *cells in self.tables[section][1:]}
