"""Client classes: the only facts about a client that an answer may depend on.

A class is written `place|network|spread|family`, such as `DE/50/8|aws:eu-central-1|17|4`. nginx computes
the same text, caches answers by it, and sends it with requests (`X-Client-Class`).
"""

from __future__ import annotations

import re

import msgspec

from app.model import network as networks
from app.model import place as places
from app.model.place import Place

_CLASS = re.compile(rf"({places.PATTERN})\|({networks.CHARACTERS})\|([0-9]|[12][0-9]|3[01])\|([46])")


class ClientClass(msgspec.Struct, frozen=True, gc=False):
    """A class of clients. Clients of one class get the same answer to the same question."""

    place: Place
    #: The name of a network in the networks database (`NetworkName`); empty where none is known.
    network: str
    #: A number from 0 to 31, taken from the address. It shares the clients of one place among mirrors.
    spread: int
    #: The IP version of the address, 4 or 6.
    family: int
    #: Whether the address is the client's own. It is not if the request names another address by `ip=`: then
    #: private mirrors of that address's network do not count, and the client is not told of the netblocks
    #: that the address is in.
    private: bool = True

    def __str__(self) -> str:
        return f"{self.place}|{self.network}|{self.spread}|{self.family}"


def parse_class(text: str) -> ClientClass | None:
    """Parses a class as `str(ClientClass)` writes it. Returns None for any other text. The country is not
    checked to exist, so that the answer is for exactly the class under which nginx keeps it."""
    match = _CLASS.fullmatch(text)
    if match is None:
        return None
    return ClientClass(match[1], match[2], int(match[3]), int(match[4]))
