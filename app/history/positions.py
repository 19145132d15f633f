"""Keeps how far each log file has been counted, in the same transactions as the counts."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, select

from app.history.log_file import HEAD_BYTES, LogFile
from app.history.tables import positions
from app.model import HistoryError, digest_of

MAX_REMEMBERED = 200
"""How many of the files that were counted last are compared with a file that is new."""


@dataclass(frozen=True)
class Position:
    """How far a log file has been counted. `id` is None while the database does not know of it."""

    collector: str
    path: str
    id: int | None = None
    inode: int = 0
    head: str = ""
    head_bytes: int = 0
    offset: int = 0
    is_done: bool = False
    seen_at_s: float = 0.0

    def at_beginning(self, file: LogFile) -> Position:
        """Returns the position at the beginning of a file, which is known again by what it has now. Raises
        HistoryError."""
        begun = file.read(0, HEAD_BYTES)
        now_s = time.time()
        head = digest_of(begun)
        return replace(self, inode=file.inode, head=head, head_bytes=len(begun), offset=0, seen_at_s=now_s)

    def fits(self, file: LogFile) -> bool:
        """Returns whether this is the position in a file: whether the file begins as it did. Raises
        HistoryError."""
        if not file.is_compressed and file.stored_bytes < self.offset:
            return False
        if not self.head_bytes:  # the file was empty
            return file.inode == self.inode
        return file.head(self.head_bytes) == self.head

    def behind(self, content: bytes, file: LogFile) -> Position:
        """Returns the position behind some content that was read at this one. Raises HistoryError."""
        offset = self.offset + len(content)
        moved = replace(self, inode=file.inode, offset=offset, seen_at_s=time.time())
        head_bytes = min(offset, HEAD_BYTES)
        if head_bytes <= self.head_bytes:
            return moved
        head = digest_of(content[:head_bytes]) if self.offset == 0 else file.head(head_bytes)
        return replace(moved, head=head or "", head_bytes=head_bytes)

    def save(self, connection: Connection, former: Position) -> Position:
        """Writes this position in place of the former one, and returns it with its id. Raises HistoryError if
        the database has another one meanwhile: another process counts the same file."""
        values: dict[str, Any] = {
            "collector": self.collector,
            "path": self.path,
            "inode": self.inode,
            "head": self.head,
            "head_bytes": self.head_bytes,
            "offset": self.offset,
            "is_done": self.is_done,
            "seen_at_s": self.seen_at_s,
        }
        if self.id is None:
            inserted = connection.execute(positions.insert().values(values).returning(positions.c.id))
            return replace(self, id=inserted.scalar_one())
        here = (positions.c.id == self.id) & (positions.c.offset == former.offset)
        if connection.execute(positions.update().where(here).values(values)).rowcount != 1:
            raise HistoryError(f"{self.path}: another process counts it")
        return self


def positions_of(connection: Connection, collector: str, path: str) -> list[Position]:
    """Returns the positions of a collector in the files that were at a path, the oldest first."""
    own = (positions.c.collector == collector) & (positions.c.path == path)
    found = select(positions).where(own).order_by(positions.c.id.desc()).limit(MAX_REMEMBERED)
    return [_position(row) for row in connection.execute(found)][::-1]


def all_positions(connection: Connection) -> list[Position]:
    """Returns the positions of all collectors, those with the longest beginnings first: of two that fit, the
    first says more."""
    found = select(positions).order_by(positions.c.head_bytes.desc(), positions.c.offset.desc())
    return [_position(row) for row in connection.execute(found)]


def _position(row: Row[Any]) -> Position:
    return Position(**row._mapping)
