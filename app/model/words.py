"""Helpers for messages: the name that was probably meant, and text from outside that is safe to print."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

SHOWN_CHARACTERS = 80


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most like an unknown one, whatever the case; None if no known word is."""
    by_lower = {name.lower(): name for name in known}
    close = get_close_matches(word.lower(), by_lower, n=1)
    return by_lower[close[0]] if close else None


def escaped(text: str, most: int = SHOWN_CHARACTERS) -> str:
    """Text from outside, for the middle of a sentence: it is cut, and control characters are written as
    escapes, so that no terminal obeys them. So are the bytes of a file's name that are not UTF-8."""
    return "".join(c if c.isprintable() else _escape(c) for c in shortened(text, most))


def shortened(text: str, most: int) -> str:
    """A text of at most `most` characters, which ends in "..." if it is cut."""
    return text if len(text) <= most else text[: most - 3] + "..."


def _escape(character: str) -> str:
    byte = ord(character) - 0xDC00  # as Python stands in for it in a file's name (PEP 383)
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else ascii(character)[1:-1]


def quoted(text: str) -> str:
    """Text from outside as `escaped` writes it, in double quotes."""
    return f'"{escaped(text)}"'


def printable(text: str) -> str:
    """Text from outside, for a line of its own: it is not cut, but control characters become "?"."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
