"""Moments of the past, as people write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.past.moments import parse_moment

NOW = datetime(2026, 11, 20, 14, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "ago_s"),
    [
        pytest.param("2026-11-20 13:00", 3600, id="a time without a zone is in UTC"),
        pytest.param("2026-11-20T13:00:30Z", 3570, id="ISO 8601"),
        pytest.param("2026-11-20T14:00+01:00", 3600, id="with a zone"),
        pytest.param("2026-11-20", 14 * 3600, id="a day begins at midnight"),
        pytest.param("24h", 86400, id="hours"),
        pytest.param("90m", 5400, id="minutes"),
        pytest.param("3 hours ago", 10800, id="in words"),
        pytest.param("1 Day", 86400, id="in any case"),
        pytest.param(" 2w ago ", 14 * 86400, id="weeks"),
        pytest.param("45s", 45, id="seconds"),
        pytest.param("0s", 0, id="now"),
    ],
)
def test_moments(text: str, ago_s: float) -> None:
    """The moment is so many seconds before now."""
    assert parse_moment(text, NOW) == NOW - ago_s


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("yesterday", "write '2026-11-20 14:00'", id="no moment"),
        pytest.param("", "write", id="nothing"),
        pytest.param("24", "write", id="a number without a unit"),
        pytest.param("2026-13-01", "write", id="no such month"),
        pytest.param("٣h", "write", id="digits of another script"),
        pytest.param("2026-11-20 14:01", "yet to come", id="the future"),
        pytest.param("9999-12-31T23:59:59-23:00", "yet to come", id="the end of the calendar"),
    ],
)
def test_what_is_none(text: str, says: str) -> None:
    """The message says what is allowed."""
    with pytest.raises(ValueError, match=says):
        parse_moment(text, NOW)


def test_long_ago() -> None:
    """Whatever is before the epoch is the epoch: nothing is kept from then."""
    assert parse_moment("9999999w", NOW) == parse_moment("1815-12-10", NOW) == 0
