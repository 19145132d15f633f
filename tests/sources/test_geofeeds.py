"""geofeeds/*.csv: rows that say where the clients of a prefix are."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from app.model import Severity, SourceError
from app.model.prefixes import Correction, parse_prefix
from app.sources import geofeeds
from app.sources.check import check
from app.sources.gazetteer import Gazetteer
from app.sources.geofeeds import MAX_BYTES, MAX_ROWS, Geofeeds, decode_rows, encode_rows, read_geofeed
from app.sources.report import MAX_FINDINGS
from tests.sources.samples import CONFIG, LOCATED

GAZETTEER = Gazetteer()
LIMIT_S = 8.0
"""As much as the largest file may take on a busy machine; a second is usual."""


def write(folder: Path, content: str | bytes, name: str = "office.csv") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows_of(path: Path) -> list[tuple[str, str, int]]:
    rows, findings = read_geofeed(path, GAZETTEER)
    assert findings == []
    return [(str(row.prefix), row.place, row.line) for row in rows]


@pytest.mark.parametrize(
    ("content", "prefix", "place"),
    [
        pytest.param("192.0.2.0/24,DE,,Berlin,", "192.0.2.0/24", "DE/52/13", id="a city"),
        pytest.param("192.0.2.0/24,DE,,,", "192.0.2.0/24", "DE", id="a country"),
        pytest.param("192.0.2.0/24,DE,DE-HE,,60311", "192.0.2.0/24", "DE", id="a region alone"),
        pytest.param("192.0.2.0/24,DE", "192.0.2.0/24", "DE", id="two fields are enough"),
        pytest.param("2001:db8::/32,JP,,Tokyo,", "2001:db8::/32", "JP/35/139", id="IPv6"),
        pytest.param("192.0.2.7,FR,,Paris,", "192.0.2.7/32", "FR/48/2", id="an address"),
        pytest.param("192.0.2.0/24,US,US-ME,Portland,", "192.0.2.0/24", "US/43/-71", id="Portland, Maine"),
        pytest.param("192.0.2.0/24,US,US-OR,Portland,", "192.0.2.0/24", "US/45/-123", id="Portland, Oregon"),
        pytest.param("192.0.2.0/24,US,,Portland,", "192.0.2.0/24", "US/45/-123", id="the larger Portland"),
        pytest.param("192.0.2.0/24,de,de-be,berlin,", "192.0.2.0/24", "DE/52/13", id="lower case"),
        pytest.param("192.0.2.0/24,UK,,London,", "192.0.2.0/24", "GB/51/-1", id="UK"),
        pytest.param('192.0.2.0/24,"DE",,"Berlin",', "192.0.2.0/24", "DE/52/13", id="quotes"),
        pytest.param(" 192.0.2.0/24 , DE ,, Berlin ,", "192.0.2.0/24", "DE/52/13", id="blanks"),
        pytest.param("192.0.2.0/24,DE,,Berlin,,more", "192.0.2.0/24", "DE/52/13", id="a sixth field"),
        pytest.param("192.0.2.0/24,,,,", "192.0.2.0/24", "", id="not to be located"),
        pytest.param("192.0.2.0/24,", "192.0.2.0/24", "", id="not to be located, in short"),
        pytest.param("192.0.2.0/24,ZZ,,,", "192.0.2.0/24", "", id="not to be located, in the old way"),
        pytest.param("10.0.0.0/8,DE,,,", "10.0.0.0/8", "DE", id="the widest, of private addresses"),
        pytest.param("2400::/19,JP,,,", "2400::/19", "JP", id="the widest of IPv6"),
        pytest.param("fd00::/19,DE,,,", "fd00::/19", "DE", id="local addresses of IPv6"),
        pytest.param("::ffff:192.0.2.0/120,DE", "192.0.2.0/24", "DE", id="IPv4 in the form of IPv6"),
    ],
)
def test_rows(tmp_path: Path, content: str, prefix: str, place: str) -> None:
    """The country comes from the row, and the cell from the city."""
    assert rows_of(write(tmp_path, content + "\n")) == [(prefix, place, 1)]


def test_lines_without_rows(tmp_path: Path) -> None:
    """Comments to the end of a line, blank lines, CRLF, a byte order mark and a missing last line break are
    what RFC 8805 and editors allow; lines are counted all the same."""
    content = "\ufeff# ours\r\n\r\n192.0.2.0/25,DE,,, # a comment\r\n  \t\r\n  # more\r\n192.0.2.128/25,FR,,,"
    assert rows_of(write(tmp_path, content)) == [("192.0.2.0/25", "DE", 3), ("192.0.2.128/25", "FR", 6)]


def test_coordinates_are_the_city_s(tmp_path: Path) -> None:
    """They are those of the gazetteer, and there are none for a country."""
    [city, country], _ = read_geofeed(
        write(tmp_path, "192.0.2.0/25,DE,,Berlin,\n192.0.2.128/25,DE\n"), GAZETTEER
    )
    assert city.coordinates == GAZETTEER.find("DE", None, "Berlin")
    assert country.coordinates is None
    assert (city.source, country.source) == ("office.csv, line 1", "office.csv, line 2")


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        pytest.param("", None, "the file has no rows; take it away", id="empty, as one being written"),
        pytest.param("# nothing\n", None, "the file has no rows", id="comments alone"),
        pytest.param("prefix,country\n", 1, "'prefix' is not an address prefix; a row is", id="a header"),
        pytest.param("192.0.2.0/24;DE\n", 1, "has a prefix length other than 0 to 32", id="semicolons"),
        pytest.param("192.0.2.0/24\n", 1, "the row has no country; a row is a prefix,", id="a cut row"),
        pytest.param("192.0.2/24,DE\n", 1, "'192.0.2/24' is not an address prefix", id="no prefix"),
        pytest.param("192.0.2.0/33,DE\n", 1, "prefix length other than 0 to 32", id="too long a prefix"),
        pytest.param("192.0.2.1/24,DE\n", 1, "the prefix would be 192.0.2.0/24", id="host bits"),
        pytest.param("2001:db8::1/32,DE\n", 1, "the prefix would be 2001:db8::/32", id="host bits of IPv6"),
        pytest.param("192.0.0.0/7,DE\n", 1, "the widest allowed for IPv4 is a /8", id="too wide"),
        pytest.param("0.0.0.0/0,DE\n", 1, "the widest allowed for IPv4 is a /8", id="everything"),
        pytest.param("2400::/18,DE\n", 1, "the widest allowed for IPv6 is a /19", id="too wide for IPv6"),
        pytest.param("2002:c000:200::/40,DE\n", 1, "no client has an address in", id="IPv4 by 6to4"),
        pytest.param("::192.0.2.0/120,DE\n", 1, "no client has an address in", id="IPv4 as IPv6"),
        pytest.param("224.0.0.0/8,DE\n", 1, "no client has an address in", id="multicast"),
        pytest.param("192.0.2.0/24,XQ\n", 1, '"XQ" is no country\'s code', id="no country"),
        pytest.param("192.0.2.0/24,EU\n", 1, '"EU" is no country\'s code', id="a continent"),
        pytest.param("192.0.2.0/24,Germany\n", 1, '"Germany" is no country\'s code', id="a country's name"),
        pytest.param("192.0.2.0/24,,DE-BE,,\n", 1, '"DE-BE" stands there without a country', id="a region"),
        pytest.param("192.0.2.0/24,,,Berlin\n", 1, '"Berlin" stands there without a country', id="a city"),
        pytest.param(
            "192.0.2.0/24,DE\n\n192.0.2.0/24,FR\n", 3, "192.0.2.0/24 has a row in line 1 already", id="twice"
        ),
        pytest.param('192.0.2.0/24,"DE\n', 1, "unexpected end of data", id="an open quote"),
        pytest.param(b"192.0.2.0/24,DE,,K\xf6ln,\n", None, "cannot be read as UTF-8", id="not UTF-8"),
    ],
)
def test_faults(tmp_path: Path, content: str | bytes, line: int | None, says: str) -> None:
    """A row that cannot count is a fault of the file, named with its line and what is allowed."""
    with pytest.raises(SourceError) as caught:
        read_geofeed(write(tmp_path, content), GAZETTEER)
    [finding] = caught.value.findings
    assert (finding.file, finding.line, finding.severity) == ("office.csv", line, Severity.FAULT)
    assert says in finding.message


@pytest.mark.parametrize(
    ("row", "place", "says"),
    [
        pytest.param(
            "192.0.2.0/24,DE,,Atlantis,", "DE", '"Atlantis" is not in the list of places of DE', id="city"
        ),
        pytest.param(
            "192.0.2.0/24,DE,,Paris,", "DE", '"Paris" is not in the list', id="another country's city"
        ),
        pytest.param("192.0.2.0/24,DE,US-ME,Berlin,", "DE/52/13", '"US-ME" is no region of DE', id="region"),
    ],
)
def test_warnings(tmp_path: Path, row: str, place: str, says: str) -> None:
    """What is not known of a row is left out, and said; the rest of it counts."""
    [correction], [finding] = read_geofeed(write(tmp_path, f"# one\n{row}\n"), GAZETTEER)
    assert (correction.place, finding.line, finding.severity) == (place, 2, Severity.WARNING)
    assert says in finding.message


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    """Not one after the other, as they are corrected."""
    path = write(tmp_path, "192.0.2.0/24,XQ\n192.0.2.1/24,DE\n198.51.100.0/24,DE,,Atlantis,\n")
    with pytest.raises(SourceError) as caught:
        read_geofeed(path, GAZETTEER)
    assert [finding.line for finding in caught.value.findings] == [1, 2, 3]


# --- bounds ----------------------------------------------------------------------------------------


def test_too_large(tmp_path: Path) -> None:
    """A file larger than any geofeed is not read."""
    path = write(tmp_path, "192.0.2.0/24,DE\n")
    with path.open("r+b") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(SourceError, match=r"office\.csv: fault: .*larger"):
        read_geofeed(path, GAZETTEER)


def many(count: int) -> str:
    return "".join(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255},DE,,Berlin,\n" for n in range(count))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(many(MAX_ROWS + 1), "more than the 100,000 rows allowed", id="rows"),
        pytest.param("x\n" * (MAX_BYTES // 2), "is not an address prefix", id="rows that are none"),
        pytest.param("\n" * MAX_BYTES, "has no rows", id="blank lines"),
        pytest.param("192.0.2.0/24," + "x" * (MAX_BYTES - 20), "field larger than", id="one long row"),
        pytest.param("192.0.2.0/24,DE," + '"' * (MAX_BYTES - 20), "field larger than", id="one long field"),
    ],
)
def test_hostile_files(tmp_path: Path, content: str, says: str) -> None:
    """They are judged in seconds, and what is said of them fits a page."""
    path, started = write(tmp_path, content), time.process_time()
    with pytest.raises(SourceError) as caught:
        read_geofeed(path, GAZETTEER)
    assert time.process_time() - started < LIMIT_S
    assert any(says in finding.message for finding in caught.value.findings)
    assert len(caught.value.findings) <= MAX_FINDINGS + 1


# --- the folder --------------------------------------------------------------------------------------


def counting(feeds: Geofeeds) -> dict[str, str]:
    return {str(row.prefix): f"{row.place} by {row.source}" for row in feeds.corrections}


def said(feeds: Geofeeds) -> list[str]:
    return list(map(str, feeds.findings))


def test_no_folder(tmp_path: Path) -> None:
    """A network needs no geofeeds."""
    feeds = Geofeeds(tmp_path / "geofeeds")
    feeds.read()
    assert (counting(feeds), said(feeds)) == ({}, [])


def test_the_first_of_equal_prefixes_counts(tmp_path: Path) -> None:
    """Files come by name; the row that does not count is named."""
    write(tmp_path, "192.0.2.0/24,DE\n192.0.2.0/25,FR\n", "a.csv")
    write(tmp_path, "198.51.100.0/24,JP\n192.0.2.0/24,US\n", "b.csv")
    feeds = Geofeeds(tmp_path)
    feeds.read()
    assert counting(feeds) == {
        "192.0.2.0/24": "DE by a.csv, line 1",
        "192.0.2.0/25": "FR by a.csv, line 2",
        "198.51.100.0/24": "JP by b.csv, line 1",
    }
    assert said(feeds) == ["b.csv:2: warning: 192.0.2.0/24 has a row in a.csv, line 1, which counts"]


def test_last_good_rows(tmp_path: Path) -> None:
    """A file at fault keeps its last good rows, others change; a file that is gone is gone, and so is all in
    an emptied folder; of a folder that is away, nothing changes."""
    folder = tmp_path / "geofeeds"
    good, other = write(folder, "192.0.2.0/24,DE\n"), write(folder, "198.51.100.0/24,FR\n", "other.csv")
    feeds = Geofeeds(folder)
    feeds.read()
    good.write_text("192.0.2.0/24,XQ\n203.0.113.0/24,JP\n")
    other.write_text("198.51.100.0/24,LU\n")
    feeds.read()
    assert set(counting(feeds).values()) == {"DE by office.csv, line 1", "LU by other.csv, line 1"}
    assert [finding.partition(": fault")[0] for finding in said(feeds)] == ["office.csv:1"]
    away = folder.rename(tmp_path / "away")
    feeds.read()
    assert set(counting(feeds).values()) == {"DE by office.csv, line 1", "LU by other.csv, line 1"}
    assert said(feeds) == [
        ".: fault: the folder cannot be read, so all geofeeds stay as they were: No such file or directory"
    ]
    away.rename(folder)
    good.unlink()
    feeds.read()
    assert counting(feeds) == {"198.51.100.0/24": "LU by other.csv, line 1"}
    other.unlink()
    feeds.read()
    assert (counting(feeds), said(feeds)) == ({}, [])


def test_all_rows_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a file with which they would be too many, none counts."""
    monkeypatch.setattr(geofeeds, "MAX_ROWS", 2)
    write(tmp_path, "192.0.2.0/24,DE\n", "a.csv")
    write(tmp_path, "198.51.100.0/25,FR\n198.51.100.128/25,FR\n", "b.csv")
    write(tmp_path, "203.0.113.0/24,JP\n", "c.csv")
    feeds = Geofeeds(tmp_path)
    feeds.read()
    assert set(counting(feeds)) == {"192.0.2.0/24", "203.0.113.0/24"}
    [finding] = feeds.findings
    assert finding.file == "b.csv" and "all geofeeds together" in finding.message


def test_kept_copy() -> None:
    """What is kept comes back as it was, of both families."""
    berlin = GAZETTEER.find("DE", None, "Berlin")
    rows = {
        "a.csv": (Correction(parse_prefix("2001:db8:ffff::/48"), "DE/52/13", berlin, "a.csv", 3),),
        "ä b.csv": (Correction(parse_prefix("192.0.2.0/24"), "", None, "ä b.csv", 1),),
    }
    assert decode_rows(encode_rows(rows)) == rows


# --- check -------------------------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "config.yml").write_text(CONFIG)
    (tmp_path / "mirrors.d").mkdir()
    (tmp_path / "mirrors.d" / "mirror.example.org.yml").write_text(LOCATED)
    return tmp_path


def test_checked(data: Path) -> None:
    """`mirrorwise check` names faults and warnings with file and line, and nothing where all is sound."""
    path = write(data / "geofeeds", "192.0.2.0/24,DE,,Berlin,\n")
    assert check(data) == []
    path.write_text("192.0.2.0/24,DE,,Berlin,\n192.0.2.1/24,DE\n198.51.100.0/24,DE,,Atlantis,\n")
    found = [(finding.file, finding.line, finding.severity) for finding in check(data)]
    assert found == [(str(path), 2, Severity.FAULT), (str(path), 3, Severity.WARNING)]


@pytest.mark.parametrize(
    "name", ["geofeeds/office.csv.bak", "geofeeds/office.CSV", "office.csv", "feeds/a.csv"]
)
def test_unread(data: Path, name: str) -> None:
    """A geofeed under another name, or in another folder, is named."""
    path = data / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("# ours\n192.0.2.0/24,DE,,Berlin,\n")
    [finding] = check(data)
    assert (finding.file, finding.severity) == (str(path), Severity.WARNING)
    assert "geofeed files are read from geofeeds/ itself, under names that end in .csv" in finding.message


@pytest.mark.parametrize(
    "content", ["town,country\nBerlin,DE\n", "192.0.2.1 DE\n", "192.0.2.0/24,web server\n", ""]
)
def test_other_tables(data: Path, content: str) -> None:
    """Other files with commas may lie there."""
    (data / "towns.csv").write_text(content)
    assert check(data) == []
