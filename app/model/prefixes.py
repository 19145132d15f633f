"""Address prefixes as numbers, the ranges that cloud providers publish, and the rows of geofeeds.

The readers of providers' files and the networks database work on tens of thousands of prefixes. Python's
`ipaddress` would take 10 µs for each, and this module takes 1 µs.
"""

from __future__ import annotations

import socket
from typing import NamedTuple

from app.model import Coordinates, Record
from app.model.place import Place

WIDTHS = {4: 32, 6: 128}
_MAPPED = 0xFFFF  # upper 96 bits of an IPv4-mapped IPv6 address


class Prefix(NamedTuple):
    """An IPv4 or IPv6 address prefix, such as 192.0.2.0/24."""

    version: int
    #: The first address as a number of `WIDTHS[version]` bits: the host bits are zero.
    address: int
    length: int

    def __str__(self) -> str:
        family = socket.AF_INET if self.version == 4 else socket.AF_INET6
        text = socket.inet_ntop(family, self.address.to_bytes(WIDTHS[self.version] // 8, "big"))
        return f"{text}/{self.length}"

    @property
    def last(self) -> int:
        """The last address in the prefix, as a number."""
        return self.address | ((1 << (WIDTHS[self.version] - self.length)) - 1)

    @property
    def size(self) -> int:
        """The number of addresses in the prefix."""
        return 1 << (WIDTHS[self.version] - self.length)

    def contains(self, other: Prefix) -> bool:
        """Returns whether all of the other prefix is in this one."""
        return (
            self.version == other.version
            and self.length <= other.length
            and self.address <= other.address <= self.last
        )


def parse_prefix(text: str) -> Prefix:
    """Parses a prefix such as `192.0.2.0/24` or `2001:db8::/32`, or an address, which becomes a prefix of
    full length. Host bits are cleared, and IPv4-mapped IPv6 prefixes become IPv4. Raises ValueError with a
    sentence for people."""
    host, slash, digits = text.partition("/")
    version, family = (6, socket.AF_INET6) if ":" in host else (4, socket.AF_INET)
    width = WIDTHS[version]
    try:
        address = int.from_bytes(socket.inet_pton(family, host), "big")
    except (OSError, ValueError) as error:
        raise ValueError(f"{text!r} is not an address prefix") from error
    if not slash:
        length = width
    elif digits.isascii() and digits.isdigit() and int(digits) <= width:
        length = int(digits)
    else:
        raise ValueError(f"{text!r} has a prefix length other than 0 to {width}")
    if version == 6 and length >= 96 and address >> 32 == _MAPPED:
        version, address, length, width = 4, address & 0xFFFFFFFF, length - 96, 32
    host_bits = width - length
    return Prefix(version, address >> host_bits << host_bits, length)


class CloudRange(Record, frozen=True, kw_only=True):
    """A prefix that a cloud provider publishes as its own."""

    prefix: Prefix
    provider: str
    #: The region's public name. None for a prefix in no region (AWS's GLOBAL, GCP's global, Azure's plain
    #: AzureCloud).
    region: str | None = None
    #: The local or wavelength zone of AWS that the prefix is in; None outside such zones. A zone has a place
    #: of its own.
    border_group: str | None = None


class Correction(NamedTuple):
    """A row of a geofeed: where the clients of a prefix are. It counts instead of the GeoIP database."""

    prefix: Prefix
    #: The unknown place if the geofeed says that the clients are not to be located.
    place: Place
    #: The coordinates of the city that the row names; None unless the place is a cell.
    coordinates: Coordinates | None
    #: The name of the geofeed's file.
    file: str
    #: The number of the line in that file, from 1.
    line: int

    @property
    def source(self) -> str:
        """The row in words, such as "office.csv, line 12"."""
        return f"{self.file}, line {self.line}"
