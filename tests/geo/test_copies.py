"""Verified copies: what is opened is private, complete and readable; everything else is a GeoError."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import app.geo.copies
from app.geo.copies import UNUSED_S, VerifiedCopies, identity_of
from app.geo.database import AsnDatabase, CityDatabase
from app.model import GeoError
from tests.geo.databases import dbip, write_database

BAD = [
    *(f"libmaxminddb/libmaxminddb-{name}" for name in (
        "corrupt-search-tree", "deep-array-nesting", "deep-nesting", "empty-array-last-in-metadata",
        "empty-map-last-in-metadata", "metadata-marker-only", "offset-integer-overflow", "oversized-array",
        "oversized-map", "separator-record-max-left", "separator-record-min-left",
        "separator-record-min-right", "uint64-max-epoch",
    )),
    *(f"maxminddb-golang/{name}" for name in (
        "cyclic-data-structure", "invalid-bytes-length", "invalid-data-record-offset",
        "invalid-map-key-length", "invalid-string-length", "metadata-is-an-uint128", "unexpected-bytes",
    )),
    "maxminddb-python/bad-unicode-in-map-key",
]  # fmt: skip


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_database(tmp_path / "source.mmdb", {"192.0.2.0/24": dbip("LU", 49.6, 6.1)})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "var" / "geoip"


def test_a_copy_is_named_by_its_content(source: Path, folder: Path) -> None:
    """The same content has the same copy, from whichever file and in whichever process."""
    twin = source.with_name("twin.mmdb")
    twin.write_bytes(source.read_bytes())
    copy = VerifiedCopies(folder).copy(source)
    assert copy.parent == folder
    assert copy.read_bytes() == source.read_bytes()
    assert VerifiedCopies(folder).copy(twin) == copy
    assert [file.name for file in folder.iterdir()] == [copy.name]


def test_a_changed_file_has_another_copy(source: Path, folder: Path) -> None:
    """A new build of the database is noticed at the next look; the old copy stays what it was."""
    copies = VerifiedCopies(folder)
    old = copies.copy(source)
    content = old.read_bytes()
    write_database(source, {"192.0.2.0/24": dbip("DE", 50.1, 8.6)})
    new = copies.copy(source)
    assert new != old
    assert old.read_bytes() == content


def test_an_unchanged_file_is_not_read_again(source: Path, folder: Path) -> None:
    """Looking again costs a stat; neither the file nor its copy is read."""
    copies = VerifiedCopies(folder)
    copy = copies.copy(source)
    copy.write_bytes(b"")  # whoever looked at content would make it anew
    assert copies.copy(source) == copy
    assert copy.read_bytes() == b""


def test_a_lost_or_cut_copy_is_made_again(source: Path, folder: Path) -> None:
    """A copy that somebody deleted comes back at once, one that was cut short at the next start."""
    copies = VerifiedCopies(folder)
    copies.copy(source).unlink()
    copy = copies.copy(source)
    assert copy.read_bytes() == source.read_bytes()
    copy.write_bytes(b"cut")
    assert VerifiedCopies(folder).copy(source).read_bytes() == source.read_bytes()


def test_a_source_rewritten_in_place_hurts_nobody(source: Path, folder: Path) -> None:
    """A database cut to nothing under an opened copy goes on answering, and so does a deleted copy."""
    copies = VerifiedCopies(folder)
    copy = copies.copy(source)
    database = CityDatabase([copy])
    os.truncate(source, 0)
    assert database.place("192.0.2.1") == "LU/49/6"
    copy.unlink()
    assert database.place("192.0.2.1") == "LU/49/6"
    with pytest.raises(GeoError, match=r"source\.mmdb: is no MaxMind database"):
        copies.copy(source)


def test_a_bad_file_is_judged_once(source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bad database is not read again at every refresh, but is once it has changed."""
    good = source.read_bytes()
    source.write_bytes(good[:100])
    copies = VerifiedCopies(folder)
    with pytest.raises(GeoError) as first:
        copies.copy(source)
    judged: list[str] = []
    monkeypatch.setattr("app.geo.copies.verify", lambda path, name: judged.append(name))
    with pytest.raises(GeoError) as second:
        copies.copy(source)
    assert (str(second.value), judged) == (str(first.value), [])
    source.write_bytes(good)
    copies.copy(source)
    assert judged == [str(source)]
    assert not list(folder.glob("*.tmp"))


def test_a_file_that_changes_while_it_is_copied_is_asked_for_again(
    source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half an old and half a new file is no copy; the next look finds the new file."""
    new = write_database(source.with_name("new.mmdb"), {"192.0.2.0/24": dbip("DE", 50.1, 8.6)}).read_bytes()
    copies = VerifiedCopies(folder)
    with monkeypatch.context() as patch:
        patch.setattr("app.geo.copies.shutil.copyfileobj", lambda _, writing, size: writing.write(new))
        with pytest.raises(GeoError, match=r"source\.mmdb: changed while it was copied"):
            copies.copy(source)
    assert not list(folder.iterdir())
    assert copies.copy(source).read_bytes() == source.read_bytes()


def test_a_missing_file_is_named(folder: Path, tmp_path: Path) -> None:
    """A database that is not there is an error of the GeoIP kind that names it."""
    with pytest.raises(GeoError, match=r"nowhere\.mmdb"):
        VerifiedCopies(folder).copy(tmp_path / "nowhere.mmdb")


def test_unused_copies_are_deleted_after_an_hour(source: Path, folder: Path) -> None:
    """Kept: the current copies, those an earlier process has remembered, and all that are young;
    deleted: old copies and leftovers of interrupted ones. Files of other kinds are not touched."""
    copies = VerifiedCopies(folder)
    current = copies.copy(source)
    now = 2_000_000_000.0
    names = ("old.mmdb", ".left.tmp", "young.mmdb", "inherited.mmdb", "other.txt")
    for name in names:
        (folder / name).write_bytes(b"")
        age_s = UNUSED_S - 1 if name == "young.mmdb" else UNUSED_S + 1
        os.utime(folder / name, (now - age_s, now - age_s))
    os.utime(current, (now - 2 * UNUSED_S,) * 2)
    VerifiedCopies(folder).remember(source.with_name("broken.mmdb"), folder / "inherited.mmdb")
    copies.delete_unused(now)
    assert {file.name for file in folder.iterdir() if not file.is_symlink()} == {
        current.name,
        "young.mmdb",
        "inherited.mmdb",
        "other.txt",
    }
    VerifiedCopies(folder).delete_unused(now + UNUSED_S - 1)  # another process sees them touched
    assert current.exists()


def test_a_file_that_went_bad_keeps_its_last_good_copy(source: Path, folder: Path) -> None:
    """The copy in use is not deleted because its source is broken now."""
    copies = VerifiedCopies(folder)
    copy = copies.copy(source)
    source.write_bytes(b"broken")
    with pytest.raises(GeoError):
        copies.copy(source)
    copies.delete_unused(copy.stat().st_mtime + 2 * UNUSED_S)
    assert copy.exists()


def test_identity_follows_content_and_order(tmp_path: Path) -> None:
    """What is kept for a database is found again for the same content only."""
    one, two = tmp_path / "1.mmdb", tmp_path / "2.mmdb"
    assert identity_of([one, two]) == identity_of([Path("elsewhere") / "1.mmdb", two])
    assert (
        len({identity_of([one]), identity_of([two]), identity_of([one, two]), identity_of([two, one])}) == 4
    )


@pytest.mark.parametrize("name", BAD)
def test_broken_databases_end_in_an_error(real_data: Path, folder: Path, name: str) -> None:
    """Databases that crash or confuse readers are refused when copied or when opened, by name or
    by their copy's; those among them that read well hold no countries."""
    with pytest.raises(GeoError, match=r"\.mmdb: \w+"):
        CityDatabase([VerifiedCopies(folder).copy(real_data / "geoip" / "bad-data" / f"{name}.mmdb")])


@pytest.mark.parametrize(
    "name",
    [
        "GeoIP2-City-Test-Broken-Double-Format",
        "GeoIP2-City-Test-Invalid-Node-Count",
        "MaxMind-DB-test-broken-pointers-24",
        "MaxMind-DB-test-broken-search-tree-24",
    ],
)
def test_damaged_test_databases_are_refused_by_name(real_data: Path, folder: Path, name: str) -> None:
    """Damage inside of a database that opens cleanly is found before it is used."""
    with pytest.raises(GeoError, match=f"{name}.mmdb: "):
        VerifiedCopies(folder).copy(real_data / "geoip" / f"{name}.mmdb")


def test_a_database_cut_anywhere_is_refused(real_data: Path, folder: Path, tmp_path: Path) -> None:
    """Cut at any kilobyte, an interrupted download is an error that names the file, never a crash."""
    content = (real_data / "geoip" / "GeoIP2-City-Test.mmdb").read_bytes()
    cut = tmp_path / "cut.mmdb"
    for size in range(0, len(content), 1024):
        cut.write_bytes(content[:size])
        with pytest.raises(GeoError, match=r"cut\.mmdb: "):
            VerifiedCopies(folder).copy(cut)


def test_good_test_databases_pass(real_data: Path, folder: Path) -> None:
    """What MaxMind publishes as good is copied and opened."""
    copies = VerifiedCopies(folder)
    for name in ("GeoIP2-City-Test", "GeoLite2-City-Test", "GeoIP2-Country-Test", "GeoLite2-Country-Test"):
        assert CityDatabase([copies.copy(real_data / "geoip" / f"{name}.mmdb")]).vendor == "MaxMind"
    assert AsnDatabase([copies.copy(real_data / "geoip" / "GeoLite2-ASN-Test.mmdb")]).failures == 0


# --- in memory ------------------------------------------------------------------------------------------


def in_the_way(folder: Path) -> None:
    folder.parent.parent.mkdir(exist_ok=True)
    folder.parent.write_text("a file where a folder should be")


def in_a_circle(folder: Path) -> None:
    folder.parent.mkdir()
    folder.symlink_to(folder.name)


@pytest.mark.parametrize("harm", [in_the_way, in_a_circle])
def test_folder_takes_no_copy(source: Path, folder: Path, harm: Callable[[Path], None]) -> None:
    """A process that may hold copies in memory does, says why, and sees changes; another refuses."""
    harm(folder)
    with pytest.raises(GeoError, match="cannot be copied"):
        VerifiedCopies(folder).copy(source)
    copies = VerifiedCopies(folder, or_memory=True)
    old = copies.copy(source)
    database = CityDatabase([old])
    assert database.place("192.0.2.1") == "LU/49/6"
    assert copies.problem is not None and str(folder) in copies.problem
    assert copies.copy(source) == old
    write_database(source, {"192.0.2.0/24": dbip("DE", 50.1, 8.6)})
    new = copies.copy(source)
    assert new != old
    copies.remember(source, new)
    copies.delete_unused(time.time())
    assert CityDatabase([new]).place("192.0.2.1") == "DE/50/8"
    assert database.place("192.0.2.1") == "LU/49/6"  # what is mapped stays
    assert not old.exists()
    with pytest.raises(GeoError, match="no MaxMind database"):
        source.write_bytes(b"junk")
        copies.copy(source)


def test_folder_takes_copies_again(source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a minute the copy is on the disk, and nothing is wrong any more. It is the same database."""
    in_the_way(folder)
    copies = VerifiedCopies(folder, or_memory=True)
    memory = copies.copy(source)
    identity = identity_of([memory])
    folder.parent.unlink()
    assert copies.copy(source) == memory
    monkeypatch.setattr(app.geo.copies, "AGAIN_S", -1.0)
    folder.parent.write_text("in the way again")
    copies._again_at = 0.0
    assert copies.copy(source) == memory and copies.problem
    folder.parent.unlink()
    disk = copies.copy(source)
    assert disk.parent == folder and copies.problem is None
    assert identity_of([disk]) == identity
    copies.delete_unused(time.time())
    assert not memory.exists()
