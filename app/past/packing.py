"""Packs snapshots and status documents, of which one is much like another.

A packed file is a line of JSON, the header, and then one frame of zstd. The header may name another file in
the same folder as its base: the frame refers to the content of that file wherever both have the same, so that
it takes a fraction of the room. The base may have a base itself. The tables of snapshots are rewritten before
that (`tables`).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import msgspec
import zstandard

from app.files import FileMark, mark, replace
from app.model import MirrorwiseError, Record
from app.past import tables

LEVEL = 6
"""Of zstd: the lowest one that finds what is in a base of megabytes."""
MOST_BYTES = 1 << 28
"""The most bytes that a file may have when it is unpacked. A frame of a few bytes could claim any number."""
MOST_BASES = 8
HELD_BASES = 4
_WINDOW = 26  # as a power of two: a base and what is packed, for networks of thousands of mirrors
_HEADER_BYTES = 1 << 14


class PastError(MirrorwiseError):
    """Something of the past is not kept, or what is kept of it cannot be used."""


class Header(Record, frozen=True, kw_only=True, omit_defaults=True):
    """The header of a packed file."""

    #: The name of the file that it is packed against; None if it stands alone.
    base: str | None = None
    #: The digests of the databases that a snapshot needs.
    databases: tuple[str, ...] = ()
    #: Whether the content is a snapshot with rewritten tables.
    rewritten: bool = False


_HEADERS = msgspec.json.Decoder(Header)


def compressed(content: bytes, base: bytes | None = None) -> bytes:
    """Returns content as a frame of zstd, packed against `base` if there is one."""
    parameters = zstandard.ZstdCompressionParameters.from_level(LEVEL, window_log=_WINDOW)
    return zstandard.ZstdCompressor(dict_data=_dictionary(base), compression_params=parameters).compress(
        content
    )


def decompressed(frame: bytes, base: bytes | None = None) -> bytes:
    """Returns the content of a frame. Raises ValueError if it is damaged, or has too much in it."""
    try:
        if not 0 <= zstandard.frame_content_size(frame) <= MOST_BYTES:
            raise ValueError("it claims to have too much in it")
        decompressor = zstandard.ZstdDecompressor(dict_data=_dictionary(base), max_window_size=1 << _WINDOW)
        return decompressor.decompress(frame)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error


def _dictionary(base: bytes | None) -> zstandard.ZstdCompressionDict | None:
    if base is None:
        return None
    return zstandard.ZstdCompressionDict(base, dict_type=zstandard.DICT_TYPE_RAWCONTENT)


def pack_snapshot(path: Path, snapshot: bytes, databases: tuple[str, ...], base: Path | None) -> None:
    """Writes an encoded snapshot to a packed file, against the one in `base` as far as that can be read.
    `databases` are the digests of those that it needs. Raises OSError."""
    name, known = _readable(base)
    header = Header(base=name, databases=databases)
    try:
        content = tables.rewritten(snapshot, known)
        frame = compressed(content, tables.alike(known) if known is not None else None)
        header = msgspec.structs.replace(header, rewritten=True)
    except (ValueError, IndexError, OverflowError):  # it is packed as it is
        frame = compressed(snapshot, known)
    _write(path, header, frame)


def pack(path: Path, content: bytes, base: Path | None) -> None:
    """Writes any content to a packed file, against that of `base` as far as it can be read. Raises
    OSError."""
    name, known = _readable(base)
    _write(path, Header(base=name), compressed(content, known))


def _readable(base: Path | None) -> tuple[str | None, bytes | None]:
    """Returns the name of a base with its content; None for both if it cannot be read."""
    seen = mark(base) if base is not None else None
    if base is None or seen is None:
        return None, None
    try:
        return base.name, _base_content(base, seen)
    except PastError:
        return None, None


@lru_cache(HELD_BASES)
def _base_content(base: Path, _: FileMark) -> bytes:
    """Returns the content of a base, which is remembered as long as the file has this mark: for an hour, all
    are packed against the same ones."""
    return unpack(base)


def _write(path: Path, header: Header, frame: bytes) -> None:
    replace(path, msgspec.json.encode(header) + b"\n" + frame)


def unpack(path: Path) -> bytes:
    """Returns the content of a packed file. Raises PastError, which names the file that is at fault."""
    return _unpacked(path, MOST_BASES)


def _unpacked(path: Path, bases: int) -> bytes:
    header, line, content = _read(path)
    base = None
    if header.base is not None:
        if bases == 0 or Path(header.base).name != header.base:
            raise PastError(f"{path}: is damaged: its base is none")
        try:
            base = _unpacked(path.with_name(header.base), bases - 1)
        except PastError as error:
            raise PastError(f"{path}: cannot be unpacked without its base: {error}") from error
    try:
        return _content(header, content[line:], base)
    except (ValueError, IndexError, OverflowError, RecursionError) as error:  # also of tables that do not fit
        raise PastError(f"{path}: is damaged: {error}") from error


def _content(header: Header, frame: bytes, base: bytes | None) -> bytes:
    if not header.rewritten:
        return decompressed(frame, base)
    return tables.restored(decompressed(frame, tables.alike(base) if base is not None else None), base)


def _read(path: Path) -> tuple[Header, int, bytes]:
    """Returns the header, where the frame begins, and the whole file."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PastError(f"{path}: cannot be read: {error.strerror or error}") from error
    line = content.find(b"\n", 0, _HEADER_BYTES) + 1
    return _decoded(path, content[:line]), line, content


def header_of(path: Path) -> Header:
    """Reads the header of a packed file alone. Raises PastError."""
    try:
        with path.open("rb") as file:
            line = file.readline(_HEADER_BYTES)
    except OSError as error:
        raise PastError(f"{path}: cannot be read: {error.strerror or error}") from error
    return _decoded(path, line)


def _decoded(path: Path, line: bytes) -> Header:
    try:
        return _HEADERS.decode(line)
    except (ValueError, RecursionError) as error:
        raise PastError(f"{path}: is damaged: its first line is no header") from error
