"""What mirrors serve, read without trust: timestamp files and repomd.xml."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.probe.repomd import repomd_timestamp
from app.probe.timestamp import read_timestamp
from tests.probe.fleet import repomd

NOW = dt.datetime(2026, 11, 20, 12, 0, tzinfo=dt.UTC)
EXPECTED = dt.datetime(2026, 11, 20, 9, 58, 12, tzinfo=dt.UTC)

TIMES = {
    "epoch": b"1795168692\n",
    "epoch and CRLF": b"1795168692\r\n",
    "epoch with a fraction": b"1795168692.0",
    "more lines": b"1795168692\nsynced by a script\n",
    "ISO 8601": b"2026-11-20T09:58:12Z\n",
    "ISO 8601 with an offset": b"2026-11-20T10:58:12+01:00",
    "date -u": b"Fri Nov 20 09:58:12 UTC 2026\n",
    "date -u in an American locale": b"Fri Nov 20 09:58:12 AM UTC 2026\n",
    "date -u in a British locale": b"Fri 20 Nov 09:58:12 UTC 2026\n",
    "date -R": b"Fri, 20 Nov 2026 10:58:12 +0100\n",
    "plain, in UTC": b"2026-11-20 09:58:12",
}
NO_TIMES = {
    "nothing": (b"", "empty"),
    "a page": (b"<!DOCTYPE html><html>", "holds no time"),
    "bytes": (b"\xff\xfe\x00", "holds no time"),
    "milliseconds": (b"1795168692000", "holds no time"),
    "a long number": (b"9" * 400, "holds no time"),
    "not a number": (b"nan", "holds no time"),
    "a local zone": (b"Fri Nov 20 09:58:12 CET 2026", "holds no time"),
    "long ago": (b"0", "holds no time"),
    "the future": (b"2031-01-01T00:00:00Z", "ahead of the clock (2031-01-01 00:00 UTC)"),
}


@pytest.mark.parametrize("body", TIMES.values(), ids=TIMES)
def test_timestamp_files_are_read_in_the_usual_forms(body: bytes) -> None:
    """Seconds since the epoch, and what `date` writes."""
    assert read_timestamp(body, NOW) == EXPECTED


@pytest.mark.parametrize(("body", "why"), NO_TIMES.values(), ids=NO_TIMES)
def test_what_is_no_time_is_said_so(body: bytes, why: str) -> None:
    """Never guessed at, and never an exception."""
    found = read_timestamp(body, NOW)
    assert isinstance(found, str) and why in found


@given(st.binary(max_size=60) | st.text(max_size=40).map(str.encode))
@settings(max_examples=100, deadline=None)
def test_no_timestamp_file_breaks_the_reader(body: bytes) -> None:
    """A time in the plausible range, or words."""
    found = read_timestamp(body, NOW)
    assert isinstance(found, str) or dt.datetime(2000, 1, 1, tzinfo=dt.UTC) <= found <= NOW + dt.timedelta(
        hours=1
    )


GOOD = repomd("/x", 1_795_000_000)
DAMAGED = {
    "nothing": b"",
    "truncated": GOOD[:-10],
    "a page": b"<html><body>Not found</body></html>",
    "another format": b"<repomd2><data/></repomd2>",
    "no data": b"<repomd><revision>1</revision></repomd>",
    "not XML": b"\x1f\x8b\x08",
    "a timestamp that is none": GOOD.replace(b"<timestamp>1795000000", b"<timestamp>soon"),
    "a timestamp beyond all time": GOOD.replace(b"<timestamp>1795000000", b"<timestamp>1e300"),
    "an endless timestamp": GOOD.replace(b"<timestamp>1795000000", b"<timestamp>inf"),
    "elements without end": b"<repomd>" + b"<data/>" * 20_000 + b"</repomd>",
    "elements in elements": b"<repomd><data/>" + b"<a>" * 20_000 + b"</a>" * 20_000 + b"</repomd>",
    "entities": b'<!DOCTYPE repomd [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + GOOD.partition(b"?>")[2],
}


@pytest.mark.parametrize("body", DAMAGED.values(), ids=DAMAGED)
def test_what_is_not_a_whole_repomd_has_no_date(body: bytes) -> None:
    """Document types, and with them entities, are refused: a repomd.xml has none."""
    assert repomd_timestamp(body) is None


def test_the_date_is_the_newest_of_the_data_elements() -> None:
    """As in the metalinks that dnf knows; fractions are cut, namespaces do not matter, and a file
    without timestamps has its revision's date."""
    two = b"<repomd><data><timestamp>5.75</timestamp></data><data><timestamp>3</timestamp></data></repomd>"
    assert repomd_timestamp(two) == 5
    assert (
        repomd_timestamp(b'<r:repomd xmlns:r="x"><r:data><r:timestamp>7</r:timestamp></r:data></r:repomd>')
        == 7
    )
    assert repomd_timestamp(b"<repomd><revision>9</revision><data/></repomd>") == 9


def test_real_files_have_the_dates_that_are_in_them(real_data: Path) -> None:
    """Distributions of fifteen years; the one that is not well-formed is found out."""
    dates = {path.name: repomd_timestamp(path.read_bytes()) for path in (real_data / "repomd").glob("*.xml")}
    assert dates.pop("invalid.repomd.xml") is None
    assert dates["epel-source-2014-fractional-ts.repomd.xml"] == 1_412_268_255
    assert all(date is not None and 1_300_000_000 < date < 1_700_000_000 for date in dates.values())
