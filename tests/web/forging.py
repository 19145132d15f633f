"""Impossible values: what a bug of ours could write into the store, each under its right digest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from app.model import Record

Path = tuple[str | int, ...]


class Forgery(NamedTuple):
    """A document in which one value is another. `name` says which and how."""

    name: str
    content: Any


def forgeries(document: Any) -> Iterator[Forgery]:
    """One value after the other, of every field at its first and last occurrence, made impossible in
    several ways."""
    for path in fields(document):
        for how, change in _CHANGES.get(type(value_at(document, path)), {}).items():
            yield Forgery(f"{'.'.join(map(str, path))}: {how}", changed(document, path, change))


def fields(value: Any, path: Path = ()) -> Iterator[Path]:
    """The paths of all values, those of a list and of a mapping by their first and last entry."""
    yield path
    if isinstance(value, dict):
        # A record has its fields, a mapping of names to records may have thousands.
        keys = list(value) if len(value) < 40 and path[-1:] != ("content",) else [*value][:1] + [*value][-1:]
        for key in dict.fromkeys(keys):
            yield from fields(value[key], (*path, key))
    elif isinstance(value, list):
        for index in sorted({0, len(value) - 1} if value else ()):
            yield from fields(value[index], (*path, index))


def value_at(document: Any, path: Path) -> Any:
    for step in path:
        document = document[step]
    return document


def changed(document: Any, path: Path, change: Callable[[Any], Any]) -> Any:
    """The document with another value at this path; all else is shared."""
    if not path:
        return change(document)
    copy = document.copy()
    copy[path[0]] = changed(document[path[0]], path[1:], change)
    return copy


def _other(value: object) -> Callable[[Any], Any]:
    return lambda _: value


_CHANGES: dict[type, dict[str, Callable[[Any], Any]]] = {
    bool: {"turned": lambda value: not value},
    int: {
        "-1": _other(-1),
        "9999": _other(9999),
        "2**40": _other(2**40),
        "2**63": _other(2**63),
    },
    float: {
        "-1.0": _other(-1.0),
        "nan": _other(float("nan")),
        "inf": _other(float("inf")),
        "1e300": _other(1e300),
        "1e-320": _other(1e-320),
    },
    str: {
        "empty": _other(""),
        "a line break": lambda text: f"{text}\r\nX-Evil: 1",
        "blanks": lambda text: f" {text}\0",
        "not ASCII": lambda text: f"{text}\u2028\u00e9",
        "a path": _other("../../etc/passwd"),
        "long": lambda text: f"{text}{'x' * 5000}",
        "one letter": lambda text: text[:1],
    },
    bytes: {
        "empty": _other(b""),
        "half": lambda packed: packed[: len(packed) // 2],
        "twice": lambda packed: packed * 2,
        "0x00": lambda packed: bytes(len(packed)),
        "0xff": lambda packed: b"\xff" * len(packed),
        "0x7f": lambda packed: b"\x7f" * len(packed),
        "the last byte 0xff": lambda packed: packed[:-1] + b"\xff",
        "the first byte 0xff": lambda packed: b"\xff" + packed[1:],
        "backwards": lambda packed: packed[::-1],
    },
    list: {
        "empty": _other([]),
        "twice": lambda several: several * 2,
        "backwards": lambda several: several[::-1],
        "without the first": lambda several: several[1:],
        "the last once more": lambda several: several + several[-1:],
    },
    dict: {
        "empty": _other({}),
        "without the first": lambda mapping: dict(list(mapping.items())[1:]),
        "another name": lambda mapping: {f"{key}\r\nX: 1": value for key, value in mapping.items()},
        "unknown names": lambda mapping: {f"un/{key}/known": value for key, value in mapping.items()},
    },
    datetime: {
        "without a time zone": lambda moment: moment.replace(tzinfo=None),
        "the first year": lambda moment: moment.replace(year=1),
        "the last year": lambda moment: moment.replace(year=9999),
    },
    type(None): {"a number": _other(-1), "a text": _other("x\ny")},
}


def as_plain(document: Record) -> Any:
    """A document as what it is encoded from: mappings, lists, bytes, numbers and text."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(document))


def altered_bytes(content: bytes, count: int) -> Iterator[Forgery]:
    """The same bytes with some of them altered, cut and doubled, in `count` ways."""
    for number in range(count):
        draw = hashlib.sha256(f"{number}".encode()).digest()
        at = int.from_bytes(draw[:4]) % len(content)
        match number % 4:
            case 0:
                forged = content[:at] + draw[4:5] + content[at + 1 :]
            case 1:
                forged = content[:at] + draw[4:20] + content[at + 16 :]
            case 2:
                forged = content[:at]
            case _:
                forged = content[:at] + content[at // 2 :]
        yield Forgery(f"{number} at byte {at}", forged)
