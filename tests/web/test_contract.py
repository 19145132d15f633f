"""What clients may rely on over HTTP: the same questions, asked of the application and of gunicorn.

The network is the sample in data/. Everything is asked twice, because the second time the answer may
come another way.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import msgspec
import pytest

from tests.web.asking import (
    BERLIN6,
    FRANKFURT,
    FROM_FRANKFURT,
    LIST,
    LUXEMBOURG,
    NEW_YORK,
    NOWHERE,
    PROXY,
    STRANGER,
    TEXT,
    TOKYO,
    Ask,
    kept,
    mirrors_in,
)

# --- the forms of a mirrorlist ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("/mirrorlist/9/baseos?arch=x86_64", id="AlmaLinux"),
        pytest.param("/mirrorlist/9.8/baseos?arch=x86_64", id="full release"),
        pytest.param("/mirrorlist/9/baseos/?arch=x86_64", id="slash at the end"),
        pytest.param("/mirrorlist/9/BaseOS?arch=X86_64", id="capitals"),
        pytest.param("/mirrorlist/9/baseos?arch=x86_64&countme=1&infra=stock&content=pub", id="unknown keys"),
        pytest.param("/mirrorlist/9/baseos?arch=x86_64&arch=aarch64", id="key given twice"),
        pytest.param("/mirrorlist/9/baseos?country=&arch=x86_64&protocol=&limit=&family=", id="empty values"),
        pytest.param("/mirrorlist?repo=baseos-9&arch=x86_64", id="MirrorManager"),
        pytest.param("/mirrorlist?repo=baseos-9.8&arch=x86_64", id="MirrorManager, full release"),
        pytest.param("/mirrorlist?release=9&repo=baseos&arch=x86_64", id="release apart"),
        pytest.param("/mirrorlist?path=9/BaseOS/x86_64/os", id="path"),
        pytest.param("/mirrorlist?path=/9.8/BaseOS/x86_64/os/&arch=ignored", id="path with slashes"),
        pytest.param("/?release=9&repo=baseos&arch=x86_64&infra=stock&cc=", id="CentOS"),
    ],
)
def test_forms(ask: Ask, target: str) -> None:
    """However the question is put, it is the same list, byte for byte, with the same headers."""
    answer, expected = ask(f"{target}&ip={FRANKFURT}"), ask(FROM_FRANKFURT)
    assert answer.body == expected.body
    assert kept(answer) == kept(expected)
    assert len(mirrors_in(answer)) == 10
    assert all(line.endswith("/9.8/BaseOS/x86_64/os/") for line in answer.lines)


def test_list_headers(ask: Ask) -> None:
    """A list says for which place, by which reason and in which generation it was made, and names the
    first mirror."""
    answer = ask(FROM_FRANKFURT)
    assert answer.headers["X-Client-Place"] == "DE/50/8"
    assert answer.headers["X-Client-Network"] == ""
    assert answer.headers["X-Mirrorlist-Reason"] == "geography"
    assert answer.headers["X-Mirrorlist-Mirror"] == mirrors_in(answer)[0]
    assert re.fullmatch("[0-9a-f]{16}", answer.headers["X-Mirrorlist-Generation"])
    assert answer.headers["Cache-Control"] == "private, max-age=60"
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    assert answer.headers["Content-Encoding"] is None


def test_without_arch(ask: Ask) -> None:
    """Without an arch `$basearch` stays in the URLs, for dnf to expand."""
    answer = ask(f"/mirrorlist/9/baseos?ip={FRANKFURT}")
    assert len(mirrors_in(answer)) == 10
    assert all(line.endswith("/9.8/BaseOS/$basearch/os/") for line in answer.lines)
    assert ask(f"/mirrorlist/9/baseos?arch=$basearch&ip={FRANKFURT}").body == answer.body


def test_one_client_one_order(ask: Ask) -> None:
    """A client gets its mirrors in one order for all repos, as far as they carry them."""
    orders = [
        mirrors_in(ask(f"/mirrorlist/9/{repo}?arch=x86_64&limit=50&ip={FRANKFURT}"))
        for repo in ("baseos", "appstream", "extras")
    ]
    everywhere = set.intersection(*map(set, orders))
    assert len(everywhere) > 20
    assert len({tuple(host for host in order if host in everywhere) for order in orders}) == 1


@pytest.mark.parametrize(
    ("target", "body", "reason"),
    [
        pytest.param(
            "/mirrorlist/9.7/baseos?arch=x86_64",
            "https://vault.example.org/9.7/BaseOS/x86_64/os/",
            "vault",
            id="vault release",
        ),
        pytest.param(
            "/mirrorlist/9/baseos-source",
            "https://vault.example.org/9.8/BaseOS/Source/",
            "vault",
            id="vault repo",
        ),
        pytest.param(
            "/isolist/9.7/x86_64", "https://vault.example.org/9.7/isos/x86_64/", "vault", id="vault ISOs"
        ),
        pytest.param(
            f"{LIST}&country=AQ",
            "https://repo.example.org/examplelinux/9.8/BaseOS/x86_64/os/",
            "origin",
            id="nobody eligible",
        ),
        pytest.param(
            "/mirrorlist/10-kitten/baseos?arch=x86_64&country=AQ",
            "https://repo.example.org/examplelinux-kitten/10-kitten/BaseOS/x86_64/os/",
            "origin",
            id="nobody eligible, module",
        ),
    ],
)
def test_lists_of_one(ask: Ask, target: str, body: str, reason: str) -> None:
    """The vault has what is past, and the origin what nobody else can serve: 200, never an empty list,
    never an error."""
    answer = ask(target)
    assert (answer.status, answer.headers["Content-Type"]) == (200, TEXT)
    assert answer.body.decode() == f"{body}\n"
    assert answer.headers["X-Mirrorlist-Reason"] == reason


def test_module(ask: Ask) -> None:
    """An optional module is a release of its own, at addresses of its own, on the mirrors that carry it."""
    answer = ask(f"/mirrorlist/10-kitten/baseos?arch=x86_64&ip={FRANKFURT}")
    assert set(mirrors_in(answer)) < set(mirrors_in(ask(f"{FROM_FRANKFURT}&limit=50")))
    assert all(line.endswith("/10-kitten/BaseOS/x86_64/os/") for line in answer.lines)


def test_isolist(ask: Ask) -> None:
    """ISO directories, ranked."""
    answer = ask(f"/isolist/9/x86_64?ip={FRANKFURT}")
    assert len(mirrors_in(answer)) == 10
    assert all(line.endswith("/9.8/isos/x86_64/") for line in answer.lines)


# --- parameters -------------------------------------------------------------------------------------------


def listed_as_json(ask: Ask, parameters: str) -> list[dict[str, str]]:
    """The mirrors of a list, with their countries."""
    answer = ask(f"{LIST}&format=json&{parameters}")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json"), answer.body
    mirrors: list[dict[str, str]] = msgspec.json.decode(answer.body)["mirrors"]
    assert mirrors
    return mirrors


@pytest.mark.parametrize(
    ("parameters", "schemes"),
    [
        pytest.param("", {"https", "http"}, id="any that dnf takes"),
        pytest.param("&protocol=https", {"https"}, id="https"),
        pytest.param("&protocol=HTTP", {"http"}, id="http, capitals"),
        pytest.param("&protocol=rsync", {"rsync"}, id="rsync"),
        pytest.param("&protocol=http,https", {"http", "https"}, id="several, in order of preference"),
    ],
)
def test_protocol(ask: Ask, parameters: str, schemes: set[str]) -> None:
    """Only URLs of the protocols asked for, one for each mirror, the first protocol that it has."""
    answer = ask(f"{LIST}&limit=50&ip={FRANKFURT}{parameters}")
    assert mirrors_in(answer)
    assert {line.partition(":")[0] for line in answer.lines} == schemes


@pytest.mark.parametrize(
    ("parameters", "countries"),
    [
        pytest.param("country=JP", {"JP"}, id="one"),
        pytest.param("country=jp,DE", {"JP", "DE"}, id="two"),
        pytest.param("country=JP,DE&exclude_country=JP", {"DE"}, id="and not another"),
    ],
)
def test_country(ask: Ask, parameters: str, countries: set[str]) -> None:
    """`country` keeps the mirrors of these countries, wherever the client is."""
    mirrors = listed_as_json(ask, f"{parameters}&limit=50&ip={LUXEMBOURG}")
    assert {mirror["country"] for mirror in mirrors} == countries


def test_exclude_country(ask: Ask) -> None:
    """`exclude_country` drops the mirrors of these countries, and the others stay in order."""
    everybody = listed_as_json(ask, f"limit=50&ip={FRANKFURT}")
    others = listed_as_json(ask, f"limit=50&ip={FRANKFURT}&exclude_country=DE,FR")
    assert others == [mirror for mirror in everybody if mirror["country"] not in ("DE", "FR")]


def test_country_global(ask: Ask) -> None:
    """`country=global` gives what somebody of whom nothing is known gets."""
    spread_of_nowhere = "192.0.2.1"  # the same low five bits of its third byte, 2, as byte 6 below
    nowhere = ask(f"{LIST}&ip=2001:db8:ff02::1")
    asked = ask(f"{LIST}&country=global&ip={spread_of_nowhere}")
    assert nowhere.headers["X-Client-Place"] == ""
    assert sorted(mirrors_in(asked)) == sorted(mirrors_in(nowhere))


def test_region(ask: Ask) -> None:
    """`region` brings a client behind a private endpoint to the mirrors of its cloud region."""
    answer = ask(f"{LIST}&region=aws:eu-central-1&ip={TOKYO}")
    assert mirrors_in(answer)[0] == "eu-central-1.aws.example.com"
    assert answer.headers["X-Mirrorlist-Reason"] == "region"


@pytest.mark.parametrize(("code", "countries"), [("jp", {"JP"}), ("JP", {"JP"}), ("zz", None), ("", None)])
def test_cc(ask: Ask, code: str, countries: set[str] | None) -> None:
    """CentOS's `cc` is a country to choose from; its clients never got an error for a wrong one."""
    centos = f"/?release=9&repo=baseos&arch=x86_64&cc={code}&ip={FRANKFURT}"
    parameters = f"&country={code}" if countries else ""
    assert ask(centos).body == ask(FROM_FRANKFURT + parameters).body


@pytest.mark.parametrize(
    ("family", "left_out", "listed"),
    [
        pytest.param("4", "mirror.zrh.example.org", "mirror.scl.example.org", id="IPv4"),
        pytest.param("6", "mirror.scl.example.org", "mirror.zrh.example.org", id="IPv6"),
    ],
)
def test_family(ask: Ask, family: str, left_out: str, listed: str) -> None:
    """`family` leaves out whoever is known not to answer over it, whatever the client's own is."""
    hosts = mirrors_in(ask(f"{LIST}&limit=50&family={family}&ip={FRANKFURT}"))
    assert left_out not in hosts
    assert listed in hosts


def test_ipv6_clients(ask: Ask) -> None:
    """An IPv6 client is sent first to mirrors whose IPv6 is known to work; the others are still there."""
    hosts = mirrors_in(ask(f"{LIST}&limit=50&ip={BERLIN6}"))
    only_ipv4 = {"mirror.scl.example.org", "mirror.nbo.example.org"}
    assert only_ipv4 <= set(hosts)
    assert only_ipv4 <= set(hosts[-3:])


@pytest.mark.parametrize("limit", [1, 2, 10, 25])
def test_limit(ask: Ask, limit: int) -> None:
    """The list is as long as asked for, and a longer list begins with a shorter one."""
    hosts = mirrors_in(ask(f"{LIST}&limit={limit}&ip={FRANKFURT}"))
    assert len(hosts) == limit
    assert mirrors_in(ask(f"{LIST}&limit=50&ip={FRANKFURT}"))[:limit] == hosts


def test_format_json(ask: Ask) -> None:
    """`format=json` is the same list with what is known of each mirror, and what it was an answer to."""
    answer = ask(f"{FROM_FRANKFURT}&format=json")
    assert answer.headers["Content-Type"] == "application/json"
    document = msgspec.json.decode(answer.body)
    assert [mirror["url"] for mirror in document["mirrors"]] == ask(FROM_FRANKFURT).lines
    assert document["generation"] == answer.headers["X-Mirrorlist-Generation"]
    assert (document["release"], document["repo"], document["arch"]) == ("9.8", "baseos", "x86_64")


@pytest.mark.parametrize("target", [LIST, "/isolist/9/x86_64", "/mirrorlist/9.7/baseos?arch=x86_64"])
def test_redirect(ask: Ask, target: str) -> None:
    """`redirect=1` sends the client to the first mirror of the list."""
    separator = "&" if "?" in target else "?"
    first = ask(f"{target}{separator}ip={TOKYO}").lines[0]
    answer = ask(f"{target}{separator}ip={TOKYO}&redirect=1")
    assert (answer.status, answer.headers["Location"]) == (302, first)


@pytest.mark.parametrize(
    ("ip", "countries"),
    [
        pytest.param(FRANKFURT, {"DE"}, id="Frankfurt"),
        pytest.param(LUXEMBOURG, {"LU", "DE", "BE", "FR", "NL"}, id="Luxembourg"),
        pytest.param(TOKYO, {"JP", "KR", "TW", "CN", "SG"}, id="Tokyo"),
        pytest.param(NEW_YORK, {"US", "CA"}, id="New York"),
        pytest.param(BERLIN6, {"DE"}, id="Berlin, IPv6"),
        pytest.param(f"::ffff:{FRANKFURT}", {"DE"}, id="IPv4-mapped"),
    ],
)
def test_ip(ask: Ask, ip: str, countries: set[str]) -> None:
    """`ip` is answered as if that address had asked: with the mirrors near it first."""
    assert {mirror["country"] for mirror in listed_as_json(ask, f"limit=3&ip={ip}")} <= countries
    by_header = ask(LIST, headers={"X-Forwarded-For": ip})
    assert by_header.body == ask(f"{LIST}&ip={ip}").body


@pytest.mark.parametrize(
    "ip", [NOWHERE, "127.0.0.2", "10.1.2.3", "0.0.0.0", "::", "fe80::1", "255.255.255.255"]
)
def test_unknown_clients(ask: Ask, ip: str) -> None:
    """Somebody of whom GeoIP knows nothing gets a list like everybody else, of no more mirrors."""
    assert len(mirrors_in(ask(f"{LIST}&ip={ip}"))) == 10


def test_avoid(ask: Ask) -> None:
    """`avoid` leaves mirrors out, and the others stay in order."""
    everybody = mirrors_in(ask(f"{LIST}&limit=50&ip={FRANKFURT}"))
    first, second, *others = everybody
    assert mirrors_in(ask(f"{LIST}&limit=50&ip={FRANKFURT}&avoid={first},{second},nobody")) == others


@pytest.mark.parametrize(
    ("fill", "ip", "countries"),
    [
        pytest.param("no", FRANKFURT, {"DE"}, id="the country"),
        pytest.param("continent", NEW_YORK, {"US", "CA", "MX"}, id="the continent"),
    ],
)
def test_fill(ask: Ask, fill: str, ip: str, countries: set[str]) -> None:
    """`fill` has a list end with the client's country or continent."""
    everybody = listed_as_json(ask, f"limit=50&ip={ip}")
    near = listed_as_json(ask, f"limit=50&ip={ip}&fill={fill}")
    assert near == [mirror for mirror in everybody if mirror["country"] in countries]


def test_format_zypp(ask: Ask) -> None:
    """`format=zypp` is the array of objects that libzypp reads, with eight URLs at most."""
    answer = ask(f"{FROM_FRANKFURT}&format=zypp")
    assert answer.headers["Content-Type"] == "application/json"
    assert msgspec.json.decode(answer.body) == [{"url": url} for url in ask(FROM_FRANKFURT).lines[:8]]


@pytest.mark.parametrize(
    ("sloppy", "clean", "ignored"),
    [
        pytest.param("country=uk", "country=GB", None, id="a country as people call it"),
        pytest.param("country=de,atlantis", "country=DE", "country=atlantis", id="an unknown country"),
        pytest.param("exclude_country=de,xx", "exclude_country=DE", "exclude_country=xx", id="to exclude"),
        pytest.param("protocol=https,ftp", "protocol=https", "protocol=ftp", id="an unknown protocol"),
        pytest.param("region=aws:eu-central-1a", "region=aws:eu-central-1", None, id="a zone"),
        pytest.param("region=aws:eu-central-9", "", "region=aws:eu-central-9", id="an unknown region"),
        pytest.param("limit=1000", "limit=50", "limit=1000", id="a long list"),
        pytest.param("fill=maybe", "", "fill=maybe", id="an unknown end"),
        pytest.param("avoid=%0d%0aX-Evil:%20yes", "", "avoid", id="what is no name"),
        pytest.param("region=%C3%9C", "", "region", id="other letters"),
    ],
)
def test_sloppy_values(ask: Ask, sloppy: str, clean: str, ignored: str | None) -> None:
    """A value that can be used in part costs nobody the list; what is ignored of it is named."""
    answer, expected = ask(f"{FROM_FRANKFURT}&{sloppy}"), ask(f"{FROM_FRANKFURT}&{clean}")
    assert (answer.status, answer.body) == (200, expected.body)
    assert answer.headers["X-Mirrorlist-Ignored"] == ignored
    assert expected.headers["X-Mirrorlist-Ignored"] is None


def test_an_arch_as_other_systems_call_it(ask: Ask) -> None:
    """`amd64` is x86_64."""
    amd64 = ask(f"/mirrorlist/9/baseos?arch=amd64&ip={FRANKFURT}")
    assert amd64.body == ask(FROM_FRANKFURT).body


# --- private mirrors --------------------------------------------------------------------------------------


def test_own_network(ask: Ask) -> None:
    """A machine of a company with a mirror of its own gets that one alone."""
    answer = ask(LIST, headers={"X-Forwarded-For": "10.20.0.1"})
    assert mirrors_in(answer) == ["mirror.corp.example.com"]
    assert answer.headers["X-Mirrorlist-Reason"] == "exclusive"
    assert answer.headers["X-Mirrorlist-Mirror"] == "mirror.corp.example.com"
    assert re.fullmatch("net-[0-9a-f]{6,}", answer.headers["X-Client-Network"])


@pytest.mark.parametrize(
    ("parameters", "headers", "source"),
    [
        pytest.param("&ip=10.20.0.1", {}, PROXY, id="asked as for its address"),
        pytest.param("", {"X-Forwarded-For": "10.20.0.1"}, STRANGER, id="address forged"),
        pytest.param(
            "", {"X-Forwarded-For": "10.20.0.1, 192.0.2.1"}, PROXY, id="address forged further left"
        ),
        pytest.param("&limit=50", {}, STRANGER, id="a long list"),
        pytest.param("&limit=50&country=DE", {}, PROXY, id="its country"),
        pytest.param(
            "&format=json", {"X-Real-IP": "10.20.0.1", "Forwarded": "for=10.20.0.1"}, PROXY, id="others"
        ),
    ],
)
def test_private_mirrors_stay_private(
    ask: Ask, parameters: str, headers: dict[str, str], source: str
) -> None:
    """Outside of their networks nobody learns of private mirrors, or that an address is in one."""
    answer = ask(LIST + parameters, headers=headers, source=source)
    assert answer.status == 200
    whole = answer.body.decode() + str(answer.headers)
    assert "corp" not in whole and "lab" not in whole and "net-" not in whole


# --- who is asking ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "forwarded_for", "address"),
    [
        pytest.param(PROXY, None, PROXY, id="nothing forwarded"),
        pytest.param(STRANGER, None, STRANGER, id="nothing forwarded, not a proxy"),
        pytest.param(PROXY, TOKYO, TOKYO, id="a proxy's word"),
        pytest.param(STRANGER, TOKYO, STRANGER, id="a stranger's word"),
        pytest.param(PROXY, f"{TOKYO}, {FRANKFURT}", FRANKFURT, id="the right-most"),
        pytest.param(PROXY, f"{TOKYO}, {PROXY}", TOKYO, id="past a trusted one"),
        pytest.param(PROXY, f"{TOKYO}, junk", PROXY, id="junk ends the walk"),
        pytest.param(PROXY, f"junk, {TOKYO}", TOKYO, id="junk on the left"),
        pytest.param(PROXY, f"::ffff:{TOKYO}", TOKYO, id="IPv4-mapped"),
        pytest.param(PROXY, "2001:DB8::0001", "2001:db8::1", id="IPv6 in another spelling"),
    ],
)
def test_client_address(ask: Ask, source: str, forwarded_for: str | None, address: str) -> None:
    """The client is the socket's peer, or whom the trusted proxy in between saw."""
    headers = {"X-Forwarded-For": forwarded_for} if forwarded_for else {}
    answer = ask("/whoami", headers={**headers, "Accept": "application/json"}, source=source)
    assert answer.headers["Content-Type"] == "application/json"
    assert msgspec.json.decode(answer.body)["address"] == address
    text = ask("/whoami", headers=headers, source=source)
    assert (text.status, text.headers["Content-Type"]) == (200, TEXT)
    assert address in text.lines[0]
    by_list = ask(LIST, headers=headers, source=source)
    assert by_list.body == ask(f"{LIST}&ip={address}").body


def test_whoami(ask: Ask) -> None:
    """An operator sees what the service sees of a caller."""
    answer = ask("/whoami", headers={"X-Forwarded-For": FRANKFURT, "Accept": "application/json"})
    facts = msgspec.json.decode(answer.body)
    assert facts["place"] == "DE/50/8"
    assert facts["city"] == "Frankfurt am Main"
    assert (facts["family"], facts["spread"]) == ("IPv4", 2)


# --- metalinks --------------------------------------------------------------------------------------------

METALINK = "{http://www.metalinker.org/}"


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("/metalink/9/baseos?arch=x86_64", id="AlmaLinux"),
        pytest.param("/metalink?repo=baseos-9&arch=x86_64", id="MirrorManager"),
        pytest.param("/mirrorlist/9/baseos?arch=x86_64&format=metalink", id="format"),
    ],
)
def test_metalink(ask: Ask, target: str) -> None:
    """The same mirrors in the same order, as Metalink 3.0, with what the origin's repomd.xml should be."""
    answer = ask(f"{target}&ip={FRANKFURT}")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/metalink+xml")
    root = ET.fromstring(answer.body)  # noqa: S314  # our own answer
    [file] = root.iter(f"{METALINK}file")
    assert file.get("name") == "repomd.xml"
    urls = [url.text for url in file.iter(f"{METALINK}url")]
    assert urls == [f"{line}repodata/repomd.xml" for line in ask(FROM_FRANKFURT).lines]
    hashes = {h.get("type"): h.text for h in file.iter(f"{METALINK}hash")}
    assert hashes.keys() == {"sha256", "sha512"}
