"""A followed database: each file that turns bad is represented by its own last good copy."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from app.geo.copies import VerifiedCopies
from app.geo.database import CityDatabase
from app.geo.following import FollowedDatabase, follow_asns, follow_cities
from tests.geo.databases import dbip, write_database
from tests.spoiling import directory, emptied, truncated

V4, V6 = "192.0.2.1", "2001:db8::1"


def removed(path: Path) -> None:
    path.unlink()


def other_kind(path: Path) -> None:
    write_database(path, {"192.0.2.0/24": {"autonomous_system_number": 64496}})


class TwoFiles:
    """A city database of two files, one for each family, and those who follow it."""

    def __init__(self, folder: Path) -> None:
        self.ipv4, self.ipv6 = folder / "ipv4.mmdb", folder / "ipv6.mmdb"
        self.copies = folder / "var"
        self.build("LU", 49.6, 6.1)

    def build(self, country: str, latitude: float, longitude: float, which: str = "both") -> None:
        """New builds by the vendor."""
        record = dbip(country, latitude, longitude)
        if which != "ipv6":
            write_database(self.ipv4, {"192.0.2.0/24": record})
        if which != "ipv4":
            write_database(self.ipv6, {"2001:db8::/32": record}, ip_version=6)

    def follower(self) -> FollowedDatabase[CityDatabase]:
        """As a process that starts now."""
        return follow_cities([self.ipv4, self.ipv6], VerifiedCopies(self.copies))


@pytest.fixture
def files(tmp_path: Path) -> TwoFiles:
    return TwoFiles(tmp_path)


def places(followed: FollowedDatabase[CityDatabase]) -> tuple[str, str] | None:
    database = followed.database
    return None if database is None else (database.place(V4), database.place(V6))


def test_what_has_not_changed_stays_open(files: TwoFiles) -> None:
    """Looking again at the same files leaves the very same database in use."""
    followed = files.follower()
    assert followed.look()
    database = followed.database
    assert not followed.look()
    assert followed.database is database
    assert followed.faults == {}


@pytest.mark.parametrize("spoil", [truncated, emptied, removed, directory, other_kind])
def test_one_file_at_fault(files: TwoFiles, spoil: Callable[[Path], None]) -> None:
    """The file at fault stays what it was, the other one is taken up when it is new: by a process that
    runs, and by one that starts only then. When the file is good again, so is everything."""
    running = files.follower()
    running.look()
    spoil(files.ipv6)
    files.build("DE", 50.1, 8.6, which="ipv4")
    for followed in (running, files.follower()):
        assert followed.look()
        assert places(followed) == ("DE/50/8", "LU/49/6")
        assert list(followed.faults) == [files.ipv6]
        assert str(files.ipv6) in followed.faults[files.ipv6]
        assert not followed.look()
    if files.ipv6.is_dir():
        files.ipv6.rmdir()
    files.build("DE", 50.1, 8.6)
    assert running.look()
    assert places(running) == ("DE/50/8", "DE/50/8")
    assert running.faults == {}


@pytest.mark.parametrize("spoil", [truncated, emptied, removed, directory, other_kind])
def test_a_file_that_was_never_good(files: TwoFiles, spoil: Callable[[Path], None]) -> None:
    """Half a database would place half of the clients: there is none until each file has been good."""
    spoil(files.ipv4)
    followed = files.follower()
    assert not followed.look()
    assert places(followed) is None
    assert list(followed.faults) == [files.ipv4]
    if files.ipv4.is_dir():
        files.ipv4.rmdir()
    files.build("LU", 49.6, 6.1)
    assert followed.look()
    assert places(followed) == ("LU/49/6", "LU/49/6")


def test_copies_deleted_while_in_use(files: TwoFiles) -> None:
    """Without its copy, a file at fault leaves the open database in use, and the fault of each file that
    cannot be taken up is named."""
    followed = files.follower()
    followed.look()
    truncated(files.ipv6)
    files.build("DE", 50.1, 8.6, which="ipv4")
    shutil.rmtree(files.copies)
    assert not followed.look()
    assert places(followed) == ("LU/49/6", "LU/49/6")
    assert set(followed.faults) == {files.ipv4, files.ipv6}


def test_a_fault_does_not_turn_others_back(files: TwoFiles) -> None:
    """A process that has missed the newest build goes on with an older one, and later processes start with
    the newest all the same."""
    late, prompt = files.follower(), files.follower()
    late.look()
    files.build("DE", 50.1, 8.6)
    prompt.look()
    truncated(files.ipv4)
    late.look()
    assert places(late) == ("LU/49/6", "DE/50/8")
    after_restart = files.follower()
    after_restart.look()
    assert places(after_restart) == ("DE/50/8", "DE/50/8")


def test_asn_databases_are_followed_in_the_same_way(tmp_path: Path) -> None:
    """A city database in the place of an ASN database is a fault, and the last good copy serves."""
    source = tmp_path / "asn.mmdb"
    other_kind(source)
    follow_asns([source], VerifiedCopies(tmp_path / "var")).look()
    write_database(source, {"192.0.2.0/24": dbip("LU", 49.6, 6.1)})
    followed = follow_asns([source], VerifiedCopies(tmp_path / "var"))
    followed.look()
    assert followed.database is not None
    assert followed.database.asn(V4) == 64496
    assert followed.faults[source].startswith(f"{source}: is not an ASN database")


def test_nothing_to_follow(tmp_path: Path) -> None:
    """Without files there is no database, and no fault."""
    followed = follow_asns([], VerifiedCopies(tmp_path / "var"))
    assert not followed.look()
    assert followed.database is None
    assert followed.faults == {}
