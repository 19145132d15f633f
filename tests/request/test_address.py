"""Who is asking, and whose word is taken for it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.request.address import (
    MAX_ENTRIES,
    MAX_ENTRY_CHARS,
    NOBODY,
    ClientAddress,
    TrustedProxies,
    client_address,
    family,
    parse_address,
    spread,
)

LOOPBACK = TrustedProxies([ip_network("127.0.0.0/8"), ip_network("::1/128")])
PROXIES = TrustedProxies(
    map(ip_network, ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "198.51.100.7/32", "2001:db8:ffff::/48"))
)


def seen(peer: str, forwarded_for: str | None) -> tuple[str, str]:
    address = client_address(peer, forwarded_for, PROXIES)
    return address.ip, address.source


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "ip", "source"),
    [
        pytest.param("192.0.2.1", None, "192.0.2.1", "socket", id="no header"),
        pytest.param("127.0.0.1", None, "127.0.0.1", "socket", id="a proxy that sends none"),
        pytest.param("127.0.0.1", "", "127.0.0.1", "socket", id="an empty header"),
        pytest.param("127.0.0.1", " , ,", "127.0.0.1", "socket", id="a header of blanks and commas"),
        pytest.param("192.0.2.1", "203.0.113.5", "192.0.2.1", "socket", id="a header from a stranger"),
        pytest.param("127.0.0.1", "192.0.2.1", "192.0.2.1", "entry 1", id="one entry"),
        pytest.param("::1", "2001:db8::1", "2001:db8::1", "entry 1", id="one entry, IPv6"),
        pytest.param("127.0.0.1", "203.0.113.5, 192.0.2.1", "192.0.2.1", "entry 2", id="the right-most"),
        pytest.param(
            "10.1.1.1", "203.0.113.5, 192.0.2.1, 10.2.2.2", "192.0.2.1", "entry 2", id="past proxies"
        ),
        pytest.param("10.1.1.1", "192.0.2.1,198.51.100.7,10.2.2.2", "192.0.2.1", "entry 1", id="past two"),
        pytest.param("10.1.1.1", "10.3.3.3, 10.2.2.2", "10.3.3.3", "entry 1", id="all are proxies"),
        pytest.param("10.1.1.1", "192.0.2.1, unknown, 10.2.2.2", "10.2.2.2", "entry 3", id="junk ends it"),
        pytest.param("10.1.1.1", "192.0.2.1, junk", "10.1.1.1", "socket", id="junk at the right end"),
        pytest.param("10.1.1.1", "junk, 192.0.2.1", "192.0.2.1", "entry 2", id="junk behind the answer"),
        pytest.param("10.1.1.1", "192.0.2.1,, 10.2.2.2,", "192.0.2.1", "entry 1", id="empty entries"),
        pytest.param("10.1.1.1", "\t192.0.2.1 ,10.2.2.2 ", "192.0.2.1", "entry 1", id="blanks"),
        pytest.param("10.1.1.1", "192.0.2.1:1234", "192.0.2.1", "entry 1", id="a port"),
        pytest.param("10.1.1.1", "[2001:db8::1]:443", "2001:db8::1", "entry 1", id="brackets and port"),
        pytest.param("10.1.1.1", "[2001:db8::1]", "2001:db8::1", "entry 1", id="brackets"),
        pytest.param("10.1.1.1", "2001:DB8:0:0::1", "2001:db8::1", "entry 1", id="made canonical"),
        pytest.param("10.1.1.1", "::ffff:192.0.2.1", "192.0.2.1", "entry 1", id="IPv4-mapped"),
        pytest.param("10.1.1.1", "192.0.2.1, ::ffff:a02:202", "192.0.2.1", "entry 1", id="mapped proxy"),
        pytest.param("::ffff:10.1.1.1", "192.0.2.1", "192.0.2.1", "entry 1", id="mapped peer is a proxy"),
        pytest.param("::ffff:192.0.2.9", "192.0.2.1", "192.0.2.9", "socket", id="mapped peer is none"),
        pytest.param("2001:db8:ffff::2", "192.0.2.1", "192.0.2.1", "entry 1", id="an IPv6 proxy"),
        pytest.param("fe80::1%eth0", None, "fe80::1", "socket", id="the zone of a peer"),
        pytest.param("", "192.0.2.1", "192.0.2.1", "entry 1", id="unix socket"),
        pytest.param("", "203.0.113.5, 192.0.2.1", "192.0.2.1", "entry 2", id="unix socket, two entries"),
        pytest.param("", None, NOBODY, "unix socket", id="unix socket without header"),
        pytest.param("", "unknown", NOBODY, "unix socket", id="unix socket with junk"),
        pytest.param("what?", "192.0.2.1", NOBODY, "socket", id="a peer that is no address"),
    ],
)
def test_whose_address_is_taken(peer: str, forwarded_for: str | None, ip: str, source: str) -> None:
    """The socket's unless trusted, then the right-most that is not trusted; junk ends the walk at
    the last good one."""
    assert seen(peer, forwarded_for) == (ip, f"X-Forwarded-For {source}" if "entry" in source else source)


NO_ADDRESSES = {
    "a word": "unknown",
    "quotes": '"192.0.2.1"',
    "a zone": "fe80::1%eth0",
    "a colon without port": "192.0.2.1:",
    "a named port": "192.0.2.1:http",
    "a long port": "192.0.2.1:123456",
    "a number too high": "192.0.2.256",
    "three numbers": "192.0.2",
    "a leading zero": "192.0.2.01",
    "hexadecimal": "0x7f.1",
    "one number": "3221225985",
    "an open bracket": "[192.0.2.1",
    "empty brackets": "[]",
    "double brackets": "[[::1]]",
    "two gaps": "2001:db8::1::",
    "a network": "::1/128",
    "an element of Forwarded": "for=192.0.2.1",
    "two with a blank": "192.0.2.1 203.0.113.5",
    "two with a semicolon": "192.0.2.1;203.0.113.5",
    "a NUL": "192.0.2.1\0",
    "a line end": "192.0.2.1\r\n",
    "other digits": "\u0661.\u0661.\u0661.\u0661",
    "half a surrogate pair": "\ud800",
    "very long": "1" * 100_000,
    "very long, with colons": "[" + ":" * 100_000,
}


@pytest.mark.parametrize("entry", NO_ADDRESSES.values(), ids=NO_ADDRESSES)
def test_what_is_no_address(entry: str) -> None:
    """Everything but a plain address with or without port; explanations say so, in a few words."""
    address = client_address("10.1.1.1", f"192.0.2.1,{entry}", PROXIES)
    assert (address.ip, address.source) == ("10.1.1.1", "socket")
    [(text, why)] = address.ignored
    assert why == "is no address"
    assert 0 < len(text) <= MAX_ENTRY_CHARS


def test_what_was_not_believed_is_told() -> None:
    """For `explain` and `whoami`: the text and why."""
    assert client_address("192.0.2.1", "203.0.113.5", PROXIES).ignored == (
        ("203.0.113.5", "192.0.2.1 is not a trusted proxy"),
    )
    assert client_address("10.1.1.1", "a, b, 192.0.2.1, 10.2.2.2", PROXIES).ignored == (
        ("a, b", "left of the client's address anyone can write"),
    )
    assert client_address("what?", None, PROXIES).ignored == (("what?", "is no address"),)
    assert client_address("10.1.1.1", "192.0.2.1", PROXIES).ignored == ()


def test_a_long_header_is_looked_at_from_the_right_only() -> None:
    """No more than MAX_ENTRIES entries, however many there are."""
    many = ["192.0.2.1"] + ["10.2.2.2"] * (MAX_ENTRIES - 1)
    assert seen("10.1.1.1", ",".join(many)) == ("192.0.2.1", "X-Forwarded-For entry 1")
    too_many = ["192.0.2.1"] + ["10.2.2.2"] * (MAX_ENTRIES + 5)
    assert seen("10.1.1.1", ",".join(too_many)) == ("10.2.2.2", "X-Forwarded-For entry 7")


def test_trusting_nobody() -> None:
    """Then only a unix socket is believed."""
    nobody = TrustedProxies([])
    assert client_address("127.0.0.1", "192.0.2.1", nobody).ip == "127.0.0.1"
    assert client_address("", "203.0.113.5, 192.0.2.1", nobody).ip == "192.0.2.1"


def test_many_trusted_peers_are_told_apart() -> None:
    """What is remembered of peers stays bounded, and is right for those that are not remembered."""
    proxies = TrustedProxies([ip_network("10.0.0.0/8")])
    for number in range(2000):
        trusted, stranger = f"10.0.{number // 250}.{number % 250}", f"11.0.{number // 250}.{number % 250}"
        assert client_address(trusted, "192.0.2.1", proxies).ip == "192.0.2.1"
        assert client_address(stranger, "192.0.2.1", proxies).ip == stranger
    assert len(proxies._known_peers) <= 256


@pytest.mark.parametrize(
    ("ip", "expected"),
    [
        ("192.0.2.77", 2),
        ("192.0.2.255", 2),
        ("203.0.113.5", 113 & 31),
        ("10.0.255.0", 31),
        ("::ffff:203.0.113.5", 113 & 31),
        ("2001:db8:0:1::1", 0),
        ("2001:db8:1234:5678::1", 0x34 & 31),
        ("2001:db8:1234::", 0x34 & 31),
    ],
)
def test_spread(ip: str, expected: int) -> None:
    """The low five bits of the third byte of IPv4, of the sixth of IPv6."""
    address = parse_address(ip)
    assert address is not None
    assert spread(address.packed) == expected


ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6), st.integers(0, 2**34).map(IPv6Address))
HEADERS = st.one_of(
    st.none(),
    st.text(max_size=60),
    st.lists(
        st.one_of(
            ADDRESSES.map(str),
            st.sampled_from(
                ["10.0.0.1", "127.0.0.1", "::1", "", " ", "unknown", "192.0.2.1:80", "::ffff:10.0.0.1"]
            ),
            st.text(":.[]%0123456789abcdef ", max_size=20),
        ),
        max_size=40,
    ).map(",".join),
)


def canonical(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


@given(ADDRESSES)
def test_addresses_are_canonical(address: IPv4Address | IPv6Address) -> None:
    """Text and bytes are those of the standard library, in whatever form it came."""
    wanted = canonical(address)
    for text in (str(address), address.exploded, str(address).upper()):
        parsed = parse_address(text)
        assert parsed is not None
        assert parsed.text == str(wanted)
        assert parsed.packed == wanted.packed
    assert family(wanted.packed) == wanted.version


@given(st.text(max_size=20) | st.text(":.0123456789abcdef", max_size=20))
def test_only_addresses_parse(text: str) -> None:
    """What the standard library refuses, we refuse."""
    parsed = parse_address(text)
    try:
        expected = canonical(ip_address(text))
    except ValueError:
        assert parsed is None
    else:
        assert parsed is not None
        assert parsed.text == str(expected)


@given(ADDRESSES.map(str) | st.sampled_from(["", "127.0.0.1", "10.0.0.1"]) | st.text(max_size=10), HEADERS)
def test_the_answer_is_always_an_address(peer: str, forwarded_for: str | None) -> None:
    """Whatever peer and header are: no exception, a canonical address with its bytes, and it is
    the peer's own or stands in the header."""
    address = client_address(peer, forwarded_for, PROXIES)
    assert str(ip_address(address.ip)) == address.ip
    assert ip_address(address.ip).packed == address.packed
    assert 0 <= spread(address.packed) < 32
    assert all(len(text) <= MAX_ENTRY_CHARS for text, _ in address.ignored)


@given(ADDRESSES, HEADERS)
def test_a_stranger_cannot_choose_an_address(
    peer: IPv4Address | IPv6Address, forwarded_for: str | None
) -> None:
    """No header from a peer that is not trusted changes the answer."""
    believed = canonical(peer).packed in LOOPBACK
    without = client_address(str(peer), None, LOOPBACK)
    with_header = client_address(str(peer), forwarded_for, LOOPBACK)
    assert believed or with_header[:3] == without[:3]


@given(HEADERS, ADDRESSES.map(canonical).filter(lambda address: address.packed not in PROXIES))
def test_a_client_cannot_reach_past_a_proxy(forged: str | None, client: IPv4Address | IPv6Address) -> None:
    """Whatever a client sends, the proxy appends its address, and that is the answer."""
    header = f"{forged or ''}, {client}"
    address = client_address("127.0.0.1", header, PROXIES)
    assert address.ip == str(client)


def test_a_plain_answer_is_a_plain_tuple() -> None:
    """Easy to compare, log and unpack."""
    assert client_address("192.0.2.1", None, LOOPBACK) == ClientAddress(
        "192.0.2.1", bytes([192, 0, 2, 1]), "socket"
    )
