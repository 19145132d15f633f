"""Reads the timestamp file at a mirror's base URL, which tells when the mirror was last up to date.

AlmaLinux's file has seconds since the epoch. Others let `date` write it, so the usual forms of a date are
read too; they are in UTC unless they say otherwise.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from app.model.words import moment

TIMESTAMP_FILE = "TIME"

_AHEAD_ALLOWED = timedelta(hours=1)
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
# The forms that `date` prints in the C, British and American locales. Only the zone UTC is understood.
_DATE_FORMS = (
    "%a %b %d %H:%M:%S UTC %Y",
    "%a %d %b %H:%M:%S UTC %Y",
    "%a %d %b %Y %I:%M:%S %p UTC",
    "%a %d %b %Y %H:%M:%S UTC",
    "%a %b %d %I:%M:%S %p UTC %Y",
)


def read_timestamp(body: bytes, now: datetime) -> datetime | str:
    """Returns the time in a timestamp file or, if there is no usable one, the reason as the end of a
    sentence. A time more than an hour ahead of `now` is not usable."""
    lines = body[:1000].decode("utf-8", errors="replace").strip().splitlines()
    if not lines:
        return "its timestamp file is empty"
    first = lines[0].strip()
    found = _epoch(first) or _iso(first) or _mail(first) or _date(first)
    if found is None or found < _EARLIEST:
        return f"its timestamp file holds no time ({first[:40]!r})"
    if found > now + _AHEAD_ALLOWED:
        return f"its timestamp file is ahead of the clock ({moment(found)})"
    return found


def _epoch(text: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(text), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _iso(text: str) -> datetime | None:
    try:
        return _in_utc(datetime.fromisoformat(text.removesuffix(" UTC")))
    except (ValueError, OverflowError):
        return None


def _mail(text: str) -> datetime | None:
    if "," not in text:
        return None
    try:
        return _in_utc(parsedate_to_datetime(text))
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def _date(text: str) -> datetime | None:
    for form in _DATE_FORMS:
        try:
            return datetime.strptime(text.replace(" GMT", " UTC"), form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
