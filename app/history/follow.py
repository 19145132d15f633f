"""Counts the records in log files while they are being written.

Each file is read as far as it has whole lines, and what these add to the sums is committed together with the
new position in the file: whatever happens, each line counts once. After any failure, all positions are taken
from the database again.

When logs are rotated, the file at the path becomes another one. The former one is still read for a while,
because nginx goes on writing to it until it has been told. Files that were rotated away while this process
did not run are found beside the path: one that begins like a file that is not done is that file, under
whatever name, compressed or not; one that no position fits, and that has changed since the last commit, is
new. A file that was truncated begins differently, so the same search finds the copy that was made of it, if
any.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from app.files import is_gone
from app.history.database import HistoryDatabase
from app.history.log_file import LogFile, rotated, whole_lines
from app.history.positions import Position, positions_of
from app.history.record import is_record
from app.history.sums import Sums
from app.logs import Faults
from app.model import HistoryError

log = logging.getLogger("mirrorwise.history")

BATCH_BYTES = 32 << 20
"""How much is counted in one transaction. The more, the fewer rows are written; it takes some seconds."""
RETIRED_AFTER_S = 60.0
"""How long a file that was rotated away is read after it has grown for the last time."""
CLOCK_S = 1.0
"""How much later than its last change a file's time may say it was changed, or earlier."""


class CountedFile:
    """A log file that is being counted, and how far it has been."""

    def __init__(self, file: LogFile, position: Position) -> None:
        self.file = file
        self.position = position
        self.grew_at_s = time.monotonic()

    @property
    def unread_bytes(self) -> int:
        """How much of the file is not counted yet; 0 for a compressed file, whose length is not known."""
        return 0 if self.file.is_compressed else max(0, self.file.stored_bytes - self.position.offset)

    def count(self, database: HistoryDatabase, is_done: bool = False) -> Sums | None:
        """Counts the next whole lines, and commits them. With `is_done`, also counts a last line that has no
        end, if it is a record, and notes that the file is done. Returns what was counted; None if there was
        nothing more, or if the file does not begin as it did any more. Raises HistoryError."""
        former, sums = self.position, Sums()
        moved = former
        while moved.offset < former.offset + BATCH_BYTES:
            lines = whole_lines(self.file.read(moved.offset))
            if not lines:
                break
            sums.count(lines.removesuffix(b"\n").split(b"\n"))
            moved = moved.behind(lines, self.file)
        is_over = moved is former
        if is_over and not is_done:
            return None
        if is_over and is_record(last := self.file.read(former.offset)):
            sums.count([last])
            moved = moved.behind(last, self.file)
        if moved is former:
            moved = replace(former, is_done=True)
        if not former.fits(self.file):  # it was truncated while it was read
            return None
        with database.writing() as connection:
            sums.add_to(database, connection)
            self.position = moved.save(connection, former)
        self.grew_at_s = time.monotonic()
        return sums if moved.offset > former.offset else None


class FollowedLog:
    """The log at a path, with the files that were rotated away from there and are not done."""

    def __init__(self, database: HistoryDatabase, collector: str, path: Path) -> None:
        self.path = path.absolute()
        self._database = database
        self._collector = collector
        #: The files that are read, the one at the path last.
        self._files: list[CountedFile] | None = None
        self._looked_at_s = 0.0
        self._faults = Faults(log)

    @property
    def unread_bytes(self) -> int:
        return sum(counted.unread_bytes for counted in self._files or ())

    def look(self, is_stopping: Callable[[], bool] = lambda: False) -> Iterator[Sums]:
        """Counts all that is new, and yields it chunk by chunk. Raises HistoryError."""
        try:
            files = self._up_to_date()
            for counted in tuple(files):
                if not counted.position.fits(counted.file):  # it was truncated
                    self.forget()
                    return
                while not is_stopping() and (sums := counted.count(self._database)) is not None:
                    yield sums
                if self._is_retired(counted) and not is_stopping():
                    while (sums := counted.count(self._database, is_done=True)) is not None:
                        yield sums
                    files.remove(counted)
                    counted.file.close()
        except HistoryError:
            self.forget()
            raise

    def _up_to_date(self) -> list[CountedFile]:
        """Returns the files to read now, the one at the path last. Raises HistoryError."""
        if self._files is None:
            self._files = self._found()
        elif not (self._files and self._files[-1].file.is_at(self.path)):
            if is_gone(self.path):
                return self._files  # what there is beside it is looked for when it is back
            self._files += self._new_ones(self._files)
        self._looked_at_s = time.time()
        return self._files

    def forget(self) -> None:
        """Closes all files. The next look takes up the positions that are in the database."""
        for counted in self._files or ():
            counted.file.close()
        self._files = None

    def _is_retired(self, counted: CountedFile) -> bool:
        """Returns whether nothing more is expected in a file."""
        if counted.file.is_compressed:
            return True
        is_old = time.monotonic() - counted.grew_at_s > RETIRED_AFTER_S
        return is_old and not counted.file.is_at(self.path)

    def _found(self) -> list[CountedFile]:
        """Returns the files to read when nothing is known but what the database holds. Raises
        HistoryError."""
        known = self._positions()
        since_s = max((position.seen_at_s for position in known), default=time.time())
        with self._opened() as files:
            found = [self._at(position, files) for position in known if not position.is_done]
            resumed = [counted for counted in found if counted is not None]
            return self._taken(resumed + self._unknown(files, known, since_s))

    def _new_ones(self, present: list[CountedFile]) -> list[CountedFile]:
        """Returns the files that have come since the last look. Raises HistoryError."""
        open_ones = {counted.file.inode for counted in present}
        with self._opened() as files:
            new = [file for file in files if file.inode not in open_ones]
            return self._taken(self._unknown(new, self._positions(), self._looked_at_s))

    def _positions(self) -> list[Position]:
        with self._database.writing() as connection:
            return positions_of(connection, self._collector, str(self.path))

    def _at(self, position: Position, files: list[LogFile]) -> CountedFile | None:
        """Takes the file that a position is in out of `files`. If there is none, notes that it is done."""
        likely = sorted(files, key=lambda file: (file.inode != position.inode, file.is_compressed))
        file = next((file for file in likely if position.fits(file)), None)
        if file is None:
            log.warning("%s: the file that was read up to byte %d is gone", self.path, position.offset)
            with self._database.writing() as connection:
                replace(position, is_done=True).save(connection, position)
            return None
        files.remove(file)
        return CountedFile(file, position)

    def _unknown(self, files: list[LogFile], known: list[Position], since_s: float) -> list[CountedFile]:
        """Returns those of the files that have to be read as well: the one at the path; those that fit a
        position and have more behind it; and those that fit none and have changed since a time."""
        found = []
        for file in files:
            is_at_path = file.path == self.path
            fitting = [
                position
                for position in known
                if (position.inode == file.inode or not is_at_path) and position.fits(file)
            ]
            if fitting:
                furthest = max(fitting, key=lambda position: position.offset)
                if is_at_path or file.read(furthest.offset, 1):
                    found.append(CountedFile(file, replace(furthest, is_done=False)))
            elif is_at_path or file.modified_s >= since_s - CLOCK_S:
                beginning = Position(self._collector, str(self.path)).at_beginning(file)
                found.append(CountedFile(file, beginning))
        return found

    @contextmanager
    def _opened(self) -> Iterator[list[LogFile]]:
        """Opens the files at the path and beside it, the one at the path last, and closes those that are not
        claimed."""
        files = []
        for path in (*rotated(self.path), self.path):
            try:
                files.append(LogFile(path))
                self._faults.clear(str(path))
            except HistoryError as error:
                if not is_gone(path):
                    self._faults.set(str(path), str(error))
        try:
            yield [*files]
        finally:
            for file in files:
                if not file.is_claimed:
                    file.close()

    def _taken(self, found: list[CountedFile]) -> list[CountedFile]:
        """Claims the files, notes in the database those that are new to it, and returns them with the one at
        the path last. Once one is noted, it is found again, whatever happens before anything of it has been
        counted. Raises HistoryError."""
        try:
            for counted in found:
                if not counted.file.claim():
                    raise HistoryError(f"{counted.file.path}: another process counts it")
            with self._database.writing() as connection:
                for counted in found:
                    if counted.position.id is None:
                        counted.position = counted.position.save(connection, counted.position)
        except HistoryError:
            for counted in found:
                counted.file.close()
            raise
        return sorted(found, key=lambda counted: counted.file.path == self.path)
