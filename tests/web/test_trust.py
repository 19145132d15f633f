"""Whom the service believes, and what it tells nobody: properties over any headers and any clients."""

from __future__ import annotations

from html import unescape
from pathlib import Path

import msgspec
import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.test import Client

from app.geo.networks import KnownNetwork
from app.settings import Settings
from app.snapshot.schema import encode, generation_of
from app.store import Publication, file_store
from app.web import create_app
from tests.builders import Network, a_mirror, netblock, without_origin
from tests.web.asking import FRANKFURT, LIST, PROXY, STRANGER, TOKYO, application, asking, kept

PACKAGE = "/download/9.8/BaseOS/x86_64/os/Packages/a.rpm"
DECIDED = [
    LIST,
    f"{LIST}&format=json&limit=50",
    f"{LIST}&redirect=1",
    "/mirrorlist?repo=baseos-9&arch=x86_64",
    "/?release=9&repo=baseos&arch=x86_64",
    "/metalink/9/baseos?arch=x86_64",
    "/isolist/9/x86_64",
    PACKAGE,
    "/mirrorlist/9/nothing",
    "/mirrors",
]
CLAIMS = [
    *("X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-Class", "X-Forwarded-Proto", "X-Forwarded-Host"),
    *(
        "Client-IP",
        "True-Client-IP",
        "CF-Connecting-IP",
        "X-Forwarded-Ssl",
        "X-Forwarded-Protocol",
        "Via",
        "Host",
    ),
    *(
        "X-Forwarded-Prefix",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-HTTP-Method-Override",
        "User-Agent",
        "Cookie",
    ),
    *(
        "Accept",
        "Accept-Language",
        "Accept-Encoding",
        "If-None-Match",
        "If-Modified-Since",
        "Range",
        "Referer",
    ),
]
CLAIMED = [
    *(
        "10.20.0.1",
        TOKYO,
        f"{TOKYO}, {PROXY}",
        "for=10.20.0.1",
        "for=10.20.0.1;proto=https",
        "https",
        "on",
        "ssl",
    ),
    *(
        "JP/35/139||7|4",
        "|net-1|0|4",
        "DE|aws:eu-central-1|31|6",
        "/mirrorlist/9.7/baseos",
        "POST",
        "*",
        "gzip",
    ),
    *(".", "a..b", "x" * 64, "evil.example.com", "text/html", "application/json", "bytes=0-1", "ja"),
]
claims = st.dictionaries(
    st.sampled_from(CLAIMS),
    st.sampled_from(CLAIMED) | st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20),
    min_size=1,
    max_size=4,
)


@pytest.fixture(scope="module")
def app(published: Path) -> Flask:
    return application(published)


@settings(max_examples=120, deadline=None)
@given(target=st.sampled_from(DECIDED), headers=claims)
def test_a_strangers_headers_decide_nothing(app: Flask, target: str, headers: dict[str, str]) -> None:
    """No header of whoever is no trusted proxy changes anything in an answer, nor in its headers."""
    ask = asking(app)
    if target == "/mirrors":
        # How it is shown may be chosen, and whether it is sent again.
        for name in ("Accept", "Accept-Encoding", "If-None-Match"):
            headers.pop(name, None)
    plain, claimed = ask(target, source=STRANGER), ask(target, headers=headers, source=STRANGER)
    assert (claimed.status, claimed.body, kept(claimed)) == (plain.status, plain.body, kept(plain))


@settings(max_examples=30, deadline=None)
@given(headers=claims)
def test_a_stranger_is_who_it_is(app: Flask, headers: dict[str, str]) -> None:
    """Also where what was not believed is named, it is the socket that decides."""
    ask = asking(app)
    headers |= {"Accept": "application/json"}
    for target, client in (("/whoami", ()), ("/explain", ("client",))):
        plain, claimed = (
            msgspec.json.decode(ask(target, headers=sent, source=STRANGER).body)
            for sent in ({"Accept": "application/json"}, headers)
        )
        for facts in (plain, claimed):
            (facts["client"] if client else facts).pop("ignored")
            facts.pop("age_s", None)
        assert claimed == plain


BELIEVED = [
    ("X-Forwarded-For", TOKYO, LIST),
    ("X-Client-Class", "JP/35/139||7|4", LIST),
    ("X-Forwarded-Proto", "https", f"{PACKAGE}?limit=50&protocol=http,https&ip={TOKYO}"),
]


@pytest.fixture(scope="module")
def trusting(published: Path) -> Flask:
    return application(published, TRUSTED_PROXIES="127.0.0.1,10.0.0.0/8,2001:db8:ffff::/48,fe80::/64")


@pytest.mark.parametrize(
    ("peer", "believed"),
    [
        pytest.param("127.0.0.1", True, id="trusted"),
        pytest.param("10.1.2.3", True, id="in a trusted network"),
        pytest.param("2001:db8:ffff::2", True, id="trusted, IPv6"),
        pytest.param("fe80::1%eth0", True, id="trusted, with a zone"),
        pytest.param("fe80::1%1", True, id="trusted, with a zone's number"),
        pytest.param("fe80::1", True, id="trusted, a zone's address without it"),
        pytest.param("::ffff:10.1.2.3", True, id="trusted, IPv4-mapped"),
        pytest.param("", True, id="unix socket"),
        pytest.param("127.0.0.42", False, id="untrusted"),
        pytest.param("2001:db8:fffe::2", False, id="untrusted, IPv6"),
        pytest.param("fe80:0:0:1::1%eth0", False, id="untrusted, with a zone"),
        pytest.param("::ffff:192.0.2.9", False, id="untrusted, IPv4-mapped"),
        pytest.param("::10.1.2.3", False, id="untrusted, IPv4-compatible"),
        pytest.param("what?", False, id="garbage"),
        pytest.param("%eth0", False, id="a zone alone"),
        pytest.param("unix:", False, id="a unix socket's name"),
    ],
)
def test_a_peer_is_believed_in_all_or_in_nothing(trusting: Flask, peer: str, believed: bool) -> None:
    """The headers that decide when a trusted proxy sends them all decide, or none of them does,
    however the peer's address is written."""
    ask = asking(trusting)
    for _ in range(2):  # a trusted peer is remembered
        decides = {
            header: kept(ask(target, headers={header: value}, source=peer)) != kept(ask(target, source=peer))
            for header, value, target in BELIEVED
        }
        assert decides == {header: believed for header, _, _ in BELIEVED}


@pytest.mark.parametrize(
    "host", [".", "a..b", "x" * 64, "\x80", "", "a b", "[::1", "evil.example.com:99999999"]
)
def test_no_host_decides(app: Flask, host: str) -> None:
    """A list is the same under whatever name we are asked, also the first time."""
    plain = asking(app)(f"{LIST}&ip={FRANKFURT}")
    environ = {"HTTP_HOST": host, "REMOTE_ADDR": PROXY}
    for number in range(2):
        target = f"{LIST}&ip={FRANKFURT}&x={len(host)}.{number}"
        response = Client(app).open(target, environ_overrides=environ, headers={"Host": "x"})
        assert (response.status_code, response.get_data()) == (200, plain.body)


# --- private mirrors --------------------------------------------------------------------------------------

OWN = ["10.20.0.1", "10.20.255.255", "2001:db8:c0de::1", "10.30.7.7", "2001:db8:1ab:ffff::1"]
"""Addresses of the networks that have a mirror of their own."""
SECRETS = ("mirror.corp", "mirror.lab", "Example Corporation", "Example Laboratory", "net-")
addresses = (
    st.ip_addresses(v=4).map(str)
    | st.ip_addresses(v=6).map(str)
    | st.sampled_from([*OWN, *(f"::ffff:{ip}" for ip in OWN if "." in ip), FRANKFURT, TOKYO])
)
ROUTES = [
    *DECIDED,
    f"{LIST}&limit=50&protocol=http,https",
    f"{LIST}&limit=50&country=DE,GB",
    f"{LIST}&explain=1",
    "/explain?x=y",
    "/explain?mirror=mirror.corp.example.com",
    "/explain?format=json",
    "/mirrors?x=y",
    "/mirrors/mirror.corp.example.com",
    "/mirrors/mirror.lab.example.org",
    "/whoami?x=y",
    "/readyz?x=y",
    "/metrics?x=y",
    "/?x=y",
    "/explain/schema?x=y",
]


@settings(max_examples=200, deadline=None)
@given(
    target=st.sampled_from(ROUTES),
    address=addresses,
    kind=st.sampled_from(["text/plain", "application/json", "text/html", "*/*"]),
    claimed=st.sampled_from(["ip=", "forged", "both"]),
)
def test_private_mirrors_never_leak(app: Flask, target: str, address: str, kind: str, claimed: str) -> None:
    """Whoever is not in its network learns nothing of a private mirror on any route: neither by asking as
    for an address, nor by claiming to have it."""
    headers = {"Accept": kind}
    if claimed != "forged":
        target += f"{'&' if '?' in target else '?'}ip={address}"
    if claimed != "ip=":
        headers |= {"X-Forwarded-For": address, "X-Client-Class": "DE/52/13|net-c0de|0|4"}
    answer = asking(app)(target, headers=headers, source=STRANGER)
    whole = f"{unescape(answer.body.decode())} {answer.headers}"
    for asked in ("'mirror.corp.example.com'", "'mirror.lab.example.org'"):
        whole = whole.replace(asked, "")  # a 404 may repeat what was asked
    assert answer.status in (200, 302, 404), answer.body
    assert [secret for secret in SECRETS if secret in whole] == []


@pytest.mark.parametrize("address", OWN)
def test_their_own_network_knows_them(app: Flask, address: str) -> None:
    """From inside its network a private mirror is there: what the property above looks for exists."""
    answer = asking(app)(LIST, headers={"X-Forwarded-For": address})
    assert answer.headers["X-Mirrorlist-Mirror"] in ("mirror.corp.example.com", "mirror.lab.example.org")
    assert answer.headers["X-Client-Network"].startswith("net-")


@pytest.mark.parametrize("address", [ip for ip in OWN if "." in ip])
@pytest.mark.parametrize("target", [LIST, f"{LIST}&explain=1", "/whoami"])
def test_an_address_inside_another_is_not_that_one(app: Flask, address: str, target: str) -> None:
    """An IPv4-compatible IPv6 address is not the IPv4 one: nothing is known of it, whoever says that a
    client has it."""
    ask, inside = asking(app), f"::{address}"
    for answer in (
        ask(target, headers={"X-Forwarded-For": inside}),
        ask(f"{target}{'&' if '?' in target else '?'}ip={inside}"),
        ask(target, source=inside),
    ):
        assert answer.status == 200
        assert [secret for secret in SECRETS if secret in f"{answer.body.decode()} {answer.headers}"] == []
        if target == LIST:
            assert (answer.headers["X-Client-Place"], answer.headers["X-Client-Network"]) == ("", "")


def test_nobody_but_a_private_mirror(tmp_path: Path) -> None:
    """Where nobody but a private mirror has something, those inside are sent to it, and the same question
    from outside is a 404 as often as it is asked."""
    corp = a_mirror("corp", "frankfurt", private=True, subnets=("10.20.0.0/16",))
    overlay = KnownNetwork(name="net-c0de", netblocks=(netblock("10.20.0.0/16", "corp"),))
    snapshot = Network(mirrors=[corp], config=without_origin(), overlays=[overlay]).compile()
    data = encode(snapshot)
    store = file_store(tmp_path)
    publication = Publication(
        generation=generation_of(data), snapshot=data, memory=b"", blobs=(), published_at_s=1.0
    )
    store.publish(publication, None)
    app = create_app(Settings(var_dir=tmp_path, geoip_city=()), store, follow=False)
    app.extensions["mirrorwise"].refresh()
    ask = asking(app)
    inside = ask(LIST, headers={"X-Client-Class": "DE/50/8|net-c0de|0|4"})
    assert (inside.status, inside.headers["X-Mirrorlist-Mirror"]) == (200, "corp.example.org")
    for _ in range(3):
        outside = ask(LIST)
        assert outside.status == 404
        assert b"corp" not in outside.body
