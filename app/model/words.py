"""Helpers for messages: the name that was probably meant, moments, and text from outside that is safe to
print."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable
from datetime import UTC, datetime
from difflib import get_close_matches

SHOWN_CHARACTERS = 80
ALL_COMPARED = 64
NEIGHBOURS = 24
RESEMBLANCE = 0.6
"""The least ratio by `difflib` (the share of letters that two words have in common) at which the words are
alike."""


class KnownWords:
    """A set of known words, which finds the one that a misspelt word probably means, whatever the case. In a
    large set, the misspelt word is compared only with the words that begin most like it and those that end
    most like it, because comparing it with thousands would take long."""

    def __init__(self, words: Iterable[str]) -> None:
        self._by_lower = {word.lower(): word for word in words}
        self._forwards = sorted(self._by_lower)
        self._backwards = sorted(word[::-1] for word in self._forwards)
        self._too_long = max(map(len, self._forwards), default=0) * (2 / RESEMBLANCE - 1)

    def get(self, word: str) -> str | None:
        """Returns the known word that differs from `word` at most in case, or None if there is none."""
        return self._by_lower.get(word.lower())

    def nearest(self, word: str) -> str | None:
        """Returns the known word that is most like an unknown one, or None if no known word is like it."""
        if len(word) > self._too_long:
            return None
        lower, alike = word.lower(), self._forwards
        if len(alike) > ALL_COMPARED:
            ending_alike = (found[::-1] for found in _around(self._backwards, lower[::-1]))
            alike = list(dict.fromkeys([*_around(self._forwards, lower), *ending_alike]))
        close = get_close_matches(lower, alike, n=1, cutoff=RESEMBLANCE)
        return self._by_lower[close[0]] if close else None


def _around(words: list[str], word: str) -> list[str]:
    """Returns up to `NEIGHBOURS` words on either side of the place that a word would have in a sorted
    list."""
    place = bisect(words, word)
    return words[max(0, place - NEIGHBOURS) : place + NEIGHBOURS]


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Returns the known word that is most like an unknown one, whatever the case, or None if no known word is
    like it."""
    return KnownWords(known).nearest(word)


def escaped(text: str, most: int = SHOWN_CHARACTERS) -> str:
    """Returns text from outside in a form that is safe in the middle of a sentence: cut to `most` characters,
    with control characters written as escapes, so that no terminal obeys them. The bytes of a file's name
    that are not UTF-8 become escapes too."""
    return "".join(c if c.isprintable() else _escape(c) for c in shortened(text, most))


def shortened(text: str, most: int) -> str:
    """Returns a text cut to at most `most` characters. A text that is cut ends in "..."."""
    return text if len(text) <= most else text[: most - 3] + "..."


def _escape(character: str) -> str:
    byte = ord(character) - 0xDC00  # as Python stands in for it in a file's name (PEP 383)
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else ascii(character)[1:-1]


def quoted(text: str) -> str:
    """Returns text from outside as `escaped` writes it, in double quotes."""
    return f'"{escaped(text)}"'


def printable(text: str) -> str:
    """Returns text from outside in a form that is safe on a line of its own: nothing is cut, but each control
    character becomes "?"."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def moment(when: datetime | float) -> str:
    """Returns a time as text for people, to the minute, in UTC. A number is in epoch seconds."""
    if not isinstance(when, datetime):
        when = datetime.fromtimestamp(when, UTC)
    return f"{when:%Y-%m-%d %H:%M} UTC"
