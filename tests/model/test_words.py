"""What was probably meant by a misspelt word."""

from __future__ import annotations

import random
from difflib import SequenceMatcher, get_close_matches

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.model.words import KnownWords, nearest

HOSTS = [
    f"mirror{n}.{town}{n % 7}.example.{end}"
    for n in range(1200)
    for town in ("fra", "ams")
    for end in ("org", "net")
]


def likeness(known: str, word: str) -> float:
    return SequenceMatcher(None, known, word).ratio()


@given(st.text("abcx-", max_size=9), st.sets(st.text("abcx-", min_size=1, max_size=9), max_size=30))
def test_few_words(word: str, known: set[str]) -> None:
    """Among few words, the nearest is as near as any."""
    found = nearest(word, known)
    close = get_close_matches(word, sorted(known), n=30)
    assert found in close if close else found is None


@pytest.mark.parametrize("change", ["left out", "doubled", "another letter", "two swapped"])
def test_one_mistake_among_thousands(change: str) -> None:
    """Wherever it is, one mistake leads to the word that was meant, or to one that is nearly as near."""
    draw, words = random.Random(change), KnownWords(HOSTS)
    for host in draw.sample(HOSTS, 60):
        place = draw.randrange(len(host) - 1)
        before, letter, after = host[:place], host[place], host[place + 1 :]
        changed = {
            "left out": before + after,
            "doubled": before + letter + letter + after,
            "another letter": f"{before}_{after}",
            "two swapped": before + after[:1] + letter + after[1:],
        }[change]
        meant = words.nearest(changed)
        assert meant is not None
        assert likeness(meant, changed) > likeness(host, changed) - 0.05


def test_any_case() -> None:
    """Words are known, and looked for, in any case, and given as they are written."""
    words = KnownWords(["BaseOS", "CRB"])
    assert (words.get("baseos"), words.get("CrB"), words.get("crbb")) == ("BaseOS", "CRB", None)
    assert words.nearest("BASEO") == "BaseOS"
