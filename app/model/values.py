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
"""A number that every reader of JSON understands."""

EpochSeconds = Annotated[float, msgspec.Meta(ge=0, le=2e11)]
"""A moment up to the year 8300. Later ones may be more than a date can hold."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The base of value types. They are immutable and take keywords only; decoding ignores unknown keys."""


def about(description: str) -> msgspec.Meta:
    """Makes the description of a field in a published JSON schema."""
    return msgspec.Meta(description=description)


def digest_of(content: bytes) -> str:
    """The SHA-256 of some bytes in lower-case hex."""
    return hashlib.sha256(content).hexdigest()
