"""Small types and helpers that the other modules of the model share."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

import msgspec

Protocol = Literal["https", "http", "rsync"]
PROTOCOLS: tuple[Protocol, ...] = ("https", "http", "rsync")

Family = Literal["ipv4", "ipv6"]
FAMILIES: tuple[Family, ...] = ("ipv4", "ipv6")


Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
"""A whole number from 0 to 2**53, which every reader of JSON can hold exactly."""

EpochSeconds = Annotated[float, msgspec.Meta(ge=0, le=2e11)]
"""A moment in seconds since the epoch, up to the year 8300. Later moments may be more than a date can
hold."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The base class of value types, which are immutable and take keyword arguments only. Decoding ignores
    unknown keys."""


def about(description: str) -> msgspec.Meta:
    """Makes the annotation that describes a field in a published JSON schema."""
    return msgspec.Meta(description=description)


def digest_of(content: bytes) -> str:
    """Returns the SHA-256 of some bytes in lower-case hex."""
    return hashlib.sha256(content).hexdigest()
