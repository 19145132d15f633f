"""Reads files of checksums and the indexes of directories. Both come from a server, so all of it is bounded.

Files of checksums have lines of two forms, which may be mixed. BSD's tools, OpenSSL and Fedora's CHECKSUM
files write `SHA256 (name) = digest`, and GNU's write `digest  name`, or `digest *name`. Fedora's also say the
size, in a comment: `# name: 1234 bytes`. The lines of a signature around them have neither form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import unquote

from app.model import Image
from app.model.images import IMAGE_NAME, MAX_NAMES

_MAX_LINE = 500
_DIGEST = r"(?P<digest>[0-9A-Fa-f]{128}|[0-9A-Fa-f]{64})"
_NAME = rf"(?:\./)?(?P<name>{IMAGE_NAME})"
_BSD = re.compile(rf"SHA(?:2-)?(?:256|512) ?\({_NAME}\) ?= ?{_DIGEST}", re.ASCII)
_GNU = re.compile(rf"{_DIGEST} [ *]{_NAME}", re.ASCII)
_SIZE = re.compile(rf"# {_NAME}: (?P<size>[0-9]{{1,15}}) bytes", re.ASCII)
_FIELDS = {64: "sha256", 128: "sha512"}


def images_in(body: bytes) -> dict[str, Image]:
    """Returns the files that a file of checksums names, as far as it knows them: their strong checksums, and
    their sizes. Names that lead into other directories are left out."""
    digests: dict[str, dict[str, str]] = {}
    sizes: dict[str, int] = {}
    for line in _lines(body):
        if size := _SIZE.fullmatch(line):
            sizes[size["name"]] = int(size["size"])
        elif found := _BSD.fullmatch(line) or _GNU.fullmatch(line):
            name, digest = found["name"], found["digest"].lower()
            if name in digests or len(digests) < MAX_NAMES:
                digests.setdefault(name, {})[_FIELDS[len(digest)]] = digest
    return {
        name: Image(size=sizes.get(name), sha256=of.get("sha256"), sha512=of.get("sha512"))
        for name, of in digests.items()
    }


def _lines(body: bytes) -> Iterator[str]:
    for line in body.decode(errors="replace").removeprefix("\ufeff").splitlines():
        if len(line) <= _MAX_LINE:
            yield line.strip()


def names_in(body: bytes) -> tuple[str, ...]:
    """Returns the names of the files and directories to which the index of a directory links, as the index
    pages of web servers do, sorted."""
    index = _Index()
    index.feed(body.decode(errors="replace"))
    return tuple(sorted(index.names)[:MAX_NAMES])


class _Index(HTMLParser):
    """Collects the links of a page that lead to something directly below it."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.names |= {name for key, value in attributes if key == "href" and (name := _name(value))}


def _name(link: str | None) -> str | None:
    name = unquote((link or "").removeprefix("./")).removesuffix("/")
    return name if re.fullmatch(IMAGE_NAME, name) else None
