"""The folder with the generations of the past, as it is read.

    generations/<since>-<generation>.snapshot      what decided the lists
    generations/<since>-<generation>.<at>.status   the evidence for it, as it was at that time
    generations/<since>-<generation>.until         the last moment at which it was seen to be current
    databases/<digest>                             the places and networks databases, compressed

Times are in UTC, and the names are in their order. Snapshots and status documents are packed files
(`packing`). Several processes may write to the folder and read from it at once: a file is there as a whole or
not at all, and a generation is kept as soon as its snapshot is there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.files import said
from app.model import SnapshotError, digest_of
from app.model.words import moment
from app.past.packing import PastError, decompressed, unpack
from app.snapshot.loaded import LoadedSnapshot
from app.snapshot.schema import generation_of

UNSEEN_S = 90.0
"""For so long after it was seen last, a generation counts as current: workers note it once a minute."""

_TIME = (
    r"[0-9]{4}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]\.[0-9]{6}Z"
)
_STAMP = "%Y%m%dT%H%M%S.%fZ"
_FILE = re.compile(
    rf"(?P<name>(?P<since>{_TIME})-(?P<generation>[0-9a-f]{{16}}))"
    rf"\.(?:(?P<at>{_TIME})\.status|until|(?P<snapshot>snapshot))",
    re.ASCII,
)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SHORTEST = 4  # of the beginnings of names that stand for a generation


@dataclass(frozen=True)
class KeptGeneration:
    """A generation that is kept. The same generation may be kept several times, when others were published in
    between."""

    #: What the names of its files begin with.
    name: str
    generation: str
    #: When it was published, in epoch seconds.
    since_s: float
    #: The names of its status documents, and when each of them was read, in order.
    statuses: tuple[tuple[float, str], ...] = ()
    #: How many bytes all of its files take.
    size_bytes: int = 0


@dataclass(frozen=True)
class PublishedThen:
    """What was published at a moment, as far as it is kept."""

    kept: KeptGeneration
    snapshot: bytes
    #: The moment that was asked for, and the last one at which the generation was current, in epoch seconds.
    asked_s: float
    until_s: float
    #: Why generations that were published later cannot be used.
    skipped: tuple[str, ...] = ()

    def load(self) -> LoadedSnapshot:
        """Returns the snapshot as it was served. Raises PastError if this version of the program cannot read
        it."""
        kept = self.kept
        try:
            return LoadedSnapshot(kept.generation, self.snapshot)
        except SnapshotError as error:
            told = f"generation {kept.generation}, published {moment(kept.since_s)}, cannot be used"
            raise PastError(f"{told}: {error}") from error

    @property
    def is_exact(self) -> bool:
        """Whether this is what was published at the moment, and not merely what is kept from before it."""
        return not self.skipped and self.asked_s <= self.until_s + UNSEEN_S


class Archive:
    """The generations of the past in a folder, for reading. The folder need not be there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.generations = folder / "generations"
        self.databases = folder / "databases"

    @classmethod
    def of(cls, var_dir: Path) -> Archive:
        """Returns the archive that the workers of this machine write."""
        return cls(var_dir / "past")

    def kept(self) -> list[KeptGeneration]:
        """Returns all that is kept, the oldest first. Raises PastError if the folder cannot be listed."""
        groups: dict[str, list[tuple[re.Match[str], int]]] = {}
        for match, size_bytes in self.files():
            groups.setdefault(match["name"], []).append((match, size_bytes))
        return [_kept(name, group) for name, group in sorted(groups.items()) if _is_whole(group)]

    def files(self) -> Iterator[tuple[re.Match[str], int]]:
        """Yields the files of generations, as parts of their names, with their sizes."""
        try:
            with os.scandir(self.generations) as entries:
                for entry in entries:
                    match = _FILE.fullmatch(entry.name)
                    if match is not None:
                        with suppress(FileNotFoundError):  # another process has removed it
                            yield match, entry.stat(follow_symlinks=False).st_size
        except FileNotFoundError:
            return
        except OSError as error:
            raise PastError(said(error)) from error

    def at(self, moment_s: float) -> PublishedThen:
        """Finds what was published at a moment, in epoch seconds: what is kept from that moment or, if that
        very generation is not, the nearest before. Damaged files are skipped. Raises PastError if there is
        nothing."""
        skipped: list[str] = []
        kept = self.kept()
        for one in reversed(kept):
            if one.since_s > moment_s:
                continue
            try:
                snapshot = self.snapshot(one)
            except PastError as error:
                skipped.append(str(error))
                continue
            return PublishedThen(one, snapshot, moment_s, self.until_s(one), tuple(skipped))
        raise PastError("; ".join([self._nothing_at(moment_s, kept), *skipped]))

    def _nothing_at(self, moment_s: float, kept: list[KeptGeneration]) -> str:
        if not kept:
            return f"nothing of the past is kept in {self.folder}; workers keep it on their own machine"
        if kept[0].since_s > moment_s:
            return f"nothing is kept of {moment(moment_s)}: the oldest is of {moment(kept[0].since_s)}"
        return f"nothing that is kept from {moment(moment_s)} or before can be used"

    def named(self, text: str) -> PublishedThen | None:
        """Finds the generation with this name, of which the first four characters are enough; None if there
        is none. Of one that was published several times, the last time counts. Raises PastError if several
        names begin with `text`, or if the file is damaged."""
        if not re.fullmatch(rf"[0-9a-f]{{{_SHORTEST},16}}", text):
            return None
        found = [one for one in self.kept() if one.generation.startswith(text)]
        names = {one.generation for one in found}
        if len(names) > 1:
            raise PastError(f"{len(names)} generations that are kept begin with {text}; write more of it")
        if not found:
            return None
        last = found[-1]
        return PublishedThen(last, self.snapshot(last), last.since_s, self.until_s(last))

    def snapshot(self, kept: KeptGeneration) -> bytes:
        """Returns the encoded snapshot of a generation. Raises PastError."""
        path = self.path_of(kept)
        data = unpack(path)
        if generation_of(data) != kept.generation:
            raise PastError(f"{path}: is damaged: it holds another snapshot than its name says")
        return data

    def status(self, kept: KeptGeneration, moment_s: float) -> bytes | None:
        """Returns the last status document that was read until this moment: one of this generation, or else
        one of those before. Returns the generation's first one if there is none, and None if none is kept.
        Raises PastError if it is damaged."""
        before = [name for at_s, name in kept.statuses if at_s <= moment_s]
        names = before[-1:] or [name for _, name in kept.statuses[:1]] or self._statuses_before(moment_s)
        return unpack(self.generations / names[-1]) if names else None

    def _statuses_before(self, moment_s: float) -> list[str]:
        return [name for one in self.kept() for at_s, name in one.statuses if at_s <= moment_s]

    def until_s(self, kept: KeptGeneration) -> float:
        """Returns the last moment at which a generation was current, as far as that was seen."""
        try:
            return max(kept.since_s, seconds_of(self.until_path(kept).read_text("ascii")))
        except (OSError, ValueError):
            return kept.since_s

    def database(self, digest: str) -> bytes:
        """Returns a places or networks database. Raises PastError."""
        path = self.databases / digest
        try:
            content = decompressed(path.read_bytes())
        except OSError as error:
            raise PastError(f"{path}: cannot be read: {error.strerror or error}") from error
        except ValueError as error:
            raise PastError(f"{path}: is damaged: {error}") from error
        if digest_of(content) != digest:
            raise PastError(f"{path}: is damaged: it holds something else than its name says")
        return content

    def path_of(self, kept: KeptGeneration) -> Path:
        """Returns the path of a generation's snapshot."""
        return self.generations / f"{kept.name}.snapshot"

    def until_path(self, kept: KeptGeneration) -> Path:
        """Returns the path of the file that says until when a generation was seen to be current."""
        return self.generations / f"{kept.name}.until"


def stamp_of(moment_s: float) -> str:
    """Returns a moment as it stands in the names of files, to the microsecond."""
    return f"{datetime.fromtimestamp(moment_s, UTC):{_STAMP}}"


def seconds_of(stamp: str) -> float:
    """Returns the moment that a stamp stands for, in epoch seconds. Raises ValueError."""
    return datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC).timestamp()


def is_digest(name: str) -> bool:
    """Returns whether a file's name is one that a database has in the folder."""
    return _DIGEST.fullmatch(name) is not None


def _is_whole(group: list[tuple[re.Match[str], int]]) -> bool:
    return any(match["snapshot"] for match, _ in group)


def _kept(name: str, group: list[tuple[re.Match[str], int]]) -> KeptGeneration:
    first = group[0][0]
    return KeptGeneration(
        name=name,
        generation=first["generation"],
        since_s=seconds_of(first["since"]),
        statuses=tuple(sorted((seconds_of(match["at"]), match[0]) for match, _ in group if match["at"])),
        size_bytes=sum(size_bytes for _, size_bytes in group),
    )
