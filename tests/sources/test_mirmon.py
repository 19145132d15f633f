"""mirmon's state file as a source of mirror states."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.model import Endpoint, Mirror, MirrorState, Severity, SourceError, Status
from app.sources.mirmon import read_mirmon

A = Mirror(
    name="a.example.org",
    addresses={"https": "https://a.example.org/alma/", "http": "http://a.example.org/alma/"},
)
B = Mirror(name="b.example.org", addresses={"http": "http://b.example.org/"})

PROBED, SUCCESS, AGE = 1760010000, 1760006400, 1760000000


def at(epoch: int) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)


def read(folder: Path, *lines: str) -> dict[str, MirrorState]:
    path = folder / "mirmon.state"
    path.write_text("".join(line + "\n" for line in lines))
    states, findings = read_mirmon(path, [A, B])
    assert findings == []
    return states


def line(
    url: str, status: str = "ok", probes: str = "ss", success: str = str(SUCCESS), age: str = str(AGE)
) -> str:
    return f"{url} {age} {status} {success} {probes} {AGE}-sss {PROBED}"


def test_a_url_that_answers(tmp_path: Path) -> None:
    """Its age is that of its own time file, seen at the last success. Of IPv6 nothing is known."""
    assert read(tmp_path, line("http://b.example.org/")) == {
        "b.example.org": MirrorState(
            mirror="b.example.org",
            probed_at=at(SUCCESS),
            status=Status.OK,
            timestamp=at(AGE),
            endpoints={"http": {"ipv4": Endpoint(ok=True)}},
        )
    }


@pytest.mark.parametrize(
    "url", ["http://b.example.org", "HTTP://B.example.org:80/", "http://b.example.org//"]
)
def test_urls_are_matched_in_one_form(tmp_path: Path, url: str) -> None:
    """A slash, a capital or a default port does not make another mirror of it."""
    assert list(read(tmp_path, line(url))) == ["b.example.org"]


@pytest.mark.parametrize(
    ("text", "status", "failures", "since"),
    [
        pytest.param(
            line("http://b.example.org/", "hangs", "ssf"), Status.OK, 1, None, id="one failure is no news"
        ),
        pytest.param(
            line("http://b.example.org/", "hangs", "ssff"), Status.UNREACHABLE, 2, SUCCESS, id="two failures"
        ),
        pytest.param(
            line("http://b.example.org/", "hangs", "f", "undef", "undef"),
            Status.UNREACHABLE,
            1,
            None,
            id="never reached",
        ),
        pytest.param(
            line("http://b.example.org/", "no_time", "sff"), Status.BROKEN, 2, SUCCESS, id="no time file"
        ),
        pytest.param(
            line("http://b.example.org/", "empty", "sff"), Status.BROKEN, 2, SUCCESS, id="empty time file"
        ),
        pytest.param(line("http://b.example.org/", "ok", "ffs"), Status.OK, 0, None, id="back again"),
    ],
)
def test_failures(tmp_path: Path, text: str, status: Status, failures: int, since: int | None) -> None:
    """A URL is down from the second failure in a row; the reason is kept in mirmon's words."""
    state = read(tmp_path, text)["b.example.org"]
    assert (state.status, state.failures) == (status, failures)
    assert state.since == (at(since) if since else None)
    assert state.endpoints["http"]["ipv4"].ok is (status is Status.OK)
    assert (state.reason is None) is (status is Status.OK)
    if state.reason:
        assert state.reason == f"mirmon: {text.split(' ')[2].replace('_', ' ')}"


def test_the_urls_of_one_mirror_make_one_state(tmp_path: Path) -> None:
    """It is as good as the best of them, and each protocol has its own endpoint."""
    state = read(
        tmp_path,
        line("http://a.example.org/alma/", "hangs", "sfff"),
        line("https://a.example.org/alma/", age=str(AGE + 60)),
    )["a.example.org"]
    assert state.status is Status.OK
    assert state.timestamp == at(AGE + 60)
    assert {protocol: families["ipv4"].ok for protocol, families in state.endpoints.items()} == {
        "https": True,
        "http": False,
    }


def test_a_url_that_was_never_probed_says_nothing(tmp_path: Path) -> None:
    """Its history is empty, so there are two blanks in a row; that is seven fields all the same."""
    assert read(tmp_path, "http://b.example.org/ undef undef undef  1760000000-z undef") == {}


@pytest.mark.parametrize("probes", ["", "s", "sss", "ff", "x-?"])
def test_a_success_that_never_was(tmp_path: Path, probes: str) -> None:
    """A line which says that the last probe succeeded and that none ever did is named, and says nothing of
    the mirror; its other lines do."""
    path = tmp_path / "mirmon.state"
    path.write_text(f"{line('http://a.example.org/alma/', probes=probes, success='undef')}\n")
    states, findings = read_mirmon(path, [A])
    assert states == {}
    assert [(finding.severity, finding.line) for finding in findings] == [(Severity.WARNING, 1)]
    with path.open("a") as file:
        file.write(f"{line('https://a.example.org/alma/', probes=probes)}\n")
    states, findings = read_mirmon(path, [A])
    assert (list(states), len(findings)) == (["a.example.org"], 1)


@pytest.mark.parametrize("probes", ["", "s", "ff", "x-?"])
@pytest.mark.parametrize("status", ["hangs", "", "y" * 10_000])
def test_odd_histories(tmp_path: Path, probes: str, status: str) -> None:
    """A URL that was never reached is down, whatever its history says. What a page shows of it is short."""
    state = read(tmp_path, line("http://b.example.org/", status, probes, "undef", "undef"))["b.example.org"]
    assert state.status is Status.UNREACHABLE
    assert state.since is None
    assert len(state.reason or "") < 100


def test_lines_that_make_no_sense_are_warnings(tmp_path: Path) -> None:
    """The other lines count; of many URLs that belong to no mirror the first is shown."""
    path = tmp_path / "mirmon.state"
    path.write_text(
        "\n".join(
            [
                "nonsense",
                line("http://x.example.org/"),
                line("ftp://b.example.org/"),
                "",
                line("http://b.example.org/") + "\r",
            ]
        )
    )
    states, findings = read_mirmon(path, [A, B])
    assert list(states) == ["b.example.org"]
    assert [(finding.severity, finding.line) for finding in findings] == [
        (Severity.WARNING, 1),
        (Severity.WARNING, 2),
    ]
    assert "2 URLs" in findings[1].message
    assert "http://x.example.org/" in findings[1].message


def test_an_unreadable_file_is_an_error(tmp_path: Path) -> None:
    """As for every source."""
    with pytest.raises(SourceError, match="cannot be read"):
        read_mirmon(tmp_path / "mirmon.state", [A])
