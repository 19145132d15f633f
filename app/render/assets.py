"""The files that pages need: the style sheet and the distribution's logo.

Each has the hash of its content in its path, so that a browser may keep it for as long as it likes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from app.model import Logo, digest_of

HASH_DIGITS = 16


@dataclass(frozen=True)
class Asset:
    """A file that pages need."""

    path: str
    content_type: str
    content: bytes


def _asset(name: str, ending: str, content_type: str, content: bytes) -> Asset:
    return Asset(f"/{name}-{digest_of(content)[:HASH_DIGITS]}.{ending}", content_type, content)


@cache
def style() -> Asset:
    """Returns the style sheet of all pages."""
    content = (Path(__file__).parent / "style.css").read_bytes()
    return _asset("style", "css", "text/css; charset=utf-8", content)


@lru_cache(maxsize=4)
def logo(of: Logo) -> Asset:
    """Returns the distribution's logo as an asset."""
    ending = "svg" if of.media_type == "image/svg+xml" else "png"
    return _asset("logo", ending, of.media_type, of.content)
