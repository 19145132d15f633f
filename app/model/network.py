"""The names of cloud regions, and of the networks that clients are in.

    aws                                       a provider's addresses that belong to no region
    aws:us-east-1                             a cloud region
    aws:us-east-1/us-east-1-bue-1             a border group (a local or wavelength zone) of a region
    aws:us-east-1+net-3f2a1c+AS3320           a network: cloud region, declared netblocks, ASN; any of
                                              them may be missing

A network's name may be shown to anyone, except for the part about netblocks. That part is a hash, which
tells neither the prefixes nor the mirrors that declare them.
"""

from __future__ import annotations

import re
from typing import NamedTuple

CHARACTERS = "[A-Za-z0-9:/+._-]{0,200}"
"""A regular expression for the characters of which a network's name may consist."""

_WORD = "[A-Za-z0-9._-]+"
_REGION = f"(?P<provider>{_WORD})(?::(?P<region>{_WORD})(?:/(?P<border_group>{_WORD}))?)?"
_NAME = re.compile(
    rf"(?:(?!net-|AS[0-9]){_REGION}(?:\+|$))?"
    r"(?:net-(?P<netblocks>[0-9a-f]+)(?:\+|$))?"
    r"(?:AS(?P<asn>[0-9]{1,10}))?"
)


class CloudRegion(NamedTuple):
    """A region of a cloud provider, or a border group in a region. As text, it is written `aws:us-east-1`,
    which is also the region's key in a snapshot."""

    provider: str
    #: None for addresses that the provider assigns to no region.
    region: str | None = None
    #: A local or wavelength zone of AWS, which belongs to `region` but has a place of its own; None outside
    #: such zones.
    border_group: str | None = None

    def __str__(self) -> str:
        region = f":{self.region}" if self.region else ""
        return self.provider + region + (f"/{self.border_group}" if self.border_group else "")


class NetworkName(NamedTuple):
    """The parts of a network's name. `str()` of this object is the name."""

    cloud: CloudRegion | None = None
    #: Hex digits of a hash of all declared netblocks that the network lies in; None if it lies in none.
    netblocks: str | None = None
    #: The number of the autonomous system that the network is in; None if no mirror is in that system.
    asn: int | None = None

    def __str__(self) -> str:
        parts = [str(self.cloud)] if self.cloud else []
        parts += [f"net-{self.netblocks}"] if self.netblocks else []
        parts += [f"AS{self.asn}"] if self.asn is not None else []
        return "+".join(parts)


def parse_network(name: str) -> NetworkName:
    """Parses a name as `str(NetworkName)` writes it. For any other text, all parts of the result are None."""
    match = _NAME.fullmatch(name)
    if match is None:
        return NetworkName()
    provider, region, border_group, netblocks, asn = match.groups()
    cloud = CloudRegion(provider, region, border_group) if provider else None
    found = NetworkName(cloud, netblocks, int(asn) if asn else None)
    return found if str(found) == name else NetworkName()


def without_netblocks(name: str) -> str:
    """Returns the name of a network without the part about netblocks. Anyone may see the rest."""
    return str(parse_network(name)._replace(netblocks=None))
