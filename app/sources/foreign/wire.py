"""Reads messages in the wire format of Protocol Buffers, without their schema.

A message is a row of fields, each a number and a value (https://protobuf.dev/programming-guides/encoding).
Whoever knows the schema knows what a value means: an integer, a text, or a message inside the message.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_WIDTHS = {_FIXED64: 8, _FIXED32: 4}
_LONGEST_VARINT = 10


class WireError(ValueError):
    """Bytes are no message, or a value in them is of another kind than expected."""


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yields the fields of a message, each with its number: integers, and texts or messages as bytes. Raises
    WireError where the bytes are no message."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, position = _varint(data, position)
            yield number, value
            continue
        if kind == _BYTES:
            length, position = _varint(data, position)
        elif kind in _WIDTHS:
            length = _WIDTHS[kind]
        else:
            raise WireError(f"a field of an unknown kind, {kind}")
        if position + length > len(data):
            raise WireError("a field that is cut short")
        if kind == _BYTES:
            yield number, data[position : position + length]
        position += length


class Message:
    """The fields of one message, by number. Raises WireError for bytes that are no message."""

    def __init__(self, data: bytes) -> None:
        self._integers: dict[int, list[int]] = defaultdict(list)
        self._bytes: dict[int, list[bytes]] = defaultdict(list)
        for number, value in fields(data):
            if isinstance(value, int):
                self._integers[number].append(value)
            else:
                self._bytes[number].append(value)

    def integers(self, number: int) -> list[int]:
        """Returns the values of a repeated integer, also where they are packed into one field."""
        packed = [value for data in self._bytes.get(number, ()) for value in _varints(data)]
        return [*map(_signed, self._integers.get(number, ())), *map(_signed, packed)]

    def integer(self, number: int) -> int:
        values = self.integers(number)
        if not values:
            raise WireError(f"no integer in field {number}")
        return values[-1]

    def text(self, number: int) -> str:
        """Returns a text, and an empty one if there is none."""
        values = self._bytes.get(number)
        try:
            return values[-1].decode() if values else ""
        except UnicodeDecodeError as error:
            raise WireError(f"a text in field {number} that is not UTF-8") from error

    def texts(self, number: int) -> list[str]:
        try:
            return [value.decode() for value in self._bytes.get(number, ())]
        except UnicodeDecodeError as error:
            raise WireError(f"a text in field {number} that is not UTF-8") from error

    def messages(self, number: int, named: Collection[str] | None = None) -> list[Message]:
        """Returns the messages in a field. With `named`, returns those whose first field is one of these
        texts. The others are not read any further, which is quick."""
        found = self._bytes.get(number, [])
        if named is not None:
            names = {name.encode() for name in named}
            found = [data for data in found if next(fields(data), (0, b""))[1] in names]
        return [Message(data) for data in found]


def _varints(data: bytes) -> list[int]:
    values, position = [], 0
    while position < len(data):
        value, position = _varint(data, position)
        values.append(value)
    return values


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """Returns the integer at a position, seven bits in each byte and the lowest first, and where it ends."""
    value = 0
    for index in range(_LONGEST_VARINT):
        if position + index >= len(data):
            break
        byte = data[position + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position + index + 1
    raise WireError("an integer that does not end")


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value
