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


def escaped(text: str) -> str:
    """Text from outside, for the middle of a sentence: it is cut, and control characters are written as
    escapes, so that no terminal obeys them."""
    short = text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in short)


def quoted(text: str) -> str:
    """Text from outside as `escaped` writes it, in double quotes."""
    return f'"{escaped(text)}"'


def printable(text: str) -> str:
    """Text from outside, for a line of its own: it is not cut, but control characters become "?"."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
