"""Words for people: the name that was probably meant, and text of strangers made harmless."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

SHOWN_CHARACTERS = 80


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that most resembles an unknown one, in any case. None: no known word does."""
    by_lower = {name.lower(): name for name in known}
    close = get_close_matches(word.lower(), by_lower, n=1)
    return by_lower[close[0]] if close else None


def escaped(text: str) -> str:
    """Text of a stranger for the middle of a sentence: cut, and with every character that a terminal would
    obey written as an escape."""
    short = text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in short)


def quoted(text: str) -> str:
    """The same in double quotes."""
    return f'"{escaped(text)}"'


def printable(text: str) -> str:
    """Text of a stranger for a place of its own: whole, with "?" for every character that a terminal would
    obey."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
