"""Names of networks and cloud regions: written and read in one grammar."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.clouds import PROVIDERS, regions
from app.model.network import CHARACTERS, CloudRegion, NetworkName, parse_network, without_netblocks

ANY_PROVIDER = st.sampled_from(list(PROVIDERS))
REGIONS = ANY_PROVIDER.flatmap(lambda provider: st.sampled_from(regions.known_regions(provider)))
CLOUDS = st.none() | REGIONS | ANY_PROVIDER.map(CloudRegion)
NAMES = st.builds(
    NetworkName,
    cloud=CLOUDS,
    netblocks=st.none() | st.from_regex("[0-9a-f]{6,64}", fullmatch=True),
    asn=st.none() | st.integers(0, 2**32 - 1),
)


@given(NAMES)
def test_names(name: NetworkName) -> None:
    """A name is read back as it was written, and fits into a client's class."""
    assert parse_network(str(name)) == name
    assert re.fullmatch(CHARACTERS, str(name))


@given(NAMES)
def test_names_without_netblocks(name: NetworkName) -> None:
    """The rest of a name stays, and nothing of the netblocks' hash."""
    shown = without_netblocks(str(name))
    assert parse_network(shown) == name._replace(netblocks=None)
    assert "net-" not in shown


@given(st.text(max_size=30) | st.from_regex(CHARACTERS, fullmatch=True))
def test_whatever_is_read(text: str) -> None:
    """Any text can be read; it has parts only if they make the very same text."""
    assert str(parse_network(text)) in (text, "")


@given(REGIONS)
def test_regions(region: CloudRegion) -> None:
    """A region's key is read back by the reader of networks' names and by the one of `region=`."""
    assert parse_network(str(region)).cloud == region
    assert regions.parse_region(str(region)) == region


ZONE = CloudRegion("aws", "us-east-1", "us-east-1-bue-1")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("", NetworkName()),
        ("aws", NetworkName(CloudRegion("aws"))),
        ("aws:eu-central-1", NetworkName(CloudRegion("aws", "eu-central-1"))),
        ("aws:us-east-1/us-east-1-bue-1", NetworkName(ZONE)),
        ("net-3f2a1c", NetworkName(netblocks="3f2a1c")),
        ("AS3320", NetworkName(asn=3320)),
        ("aws:us-east-1/us-east-1-bue-1+net-3f2a1c+AS3320", NetworkName(ZONE, "3f2a1c", 3320)),
        ("aws+AS3320", NetworkName(CloudRegion("aws"), asn=3320)),
        ("net-3f2a1c+AS3320", NetworkName(netblocks="3f2a1c", asn=3320)),
    ],
)
def test_examples(text: str, name: NetworkName) -> None:
    """What is in the documentation."""
    assert (parse_network(text), str(name)) == (name, text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("AS3320+aws", id="in another order"),
        pytest.param("aws+", id="a plus too many"),
        pytest.param("+AS3320", id="a plus in front"),
        pytest.param("aws+gcp", id="two clouds"),
        pytest.param("net-3f2a1c+net-1b", id="two netblocks"),
        pytest.param("net-secret", id="a netblock that is no hash"),
        pytest.param("net-", id="a netblock without its hash"),
        pytest.param("AS03320", id="a leading zero"),
        pytest.param("AS" + "9" * 5000, id="an ASN of no end"),
        pytest.param("aws:", id="no region"),
        pytest.param("aws/us-east-1-bue-1", id="a border group of no region"),
        pytest.param("aws\n", id="a line's end"),
    ],
)
def test_odd_texts(text: str) -> None:
    """What no network is called says nothing, and nothing of it is shown."""
    assert parse_network(text) == NetworkName()
    assert without_netblocks(text) == ""
