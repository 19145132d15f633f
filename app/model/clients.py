"""Who is asking."""

from __future__ import annotations

import msgspec


class ClientClass(msgspec.Struct, frozen=True, gc=False):
    """Everything about a client that an answer may depend on. `place`: "DE/50/8", "DE", "~EU" or
    "". `network`: the name of an overlay, or "". `private`: mirrors' own networks count (they do
    not when somebody asks as for another address)."""

    place: str
    network: str
    spread: int
    family: int
    private: bool = True

    def __str__(self) -> str:
        return f"{self.place}|{self.network}|{self.spread}|{self.family}"
