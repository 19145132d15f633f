"""Client classes: written and read in one grammar."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.model import ClientClass
from app.model import network as networks
from app.model import place as places
from app.model.clients import parse_class

CLASSES = st.builds(
    ClientClass,
    place=st.from_regex(places.PATTERN, fullmatch=True),
    network=st.from_regex(networks.CHARACTERS, fullmatch=True),
    spread=st.integers(0, 31),
    family=st.sampled_from([4, 6]),
)


@given(CLASSES)
def test_classes(client: ClientClass) -> None:
    """A class is read back as it was written."""
    assert parse_class(str(client)) == client


@pytest.mark.parametrize(
    "text",
    [
        "",
        "|||",
        "DE/50/8|aws",
        "DE/50/8|aws|32|4",
        "DE/50/8|aws|07|4",
        "DE/50/8|aws|7|5",
        "DE/50/8|a b|7|4",
        "@/aws:us-east-1|aws|7|4",
        "DE/50/8|aws|7|4\n",
        "DE/50/8|aws|7|4|",
        "de|aws|7|4",
    ],
)
def test_odd_texts(text: str) -> None:
    """Any other text is no class."""
    assert parse_class(text) is None


def test_a_class_in_no_country() -> None:
    """It is believed all the same: nginx keeps the answer under this very class."""
    assert parse_class("XX/1/1||7|4") == ClientClass("XX/1/1", "", 7, 4)
