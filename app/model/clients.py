"""Client classes: all that an answer may depend on of the client that asks, and their text.

The text is `place|network|spread|family`, such as `DE/50/8|aws:eu-central-1|17|4`. nginx computes
the same text, keeps answers by it, and sends it along (`X-Client-Class`).
"""

from __future__ import annotations

import re

import msgspec

from app.model import network as networks
from app.model import place as places
from app.model.place import Place

_CLASS = re.compile(rf"({places.PATTERN})\|({networks.CHARACTERS})\|([0-9]|[12][0-9]|3[01])\|([46])")


class ClientClass(msgspec.Struct, frozen=True, gc=False):
    """Clients of one class get the same answer to the same question."""

    place: Place
    #: The name of a network in the networks database (`NetworkName`); empty where none is known.
    network: str
    #: 0 to 31, out of the address: spreads clients of one place over mirrors.
    spread: int
    #: 4 or 6.
    family: int
    #: Whether the address is the client's own. If not (`ip=`), private mirrors of its network do not count,
    #: and the client is not told of its netblocks.
    private: bool = True

    def __str__(self) -> str:
        return f"{self.place}|{self.network}|{self.spread}|{self.family}"


def parse_class(text: str) -> ClientClass | None:
    """A class as `str(ClientClass)` writes it; None for any other text. A place in a country that is
    none is left as it is, so that the answer is for the very class that nginx keeps it under."""
    match = _CLASS.fullmatch(text)
    if match is None:
        return None
    return ClientClass(match[1], match[2], int(match[3]), int(match[4]))
