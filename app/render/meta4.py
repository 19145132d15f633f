"""Renders the metalink 4 of one image: its size, its checksums and its URLs, best first. The format is RFC
5854."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from xml.sax.saxutils import escape, quoteattr

from app.model import Image

CONTENT_TYPE = "application/metalink4+xml"
ENDING = ".meta4"
"""What follows the name of an image in the name of its metalink."""


def meta4(name: str, image: Image, published: datetime, urls: Iterable[tuple[str, str | None]]) -> bytes:
    """Renders the metalink of an image. `published` is when it was first known, and `urls` are its URLs with
    the country of each mirror, best first."""
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        '<metalink xmlns="urn:ietf:params:xml:ns:metalink">',
        " <generator>mirrorwise</generator>",
        f" <published>{published:%Y-%m-%dT%H:%M:%SZ}</published>",
        f" <file name={quoteattr(name)}>",
    ]
    if image.size is not None:
        lines.append(f"  <size>{image.size}</size>")
    for kind, digest in (("sha-256", image.sha256), ("sha-512", image.sha512)):
        if digest:
            lines.append(f'  <hash type="{kind}">{digest}</hash>')
    for priority, (url, country) in enumerate(urls, 1):
        location = f" location={quoteattr(country.lower())}" if country else ""
        lines.append(f'  <url{location} priority="{priority}">{escape(url)}</url>')
    return "\n".join([*lines, " </file>", "</metalink>", ""]).encode()
