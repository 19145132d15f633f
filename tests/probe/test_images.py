"""The images at the origin: what the prober finds in its ISO directories."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest

from app.model import Image, ImageDirectory
from app.probe.origin import Origin
from app.probe.records import Records
from app.sources.folder import DataFolder
from app.sources.probe_state import read_images
from app.sources.service_config import read_service_config
from tests.probe import fleet as f
from tests.probe.fleet import Fleet

KEY = "9.8/x86_64"
FOLDER = "/9.8/isos/x86_64/"
A, B = "a" * 64, "b" * 64
CHECKSUM = f"# x.iso: 5 bytes\nSHA256 (x.iso) = {A}\n".encode()
INDEX = b'<a href="../">..</a><a href="CHECKSUM">.</a><a href="x.iso">.</a><a href="x.iso.torrent">.</a>'


class IsoDirectory:
    """An ISO directory of the origin, as a behaviour of the fleet: its files by name, its index under ""."""

    def __init__(self, **files: bytes) -> None:
        self.files = {"CHECKSUM": CHECKSUM, "": INDEX, **files}
        self.asked: list[str] = []

    async def __call__(self, fleet: Fleet, asked: f.Asked) -> None:
        if "/isos/" not in asked.path:
            await f.fresh(fleet, asked)
            return
        name = asked.path.removeprefix(FOLDER)
        if asked.path.startswith(FOLDER):
            self.asked.append(f"{asked.method} {name}")
        f.send_file(asked, self.files.get(name))


def look(fleet: Fleet, directory: IsoDirectory, origin: Origin | None = None) -> Origin:
    """One look at the origin, by an old prober or a new one."""
    fleet.behaviours[f.ORIGIN] = directory
    directory.asked.clear()
    if origin is None:
        records = Records(DataFolder(fleet.folder))
        records.prepare()
        origin = Origin(fleet.network(), records, {}, written(fleet), "test")
    asyncio.run(origin.refresh(read_service_config(fleet.folder / "config.yml")[0], reread_after_s=0.0))
    return origin


def written(fleet: Fleet) -> dict[str, ImageDirectory]:
    path = fleet.folder / "state" / "isos.json"
    return read_images(path) if path.exists() else {}


def test_what_is_found_is_written(fleet: Fleet) -> None:
    """Checksums and sizes as the file says them, and what else is in the index."""
    origin = look(fleet, IsoDirectory())
    found = ImageDirectory(
        checksums="CHECKSUM",
        seen_at=fleet.now,
        images={"x.iso": Image(size=5, sha256=A)},
        others=("x.iso.torrent",),
    )
    assert origin.images == written(fleet) == {KEY: found}


def test_unchanged_files_are_asked_for_conditionally_and_nothing_else(fleet: Fleet) -> None:
    """Also by a new prober: what it knows outlives the process."""
    directory = IsoDirectory()
    origin = look(fleet, directory)
    assert directory.asked == ["GET CHECKSUM", "GET ", "GET CHECKSUM"]
    fleet.now += dt.timedelta(minutes=1)
    for prober in (origin, None):
        before = written(fleet)
        look(fleet, directory, prober)
        assert (directory.asked, written(fleet)) == (["GET CHECKSUM"], before)


def test_sizes_that_the_file_does_not_say_are_asked_for_once(fleet: Fleet) -> None:
    """By HEAD, and a file that cannot be had has none; those that are known already are not asked for."""
    directory = IsoDirectory(**{"CHECKSUM": f"{A}  x.iso\n{B}  y.iso\n".encode(), "x.iso": b"12345"})
    origin = look(fleet, directory)
    images = written(fleet)[KEY].images
    assert images == {"x.iso": Image(size=5, sha256=A), "y.iso": Image(sha256=B)}
    directory.files["CHECKSUM"] += f"{'c' * 64}  z.iso\n".encode()
    look(fleet, directory, origin)
    assert sorted(one for one in directory.asked if one.startswith("HEAD")) == ["HEAD y.iso", "HEAD z.iso"]


@pytest.mark.parametrize("index", [None, b"<title>Welcome</title>", b'<a href="other.iso">'])
def test_without_an_index(fleet: Fleet, index: bytes | None) -> None:
    """A page that does not name the images is no index: what else there is, is not known."""
    directory = IsoDirectory()
    directory.files |= {"": index} if index else {}
    if index is None:
        del directory.files[""]
    look(fleet, directory)
    assert written(fleet)[KEY].others is None


def test_another_name_of_the_file(fleet: Fleet) -> None:
    """Without a CHECKSUM there may be a SHA256SUMS, for which mirrors are asked too; and when it has been
    replaced by a CHECKSUM, that counts."""
    directory = IsoDirectory(SHA256SUMS=f"{A}  x.iso\n".encode())
    checksum = directory.files.pop("CHECKSUM")
    origin = look(fleet, directory)
    assert written(fleet)[KEY].checksums == "SHA256SUMS"
    config = read_service_config(fleet.folder / "config.yml")[0]
    assert {target.key: target.file for target in origin.isos(config)} == {
        KEY: f"{FOLDER}SHA256SUMS"[1:],
        "9.8/s390x": "9.8/isos/s390x/CHECKSUM",
    }
    del directory.files["SHA256SUMS"]
    directory.files["CHECKSUM"] = checksum
    look(fleet, directory, origin)
    assert written(fleet)[KEY].checksums == "CHECKSUM"


def test_what_is_gone_is_not_known_any_more(fleet: Fleet) -> None:
    """Without checksums nothing is said of files."""
    directory = IsoDirectory()
    origin = look(fleet, directory)
    del directory.files["CHECKSUM"]
    look(fleet, directory, origin)
    assert origin.images == written(fleet) == {}


def test_an_origin_that_fails_changes_nothing(fleet: Fleet) -> None:
    """What was known stays, and the origin's faults say what could not be read."""

    class Failing(IsoDirectory):
        async def __call__(self, fleet: Fleet, asked: f.Asked) -> None:
            if asked.path.startswith(FOLDER):
                asked.send(500, b"no")
            else:
                await super().__call__(fleet, asked)

    origin = look(fleet, IsoDirectory())
    before = written(fleet)
    look(fleet, Failing(), origin)
    assert origin.images == written(fleet) == before != {}
    assert origin.faults == (f"1 ISO directories could not be read: {KEY} (HTTP 500)",)


def test_a_file_counts_only_after_two_equal_reads(fleet: Fleet) -> None:
    """A file that changes between both reads is an origin at work: what was known stays."""

    class AtWork(IsoDirectory):
        async def __call__(self, fleet: Fleet, asked: f.Asked) -> None:
            await super().__call__(fleet, asked)
            self.files["CHECKSUM"] += f"{B}  y{len(self.asked)}.iso\n".encode()

    origin = look(fleet, IsoDirectory())
    before = written(fleet)
    look(fleet, AtWork(), origin)
    assert origin.images == written(fleet) == before


def test_what_came_later_is_found_within_hours(fleet: Fleet) -> None:
    """A torrent that is made after the checksums is seen after six hours, and the directory counts as
    changed; without any change it is as it was."""
    directory = IsoDirectory()
    directory.files[""] = INDEX.replace(b"x.iso.torrent", b"y")
    origin = look(fleet, directory)
    first = written(fleet)[KEY]
    fleet.now += dt.timedelta(hours=6)
    look(fleet, directory, origin)
    assert (directory.asked[1:2], written(fleet)[KEY]) == (["GET "], first)
    directory.files[""] = INDEX
    fleet.now += dt.timedelta(hours=6)
    look(fleet, directory, origin)
    assert written(fleet)[KEY].torrent_of("x.iso") == "x.iso.torrent"
    assert written(fleet)[KEY].seen_at == fleet.now


def test_images_of_a_release_that_is_gone_are_forgotten(fleet: Fleet) -> None:
    """Only what the config names is asked for and kept."""
    origin = look(fleet, IsoDirectory())
    fleet.arches = ("s390x",)
    fleet.write_config()
    look(fleet, IsoDirectory(), origin)
    assert written(fleet) == {}
