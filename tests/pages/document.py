"""A page as a validator sees it."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element

import html5lib

ADDRESSES = {"href", "src", "action", "formaction", "poster", "data", "cite", "background", "srcset", "ping"}
"""The attributes whose values are addresses."""
SVG = "{http://www.w3.org/2000/svg}"


class Document:
    """A page, and the errors that the validator found in it."""

    def __init__(self, body: bytes) -> None:
        builder = html5lib.getTreeBuilder("etree")
        parser = html5lib.HTMLParser(builder, namespaceHTMLElements=False)
        self.text = body.decode()
        self.root: Element = parser.parse(body, transport_encoding="utf-8")
        self.errors = [f"{where}: {code} {details}" for where, code, details in parser.errors]

    def all(self, *tags: str) -> list[Element]:
        """The elements of these tags, in order. An SVG element's tag begins with `SVG`."""
        return [element for element in self.root.iter() if element.tag in tags]

    def attributes(self) -> Iterator[tuple[str, str]]:
        """The names, without a namespace, and the values of all attributes."""
        for element in self.root.iter():
            for name, value in element.attrib.items():
                yield name.rpartition("}")[2].lower(), value

    def read_in(self, element: Element) -> Iterator[str]:
        """The pieces of text in an element, but for options that are not chosen, and pictures."""
        yield element.text or ""
        for child in element:
            if child.tag not in ("option", f"{SVG}svg"):
                yield from self.read_in(child)
            yield child.tail or ""

    def addresses(self) -> list[str]:
        """All addresses that a browser may go to or fetch."""
        return [value for name, value in self.attributes() if name in ADDRESSES]


def text_of(element: Element) -> str:
    """The text of an element, with one blank wherever there is any space."""
    return " ".join("".join(element.itertext()).split())
