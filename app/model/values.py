"""What the words of this room are made of."""

from __future__ import annotations

from typing import Literal

import msgspec

Protocol = Literal["https", "http", "rsync"]
PROTOCOLS: tuple[Protocol, ...] = ("https", "http", "rsync")

Family = Literal["ipv4", "ipv6"]
FAMILIES: tuple[Family, ...] = ("ipv4", "ipv6")


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all value types: immutable, keyword-only; unknown keys are ignored when decoding."""


def about(description: str) -> msgspec.Meta:
    """What a published JSON schema says of a field."""
    return msgspec.Meta(description=description)
