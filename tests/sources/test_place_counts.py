"""places.csv: measured numbers of clients by place."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.model import Severity, SourceError
from app.sources.check import check
from app.sources.place_counts import MAX_BYTES, read_place_counts
from tests.sources.samples import CONFIG, LOCATED


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "places.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param("place,clients\n", {}, id="nobody"),
        pytest.param("place,clients\nDE/50/8,1200\nDE,3\n", {"DE/50/8": 1200, "DE": 3}, id="cell, country"),
        pytest.param("place,clients\nBR/-24/-47,2.5\n", {"BR/-24/-47": 2.5}, id="south and west; fractions"),
        pytest.param("place,clients\n~EU,4\n,7\n", {"~EU": 4, "": 7}, id="a continent, and nowhere"),
        pytest.param("place,clients\nDE,1\nDE,2\n", {"DE": 3}, id="lines add up"),
        pytest.param("place,clients\nDE,0\n", {"DE": 0}, id="none is a number"),
        pytest.param("place,clients\r\nDE,1\r\n", {"DE": 1}, id="CRLF"),
        pytest.param(b"\xef\xbb\xbfplace,clients\nDE,1", {"DE": 1}, id="byte order mark, no final newline"),
        pytest.param("place,clients\n\nDE,1\n\n", {"DE": 1}, id="empty lines"),
        pytest.param('place,clients\n"DE","1"\n', {"DE": 1}, id="quotes"),
    ],
)
def test_counts(tmp_path: Path, content: str | bytes, expected: dict[str, float]) -> None:
    """Clients by place, as `X-Client-Place` names them."""
    assert read_place_counts(write(tmp_path, content)) == expected


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        pytest.param("", 1, "place,clients", id="empty file, as one that is being written"),
        pytest.param("DE,1\n", 1, "place,clients", id="no header"),
        pytest.param("place;clients\nDE;1\n", 1, "place,clients", id="semicolons"),
        pytest.param("place,clients\nDE\n", 2, "DE/50/8,1200", id="no number"),
        pytest.param("place,clients\nDE,1,2\n", 2, "DE/50/8,1200", id="too many columns"),
        pytest.param("place,clients\nDE,1\nFR,many\n", 3, "DE/50/8,1200", id="a word for a number"),
        pytest.param("place,clients\nDE,-1\n", 2, '"-1" is not a number of clients', id="negative"),
        pytest.param("place,clients\nDE,nan\n", 2, '"nan" is not a number of clients', id="not a number"),
        pytest.param("place,clients\nDE,inf\n", 2, '"inf" is not a number of clients', id="infinite"),
        pytest.param("place,clients\nDE,1e300\n", 2, "0 to 1,000,000,000,000", id="beyond adding up"),
        pytest.param("place,clients\nde,1\n", 2, "'de' is not a place such as DE/50/8", id="lower case"),
        pytest.param("place,clients\nGermany,1\n", 2, "'Germany' is not a place", id="a country's name"),
        pytest.param("place,clients\nDE/50,1\n", 2, "'DE/50' is not a place", id="half a cell"),
        pytest.param("place,clients\nDE/50.1/8.7,1\n", 2, "is not a place", id="degrees with a fraction"),
        pytest.param("place,clients\nUK/51/-1,1\n", 2, "did you mean GB/51/-1?", id="UK"),
        pytest.param("place,clients\nXX,1\n", 2, "XX is no country's code", id="no country"),
        pytest.param("place,clients\n~XX,1\n", 2, "continents are AF, AN,", id="no continent"),
        pytest.param("place,clients\nDE/95/8,1\n", 2, "-90 to 90", id="a cell that is not on Earth"),
        pytest.param(b"place,clients\nDE,\xff\n", None, "cannot be read", id="not UTF-8"),
        pytest.param('place,clients\n"DE,1\n' + "x" * 200_000, None, "cannot be read", id="open quote"),
    ],
)
def test_faults(tmp_path: Path, content: str | bytes, line: int | None, says: str) -> None:
    """The first line at fault is named, with what is allowed."""
    with pytest.raises(SourceError) as caught:
        read_place_counts(write(tmp_path, content))
    [finding] = caught.value.findings
    assert (finding.file, finding.line, finding.severity) == ("places.csv", line, Severity.FAULT)
    assert says in finding.message


def test_too_large(tmp_path: Path) -> None:
    """A file larger than any that counts places is not read."""
    path = write(tmp_path, "place,clients\n")
    with path.open("r+b") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(SourceError, match=r"places\.csv: fault: .*larger"):
        read_place_counts(path)


def test_no_file(tmp_path: Path) -> None:
    """Whoever asks for it without looking whether it is there gets a fault, not a traceback."""
    with pytest.raises(SourceError, match=r"places\.csv: fault: the file cannot be read"):
        read_place_counts(tmp_path / "places.csv")


def test_checked(tmp_path: Path) -> None:
    """`mirrorwise check` says what is wrong with it, and nothing where it is not there or sound."""
    (tmp_path / "config.yml").write_text(CONFIG)
    (tmp_path / "mirrors.d").mkdir()
    (tmp_path / "mirrors.d" / "mirror.example.org.yml").write_text(LOCATED)
    assert check(tmp_path) == []
    path = write(tmp_path, "place,clients\nDE,1\n")
    assert check(tmp_path) == []
    write(tmp_path, "place,clients\nDE,1\nFR,x\n")
    [finding] = check(tmp_path)
    assert (finding.file, finding.line, finding.severity) == (str(path), 3, Severity.FAULT)
