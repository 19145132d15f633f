"""Values of single keys."""

from __future__ import annotations

import pytest

from app.sources.fields import duration_s


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3h", 10800),
        ("30m", 1800),
        ("90s", 90),
        ("1d", 86400),
        ("1w", 604800),
        ("24h", 86400),
        ("3 hours", 10800),
        ("1 hour", 3600),
        ("10 min", 600),
        ("15 minutes", 900),
        ("2 DAYS", 172800),
        ("6hrs", 21600),
        ("366d", 366 * 86400),
        ("367d", None),
        ("999999999h", None),
        ("3", None),
        ("0h", None),
        ("-3h", None),
        ("1.5h", None),
        ("h", None),
        ("3 fortnights", None),
        ("", None),
    ],
)
def test_durations(text: str, seconds: int | None) -> None:
    """The spellings that people use; a bare number could be anything."""
    assert duration_s(text) == seconds
