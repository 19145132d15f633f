"""The prober's state files, read back as typed values."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.model import (
    Content,
    Endpoint,
    Image,
    ImageDirectory,
    MirrorState,
    ProbeRound,
    RepomdVersion,
    SourceError,
    Status,
)
from app.sources.folder import DataFolder
from app.sources.probe_state import (
    MAX_ROUND_BYTES,
    MAX_WORDS,
    read_images,
    read_mirror_state,
    read_repo_versions,
    read_round,
)
from app.sources.state_files import StateFiles

STATE: dict[str, Any] = {
    "mirror": "mirror.example.org",
    "probed_at": "2026-11-20T10:15:00Z",
    "status": "ok",
    "since": "2026-11-19T08:00:00Z",
    "failures": 0,
    "reason": None,
    "addresses": ["192.0.2.10", "2001:db8::10"],
    "timestamp": "2026-11-20T09:58:12Z",
    "endpoints": {"http": {"ipv4": {"ok": True}, "ipv6": {"ok": False, "detail": "no answer within 10 s"}}},
    "content": {"9.8/baseos/x86_64": "current", "9.8/nfv/x86_64": "previous"},
    "isos": {"9.8/x86_64": True},
}
VERSION = {"timestamp": 1760000000, "size": 3000, "seen_at": "2026-11-20T10:00:00Z", "sha256": "ab" * 32}


def written(folder: Path, value: object, name: str = "mirror.example.org.json") -> Path:
    path = folder / name
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_a_mirrors_state(tmp_path: Path) -> None:
    """The contract's own example, with times in UTC."""
    assert read_mirror_state(written(tmp_path, STATE)) == MirrorState(
        mirror="mirror.example.org",
        probed_at=datetime(2026, 11, 20, 10, 15, tzinfo=UTC),
        status=Status.OK,
        since=datetime(2026, 11, 19, 8, 0, tzinfo=UTC),
        addresses=("192.0.2.10", "2001:db8::10"),
        timestamp=datetime(2026, 11, 20, 9, 58, 12, tzinfo=UTC),
        endpoints={
            "http": {"ipv4": Endpoint(ok=True), "ipv6": Endpoint(ok=False, detail="no answer within 10 s")}
        },
        content={"9.8/baseos/x86_64": Content.CURRENT, "9.8/nfv/x86_64": Content.PREVIOUS},
        isos={"9.8/x86_64": True},
    )


def test_what_a_newer_prober_adds_is_left_out(tmp_path: Path) -> None:
    """Unknown keys, protocols, families and verdicts do not break an older reader."""
    newer = {
        **STATE,
        "mood": "sunny",
        "endpoints": {"quic": {"ipv4": {"ok": True}}, "http": {"ipv4": {"ok": True, "new": 1}, "ipv7": {}}},
        "content": {"9.8/baseos/x86_64": "current", "9.8/nfv/x86_64": "fragrant"},
    }
    state = read_mirror_state(written(tmp_path, newer))
    assert state.endpoints == {"http": {"ipv4": Endpoint(ok=True)}}
    assert state.content == {"9.8/baseos/x86_64": Content.CURRENT}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        pytest.param("", "truncated", id="empty"),
        pytest.param(json.dumps(STATE)[:100], "truncated", id="cut short"),
        pytest.param("[]", "object", id="a list"),
        pytest.param(
            '{"mirror": "\udcff"}'.encode("utf-8", "surrogateescape").decode("latin-1"), "", id="odd text"
        ),
        pytest.param({**STATE, "mirror": "other.example.org"}, "other.example.org", id="another mirror's"),
        pytest.param({**STATE, "status": "splendid"}, "status", id="status"),
        pytest.param({**STATE, "probed_at": "yesterday"}, "probed_at", id="time"),
        pytest.param({**STATE, "probed_at": "2026-11-20T10:15:00"}, "time zone", id="time without zone"),
        pytest.param({**STATE, "timestamp": "2026-11-20T10:15:00"}, "time zone", id="timestamp without zone"),
        pytest.param(
            {**STATE, "asked_again": {"9.8/nfv/x86_64": "2026-11-20T10:15:00"}},
            "time zone",
            id="asked again without zone",
        ),
        pytest.param({**STATE, "endpoints": {"http": True}}, "endpoints", id="endpoints"),
        pytest.param({**STATE, "content": {"9.8/baseos/x86_64": 1}}, "content", id="content"),
        pytest.param({k: v for k, v in STATE.items() if k != "status"}, "status", id="no status"),
        pytest.param({**STATE, "addresses": ["mirror.example.org"]}, "not an IP address", id="a host name"),
        pytest.param({**STATE, "addresses": ["192.0.2.0/24"]}, "not an IP address", id="a netblock"),
        pytest.param({**STATE, "addresses": ["fe80::1%eth0"]}, "not an IP address", id="a zone"),
        pytest.param({**STATE, "addresses": ["192.0.2.1"] * 101}, "101 addresses", id="too many addresses"),
    ],
)
def test_a_damaged_mirror_state_is_an_error(tmp_path: Path, value: object, words: str) -> None:
    """It names the file and the key, so that the caller can keep what it had."""
    with pytest.raises(SourceError) as caught:
        read_mirror_state(written(tmp_path, value))
    assert caught.value.findings[0].file == "mirror.example.org.json"
    assert words in str(caught.value)


def test_what_is_shown_is_short(tmp_path: Path) -> None:
    """However much a state file has to say, a page has room for it."""
    endpoints = {"http": {"ipv4": {"ok": False, "detail": "y" * 100_000}}}
    state = read_mirror_state(written(tmp_path, {**STATE, "reason": "x" * 100_000, "endpoints": endpoints}))
    assert state.reason == "x" * (MAX_WORDS - 3) + "..."
    assert state.endpoints["http"]["ipv4"].detail == "y" * (MAX_WORDS - 3) + "..."


def test_the_origins_repomd_versions(tmp_path: Path) -> None:
    """By release/repo/arch, in the order of the file, which is newest first."""
    older = {**VERSION, "timestamp": 1750000000, "md5": "cd" * 16, "future": [1]}
    facts = read_repo_versions(written(tmp_path, {"9.8/baseos/x86_64": [VERSION, older]}, "repos.json"))
    seen_at = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
    first = RepomdVersion(timestamp=1760000000, size=3000, seen_at=seen_at, sha256="ab" * 32)
    assert facts["9.8/baseos/x86_64"][0] == first
    assert [version.timestamp for version in facts["9.8/baseos/x86_64"]] == [1760000000, 1750000000]
    assert facts["9.8/baseos/x86_64"][1].md5 == "cd" * 16


@pytest.mark.parametrize(
    ("version", "words"),
    [
        pytest.param({**VERSION, "sha256": "AB" * 32}, "sha256", id="upper case"),
        pytest.param({**VERSION, "sha256": "ab" * 31}, "sha256", id="too short"),
        pytest.param({**VERSION, "sha1": "<a>" + "a" * 37}, "sha1", id="no digits"),
        pytest.param({**VERSION, "size": "3000"}, "size", id="size as a text"),
        pytest.param({**VERSION, "seen_at": "2026-11-20T10:00:00"}, "time zone", id="no zone"),
    ],
)
def test_a_wrong_hash_is_an_error(tmp_path: Path, version: dict[str, object], words: str) -> None:
    """A wrong hash in a metalink would make clients refuse good mirrors; it never gets that far."""
    with pytest.raises(SourceError, match=words):
        read_repo_versions(written(tmp_path, {"9.8/baseos/x86_64": [version]}, "repos.json"))


IMAGES: dict[str, Any] = {
    "checksums": "CHECKSUM",
    "seen_at": "2026-11-20T10:00:00Z",
    "images": {"x.iso": {"size": 5, "sha256": "ab" * 32}},
}


def test_the_origins_images(tmp_path: Path) -> None:
    """By release/arch; what a newer prober adds is left out."""
    path = written(tmp_path, {"9.8/x86_64": {**IMAGES, "others": ["y"], "mood": "sunny"}}, "isos.json")
    assert read_images(path) == {
        "9.8/x86_64": ImageDirectory(
            checksums="CHECKSUM",
            seen_at=datetime(2026, 11, 20, 10, 0, tzinfo=UTC),
            images={"x.iso": Image(size=5, sha256="ab" * 32)},
            others=("y",),
        )
    }


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"images": {}}, "1 to 1000 images", id="no images"),
        pytest.param({"others": ["y"] * 1001}, "1 to 1000 images", id="too many files"),
        pytest.param({"images": {"../x.iso": {"sha256": "ab" * 32}}}, "name of a file", id="a path"),
        pytest.param({"others": ["<script>"]}, "name of a file", id="markup"),
        pytest.param({"others": ["a\nb"]}, "name of a file", id="a line feed"),
        pytest.param({"checksums": ""}, "name of a file", id="no name"),
        pytest.param({"images": {"x.iso": {"size": 5}}}, "no checksum", id="no checksum"),
        pytest.param({"images": {"x.iso": {"sha256": "AB" * 32}}}, "sha256", id="upper case"),
        pytest.param({"images": {"x.iso": {"sha512": "ab" * 32}}}, "sha512", id="too short"),
        pytest.param({"images": {"x.iso": {"sha256": "ab" * 32, "size": -1}}}, "size of x.iso", id="size"),
        pytest.param({"seen_at": "2026-11-20T10:00:00"}, "time zone", id="no zone"),
    ],
)
def test_damaged_images_are_an_error(tmp_path: Path, changes: dict[str, object], words: str) -> None:
    """A wrong checksum would make clients refuse a good image, and a name goes into pages and headers."""
    with pytest.raises(SourceError, match=words):
        read_images(written(tmp_path, {"9.8/x86_64": {**IMAGES, **changes}}, "isos.json"))


def test_the_last_round(tmp_path: Path) -> None:
    """When it was complete; unknown keys are ignored."""
    path = written(tmp_path, {"completed_at": "2026-11-20T10:15:00+01:00", "took_s": 300}, "round.json")
    assert read_round(path) == ProbeRound(completed_at=datetime(2026, 11, 20, 9, 15, tzinfo=UTC))


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"started_at": "2026-11-20T10:00:00"}, id="no zone"),
        pytest.param({"interval_s": -1}, id="no interval"),
        pytest.param({"requests": "many"}, id="no number"),
    ],
)
def test_a_damaged_round_is_an_error(tmp_path: Path, wrong: dict[str, object]) -> None:
    """Whatever is computed with."""
    with pytest.raises(SourceError, match="not what the prober writes"):
        read_round(written(tmp_path, {"completed_at": "2026-11-20T10:15:00Z", **wrong}, "round.json"))


@pytest.mark.parametrize(
    ("known", "minute"),
    [(None, 15), (10, 15), (20, 20)],
    ids=["none is known", "an older one", "a newer one"],
)
def test_the_newest_round(tmp_path: Path, known: int | None, minute: int) -> None:
    """Of what the file says now and what is known of the last round; a damaged file says nothing."""
    files = StateFiles(DataFolder(tmp_path))
    files.last_round = None if known is None else at_minute(known)
    (tmp_path / "state").mkdir()
    written(tmp_path / "state", {"completed_at": "2026-11-20T10:15:00Z"}, "round.json")
    assert files.newest_round() == at_minute(minute)
    for content in ("{", None):
        path = tmp_path / "state" / "round.json"
        path.unlink() if content is None else path.write_text(content)
        assert files.newest_round() == files.last_round


def at_minute(minute: int) -> ProbeRound:
    return ProbeRound(completed_at=datetime(2026, 11, 20, 10, minute, tzinfo=UTC))


@pytest.mark.parametrize("read", [read_mirror_state, read_repo_versions, read_images, read_round])
def test_a_file_that_is_not_there_is_an_error(tmp_path: Path, read: Callable[[Path], object]) -> None:
    """Whether it may be missing is for the caller to know."""
    with pytest.raises(SourceError, match="cannot be read"):
        read(tmp_path / "x.json")


def test_an_endless_file_is_not_read(tmp_path: Path) -> None:
    """The size is bounded."""
    with pytest.raises(SourceError, match="larger"):
        read_round(written(tmp_path, " " * (MAX_ROUND_BYTES + 1), "round.json"))
