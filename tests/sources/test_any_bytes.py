"""Any bytes, as any file of the data folder, under any name: a value, or findings that can be printed."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.clouds.read import read_cloud_folder
from app.files import guarded
from app.model import Finding, Mirror, SourceError
from app.probe.records import Records
from app.sources.check import check
from app.sources.folder import DataFolder
from app.sources.gazetteer import Gazetteer
from app.sources.geofeeds import read_geofeed
from app.sources.mirmon import read_mirmon
from app.sources.mirror_files import read_mirror
from app.sources.place_counts import read_place_counts
from app.sources.probe_state import read_mirror_state, read_repo_versions, read_round
from app.sources.service_config import read_service_config
from tests.conftest import ROOT
from tests.sources.samples import CONFIG, LOCATED, read_config
from tests.spoiling import ODD_NAMES

URL = "http://mirror.example.org/alma/"
MIRROR = Mirror(name="mirror.example.org", addresses={"http": URL})
STATE = b'{"mirror": "m", "probed_at": "2026-11-20T10:15:00Z", "status": "ok", "addresses": ["192.0.2.1"]}'
VERSION = b'{"timestamp": 1, "size": 1, "seen_at": "2026-11-20T10:00:00Z", "sha256": "' + b"ab" * 32 + b'"}'

SAMPLES = {path.stem: path.read_bytes() for path in (ROOT / "data" / "cloud").glob("*.json")}

MIRROR_FILE = f"{LOCATED}latitude: 52.5\nlongitude: 13.4\n".encode()  # so that no city is looked for

Read = Callable[[Path], object]


def of_mirror(path: Path) -> object:
    config, _ = read_config(path.parent)
    return read_mirror(path, config)


def of_geofeed(path: Path) -> object:
    return read_geofeed(path, Gazetteer())


def of_clouds(path: Path) -> object:
    return read_cloud_folder(path.parent)


def notes(path: Path) -> object:
    records = Records(DataFolder(path.parent.parent.parent))
    return records.load_notes(path.stem), records.load_origin()


READERS: dict[str, tuple[str, Read, bytes]] = {
    "config": ("c.yml", read_service_config, CONFIG.encode()),
    "mirror": ("m.yml", of_mirror, LOCATED.encode()),
    "state": ("m.json", read_mirror_state, STATE),
    "repos": ("r.json", read_repo_versions, b'{"9.8/baseos/x86_64": [' + VERSION + b"]}"),
    "round": ("r.json", read_round, b'{"completed_at": "2026-11-20T10:15:00Z"}'),
    "mirmon": ("mirmon.state", partial(read_mirmon, mirrors=[MIRROR]), f"{URL} 1 ok 1 ss 1-s 2\n".encode()),
    "counts": ("p.csv", read_place_counts, b"place,clients\nDE/50/8,1200\n"),
    "geofeed": ("g.csv", of_geofeed, b"192.0.2.0/24,DE,DE-BE,Berlin,\n2001:db8::/32,,,,\n"),
    "notes": ("m.json", notes, b'{"contents": {"9.8/baseos/": {"asked_at": 1.5}}}'),
    **{f"cloud {name}": ("c.json", of_clouds, content) for name, content in SAMPLES.items()},
}


def read(read_file: Read, path: Path) -> list[Finding]:
    """What is found. Nothing but a SourceError is raised, not even by way of `guarded`."""
    try:
        value = read_file(path)
    except SourceError as error:
        assert error.findings
        return error.findings
    return value[1] if isinstance(value, tuple) and isinstance(value[1], list) else []


def replaced(good: bytes, cut: tuple[float, float], put: bytes) -> bytes:
    """The content with other bytes between two places, given as shares of its length."""
    start, end = sorted(int(share * len(good)) for share in cut)
    return good[:start] + put + good[end:]


def meets(folder: Path, kind: str, content: bytes) -> None:
    name, read_file, _ = READERS[kind]
    path = folder / "state" / "probe" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    for finding in read(read_file, path):
        assert str(finding).isprintable(), finding


any_bytes = given(
    cut=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    put=st.one_of(
        st.binary(max_size=40), st.text(max_size=20).map(lambda text: text.encode("utf-8", "replace"))
    ),
    alone=st.booleans(),
)
"""Bytes alone, and bytes in place of a part of a good file."""

examples = partial(settings, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("kind", READERS)
@examples(max_examples=10)
@any_bytes
def test_any_bytes(tmp_path: Path, kind: str, cut: tuple[float, float], put: bytes, *, alone: bool) -> None:
    """No reader raises anything but a SourceError, and whatever is said can be printed."""
    meets(tmp_path, kind, put if alone else replaced(READERS[kind][2], cut, put))


@pytest.mark.slow
@pytest.mark.parametrize("kind", READERS)
@examples(max_examples=400)
@any_bytes
def test_many_bytes(tmp_path: Path, kind: str, cut: tuple[float, float], put: bytes, *, alone: bool) -> None:
    """The same holds for many more."""
    meets(tmp_path, kind, put if alone else replaced(READERS[kind][2], cut, put))


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_file_name(tmp_path: Path, name: bytes) -> None:
    """A good mirror file and range file under any name are read if it is text, and else named in words that
    can be printed. A state file is always named here, as it is another mirror's."""
    read_config(tmp_path)
    for folder, ending, content in (
        ("mirrors.d", b".yml", MIRROR_FILE),
        ("state/mirrors", b".json", STATE),
        ("cloud", b".json", SAMPLES["aws"]),
    ):
        (tmp_path / folder).mkdir(parents=True)
        Path(os.fsdecode(os.fsencode(tmp_path / folder) + b"/" + name + ending)).write_bytes(content)
    other = MIRROR_FILE.replace(b"mirror.", b"other.")
    (tmp_path / "mirrors.d" / "other.example.org.yml").write_bytes(other)
    text = name.decode("utf-8", "replace")
    findings = check(tmp_path)
    assert all(str(finding).isprintable() for finding in findings)
    faults = {Path(finding.file).parent.name for finding in findings if finding.severity == "fault"}
    sound = text.isprintable() and "\ufffd" not in text
    assert faults == ({"mirrors"} if sound else {"mirrors.d", "mirrors", "cloud"})


def test_a_bug_of_ours_is_a_fault_of_the_file(tmp_path: Path) -> None:
    """What a reader did not think of costs the file that it meets, and says what it was."""

    def flawed(path: Path) -> None:
        raise ZeroDivisionError(f"{path.name} by zero")

    with pytest.raises(SourceError, match=r"a\.yml: fault: .*ZeroDivisionError.*a\.yml by zero") as caught:
        guarded(flawed, tmp_path / "a.yml")
    assert len(caught.value.findings) == 1
