"""The client of a request: what it may see of its own class."""

from __future__ import annotations

from app.model import ClientClass
from app.request.clients import shown


def test_shown() -> None:
    """A client sees the netblocks of its own address alone."""
    own = ClientClass("DE/50/8", "aws:eu-central-1+net-3f2a1c+AS3320", 7, 4)
    assert shown(own) == own
    other = ClientClass("DE/50/8", "aws:eu-central-1+net-3f2a1c+AS3320", 7, 4, private=False)
    assert shown(other) == ClientClass("DE/50/8", "aws:eu-central-1+AS3320", 7, 4, private=False)
