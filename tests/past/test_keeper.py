"""What is kept of generations in files, and how it is found again."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from app.model import digest_of
from app.past.archive import Archive, stamp_of
from app.past.keeper import UNCLAIMED_S, Keeper, Sighting
from app.past.packing import PastError, header_of
from app.past.thinning import DAY_S, HOUR_S
from app.snapshot.schema import generation_of
from tests.builders import NOW

MIDNIGHT = NOW.timestamp() // DAY_S * DAY_S
ALIKE = random.Random(1).randbytes(50_000)
PLACES, NETWORKS = random.Random(2).randbytes(3_000), random.Random(3).randbytes(1_000)
DATABASES = {digest_of(content): content for content in (PLACES, NETWORKS)}


def snapshot(number: int) -> bytes:
    """No two are the same, and each is mostly like the others."""
    return ALIKE + f"generation {number}".encode()


class Recorded:
    """An archive, and a keeper that is told of one generation after the other."""

    def __init__(self, folder: Path, limit_bytes: int = 10**12) -> None:
        self.archive = Archive(folder)
        self.keeper = Keeper(self.archive, limit_bytes)
        self._last: str | None = None

    def keep(self, number: int, at_s: float, databases: tuple[str, ...] = ()) -> str:
        """A generation is published `at_s` seconds after midnight."""
        data = snapshot(number)
        generation = generation_of(data)
        seen = Sighting(generation, data, databases, MIDNIGHT + at_s, MIDNIGHT + at_s, self._last)
        self.keeper.keep(seen, DATABASES.get)
        self._last = generation
        return generation

    def lists(self, at_s: float) -> tuple[bytes, bool]:
        """What was published then, and whether it is that very generation."""
        found = self.archive.at(MIDNIGHT + at_s)
        return found.snapshot, found.is_exact

    def path(self, number: int) -> Path:
        generation = generation_of(snapshot(number))
        return next(self.archive.generations.glob(f"*-{generation}.snapshot"))


@pytest.fixture
def past(tmp_path: Path) -> Recorded:
    return Recorded(tmp_path)


def test_each_moment_has_its_generation(past: Recorded) -> None:
    """From the moment of its publication until the next one, to the second; also when one is published a
    second time."""
    times = {0: 1, 600: 2, 1200: 3, 4000: 1, 90_000: 4}
    for at_s, number in times.items():
        past.keep(number, at_s)
    for at_s, number in (
        (0, 1),
        (599, 1),
        (600, 2),
        (1199, 2),
        (3999, 3),
        (4000, 1),
        (89_999, 1),
        (90_000, 4),
    ):
        assert past.lists(at_s) == (snapshot(number), True), at_s
    assert len(past.archive.kept()) == 5


def test_the_last_one_counts_as_long_as_it_is_seen(past: Recorded) -> None:
    """A worker notes once a minute what is current. What came after the last note is not known."""
    generation = past.keep(1, 0)
    past.keeper.note_until(generation, MIDNIGHT + 3600)
    past.keeper.note_until("0" * 16, MIDNIGHT + 9999)
    assert past.lists(3650) == (snapshot(1), True)
    assert past.lists(4000) == (snapshot(1), False)


def test_what_others_may_have_published_in_between(past: Recorded) -> None:
    """A worker that has not seen when a generation was replaced does not say that it lasted until then."""
    past.keep(1, 0)
    past._last = None
    past.keep(2, 7200)
    assert past.lists(60) == (snapshot(1), True)
    assert past.lists(7100) == (snapshot(1), False)


def test_nothing_of_the_past(past: Recorded) -> None:
    """The message says since when there is anything."""
    with pytest.raises(PastError, match="nothing of the past is kept in "):
        past.lists(0)
    past.keep(1, 3600)
    with pytest.raises(
        PastError, match=r"nothing is kept of 2026-11-20 00:59 UTC: the oldest is of 2026-11-20 01:00"
    ):
        past.lists(3599)


def test_snapshots_are_packed_against_what_is_kept_for_longer(past: Recorded) -> None:
    """The first of a day stands alone, the first of an hour is packed against it, and others against the
    first of their hour: each takes next to nothing."""
    for number, at_s in enumerate((60, 120, 3600, 3660, 3720, DAY_S + 5)):
        past.keep(number, at_s)
    bases = [header_of(past.path(number)).base for number in range(6)]
    names = [past.path(number).name for number in range(6)]
    assert bases == [None, names[0], names[0], names[2], names[2], None]
    sizes = [past.path(number).stat().st_size for number in range(6)]
    assert [size > 50_000 for size in sizes] == [True, False, False, False, False, True]
    assert max(sizes[1:5]) < 300


def test_two_keepers_in_one_folder(tmp_path: Path) -> None:
    """Two workers of one machine keep each generation once, whichever is faster."""
    one, other = Recorded(tmp_path), Recorded(tmp_path)
    for number, at_s in enumerate((0, 600, 1200, 1800)):
        for recorded in (one, other) if number % 2 else (other, one):
            recorded.keep(number, at_s, tuple(DATABASES))
            recorded.keeper.keep_status(generation_of(snapshot(number)), b"status", MIDNIGHT + at_s)
    assert len(one.archive.kept()) == 4
    assert len(list(one.archive.databases.iterdir())) == 2
    assert [one.lists(at_s) for at_s in (599, 1799)] == [(snapshot(0), True), (snapshot(2), True)]


def test_a_clock_that_was_set_back(past: Recorded) -> None:
    """What is published after another is found after it."""
    past.keep(1, 7200)
    past.keep(2, 3600)
    assert past.lists(7201) == (snapshot(2), True)


def test_databases_are_there_once_and_whole(past: Recorded) -> None:
    """They are kept as long as a generation needs them."""
    past.keep(1, 0, tuple(DATABASES))
    past.keep(2, 60, tuple(DATABASES))
    assert {past.archive.database(digest) for digest in DATABASES} == {PLACES, NETWORKS}
    past.keep(3, 365 * DAY_S + 2 * DAY_S)
    assert {path.name for path in past.archive.databases.iterdir()} == set(DATABASES)  # just written
    for path in past.archive.databases.iterdir():
        os.utime(path, (0, 0))
    past.keep(4, 365 * DAY_S + 2 * DAY_S + UNCLAIMED_S)
    assert list(past.archive.databases.iterdir()) == []
    with pytest.raises(PastError, match="cannot be read"):
        past.archive.database(digest_of(PLACES))


def test_a_database_that_cannot_be_had(past: Recorded) -> None:
    """Then nothing is kept of the generation, rather than half of it."""
    with pytest.raises(PastError, match="the store does not have the database"):
        past.keep(1, 0, ("0" * 64,))
    assert past.archive.kept() == []


def test_evidence_of_then(past: Recorded) -> None:
    """The last status document until that moment counts, and at the beginning of a generation its first
    one."""
    first = past.keep(1, 0)
    for at_s in (2, 3602, 7202):
        past.keeper.keep_status(first, f"at {at_s}".encode(), MIDNIGHT + at_s)
    second = past.keep(2, 9000)
    past.keeper.keep_status(first, b"late", MIDNIGHT + 9001)
    past.keeper.keep_status(second, b"at 9002", MIDNIGHT + 9002)

    def evidence(at_s: float) -> bytes | None:
        return past.archive.status(past.archive.at(MIDNIGHT + at_s).kept, MIDNIGHT + at_s)

    found = [evidence(at_s) for at_s in (0, 3600, 3700, 8999, 9000, 9500)]
    assert found == [b"at 2", b"at 2", b"at 3602", b"at 7202", b"at 9002", b"at 9002"]


@pytest.mark.parametrize(
    "spoilt",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{}", id="a header alone"),
        pytest.param(b"{}\n\x28\xb5\x2f\xfd", id="cut off"),
        pytest.param(b"\xff" * 100_000, id="no header"),
        pytest.param(b'{"base": "../generations/x"}\n', id="a base elsewhere"),
        pytest.param(b'{"base": "gone.snapshot"}\n', id="a base that is gone"),
        pytest.param(b"[" * 9_000 + b"\n", id="a header too deep"),
        pytest.param(None, id="another generation's"),
    ],
)
def test_damaged_files_are_named_and_skipped(past: Recorded, spoilt: bytes | None) -> None:
    """The nearest generation before counts, and what was skipped is said."""
    for number, at_s in enumerate((0, 600, 1200)):
        past.keep(number, at_s)
    path = past.path(1)
    path.write_bytes(past.path(0).read_bytes() if spoilt is None else spoilt)
    found = past.archive.at(MIDNIGHT + 700)
    assert (found.snapshot, found.is_exact) == (snapshot(0), False)
    assert path.name in found.skipped[0]
    assert past.lists(1300)[0] == snapshot(2)
    past.keep(3, 1800)
    assert past.lists(1850) == (snapshot(3), True)


def test_a_base_of_itself(past: Recorded) -> None:
    """A file that says so is damaged."""
    past.keep(1, 0)
    path = past.path(1)
    path.write_text(f'{{"base": "{path.name}"}}\n')
    with pytest.raises(PastError, match="its base is none"):
        past.lists(1)


def test_after_a_spoilt_first_of_the_day(past: Recorded) -> None:
    """What follows is kept whole."""
    past.keep(1, 0)
    past.path(1).write_bytes(b"")
    past.keep(2, 60)
    assert past.lists(60) == (snapshot(2), True)


def test_other_files_are_left_alone(past: Recorded) -> None:
    """They are neither read nor removed, whatever they are called."""
    past.keep(1, 0)
    others = ["20261340T000000.000000Z-0123456789abcdef.snapshot", "README", f"{stamp_of(0)}-xyz.snapshot"]
    for name in others:
        (past.archive.generations / name).write_text("mine")
    past.keep(2, 500 * DAY_S)
    assert [one.generation for one in past.archive.kept()] == [generation_of(snapshot(2))]
    assert all((past.archive.generations / name).exists() for name in others)


def test_the_limit_holds(tmp_path: Path) -> None:
    """All files together take no more than is allowed, but for what comes next; the newest stay."""
    past = Recorded(tmp_path, limit_bytes=200_000)
    for number in range(60):
        past.keep(number, number * 6 * HOUR_S, tuple(DATABASES) if number % 2 else ())
    taken = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert 100_000 < taken <= 200_000
    assert past.lists(59 * 6 * HOUR_S) == (snapshot(59), True)


def test_names_of_generations(past: Recorded) -> None:
    """The beginning of a name is enough, if no other one begins like it; of one that was published twice, the
    last time counts."""
    first = past.keep(1, 0)
    past.keep(2, 60)
    past.keep(1, 120)
    found = past.archive.named(first[:6])
    assert found is not None and (found.kept.since_s, found.is_exact) == (MIDNIGHT + 120, True)
    assert past.archive.named(first[:3]) is None
    assert past.archive.named("0" * 16) is None
    assert past.archive.named("2026-11-20") is None
