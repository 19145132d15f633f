"""Twenty-four times somebody wondered, and read the explanation, as text and nothing else:

 1. "Our mirror has vanished": it is stale.
 2. ... it does not answer, and over which protocol and family.
 3. ... its repomd.xml is damaged, though its timestamp is fresh.
 4. ... it was added just now, and nobody has asked it yet.
 5. ... a colleague switched it off in its file.
 6. "Not for s390x": its file leaves that arch out.
 7. "Not for NFV": the prober found no such repo there.
 8. "Not with https only": it offers http alone.
 9. "Not with https only": its certificate has expired.
10. "Not for IPv6-only clients": its IPv6 does not answer.
11. "Not from Paris": the mirror serves one country.
12. "Not in this list": the client pinned another country.
13. "Only tenth, and the list has three": by rank.
14. "The nearest is not first": its price is up, since it would be sent too much.
15. "Not the one just across the border": the border costs more than the way.
16. "A mirror in Frankfurt is said to be far from Frankfurt": its file names another city.
17. "Where is it, even?": nobody knows, so it comes last.
18. "All clients look the same": a proxy that is not trusted stands before the service.
19. "A list from all over the country": GeoIP knows the country and no more.
20. "The cloud's own mirror first": the client is in that region, by this prefix.
21. "The cloud's mirror is not for me": the client is in no cloud.
22. "None but the campus mirror": the network is that mirror's own.
23. "Why not the campus mirror?": it is down, so that the ordinary list had to do.
24. "One URL, and it is none of the mirrors": the release is in the vault, or nobody is eligible.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from app.explain.client_facts import Databases, client_facts
from app.explain.explanation import Live, explain
from app.explain.inquiry import Inquiry
from app.explain.mirror_report import mirror_report
from app.geo.database import CityDatabase
from app.geo.networks import NetworkLookup, build_networks
from app.geo.place_lookup import PlaceLookup
from app.model import ClientClass, Content, Coordinates, Endpoint, MirrorState, Status
from app.model.prefixes import CloudRange, parse_prefix
from app.render.explanation_text import explanation_text
from app.request.address import ClientAddress, TrustedProxies
from app.request.clients import Clients
from app.snapshot.status import StatusDocument
from tests.builders import (
    NOW,
    ROUND,
    Network,
    a_client,
    a_mirror,
    a_state,
    an_overlay,
    in_cloud,
    lists_of,
    netblock,
    question,
)
from tests.geo.databases import maxmind, write_database, write_places

FRANKFURT = a_client("frankfurt")
OURS = a_mirror("ours", "frankfurt")
OTHER = a_mirror("other", "munich")
SIX_HOURS_AGO = NOW - timedelta(hours=6, minutes=5)


def told(
    network: Network,
    client: ClientClass = FRANKFURT,
    address: ClientAddress | None = None,
    databases: Databases | None = None,
    mirror: str | None = None,
    **parameters: str,
) -> str:
    """The whole text, its line breaks and columns undone."""
    databases = databases or Databases()
    status = StatusDocument(states={state.mirror: state for state in network.states})
    live = Live(lists_of(network.load()), status, databases.cities, NOW.timestamp(), NOW.timestamp() + 90)
    address = address or ClientAddress("192.0.2.1", bytes([192, 0, 2, 1]), "socket")
    asked = Inquiry(question(network.config, **parameters), mirror=mirror)
    text = explanation_text(explain(live, client, client_facts(address, client, databases), asked))
    return " ".join(text.split())


def probed(*states: MirrorState, mirrors: Iterable[object] = (OURS, OTHER)) -> Network:
    """Ours and another, which the prober found as it did."""
    return Network(list(mirrors), states=[*states, a_state("other")], last_round=ROUND)  # type: ignore[arg-type]  # mirrors they are


# --- our mirror is listed, and should not be ---------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "said"),
    [
        pytest.param(
            a_state("ours", Status.UNREACHABLE, reason="connection refused"),
            "unreachable: connection refused",
            id="unreachable",
        ),
        pytest.param(
            a_state("ours", content={"9.8/baseos/x86_64": Content.MISSING}),
            "missing",
            id="the repo is missing",
        ),
    ],
)
def test_00_held_back(found: MirrorState, said: str) -> None:
    """A mirror that is served although the prober's last word is against it says so, in the list and on its
    page; one that the prober agrees with does not."""
    snapshot = probed(a_state("ours", content={"9.8/baseos/x86_64": Content.CURRENT})).load()
    status = StatusDocument(states={found.mirror: found}, held=(found.mirror,))
    live = Live(lists_of(snapshot), status, None, NOW.timestamp(), NOW.timestamp() + 90)
    address = ClientAddress("192.0.2.1", bytes([192, 0, 2, 1]), "socket")
    asked = Inquiry(question(snapshot.config))
    explanation = explain(live, FRANKFURT, client_facts(address, FRANKFURT, Databases()), asked)
    content = {entry.mirror: entry.content for entry in explanation.served}
    words = f"as before: the prober's last verdict ({said}) is held back by the guard"
    assert content["ours.example.org"] == words
    assert content["other.example.org"] != words
    index = snapshot.number["ours.example.org"]
    report = mirror_report(snapshot, index, live.states, None, live.held)
    assert (report.status, report.reason) == ("ok", words if found.status is not Status.OK else None)
    assert mirror_report(snapshot, index, live.states, None).reason is None


# --- our mirror is gone ------------------------------------------------------------------------------


def test_01_stale() -> None:
    """How old, how old it may be, and since when."""
    state = a_state("ours", Status.STALE, timedelta(hours=14.2), since=SIX_HOURS_AGO)
    assert "ours.example.org stale: 14.2 h old, 12 h allowed, since 2026-11-20 04:10 UTC" in told(
        probed(state)
    )


def test_02_unreachable() -> None:
    """Which protocol, which family, what happened, since when, and when it was last asked."""
    failing = {"https": {"ipv4": Endpoint(ok=False, detail="no answer within 10 s")}}
    state = a_state("ours", Status.UNREACHABLE, since=SIX_HOURS_AGO, endpoints=failing)
    assert (
        "unreachable: https over IPv4: no answer within 10 s; since 2026-11-20 04:10 UTC, "
        "last asked 2026-11-20 10:15 UTC"
    ) in told(probed(state))


def test_03_broken_content() -> None:
    """The repo, and what is wrong with it."""
    state = a_state("ours", content={"9.8/baseos/x86_64": Content.CORRUPT})
    assert "broken: its repomd.xml of 9.8/baseos/x86_64 is damaged" in told(probed(state))


def test_04_new() -> None:
    """It need only wait."""
    assert (
        "not probed: new since the prober's last complete round; it is served once it has been asked"
        in told(probed())
    )


def test_05_disabled() -> None:
    """Somebody meant it: the key in the file is named."""
    text = told(Network([a_mirror("ours", "frankfurt", disabled=True), OTHER]))
    assert "disabled: switched off in its file (disabled: true)" in text


# --- for some questions only -------------------------------------------------------------------------


def test_06_arch_left_out() -> None:
    """What it has instead is said too."""
    text = told(Network([a_mirror("ours", "frankfurt", arches=("x86_64", "aarch64")), OTHER]), arch="s390x")
    assert "not carried: its file leaves out s390x; it has x86_64, aarch64 of baseos" in text


def test_07_repo_missing() -> None:
    """The file says yes, the prober looked and says no."""
    text = told(probed(a_state("ours", content={"9.8/nfv/x86_64": Content.MISSING})), repo="nfv")
    assert "not carried: 9.8/nfv/x86_64 is missing there, last asked 2026-11-20 10:15 UTC" in text


def test_08_http_only() -> None:
    """What it offers against what was asked for."""
    plain = a_mirror("ours", "frankfurt", addresses={"http": "http://ours.example.org/"})
    assert "protocol: it offers http, and https was asked for" in told(
        Network([plain, OTHER]), protocol="https"
    )


def test_09_https_broken() -> None:
    """It is declared, so the reason is what happened when it was tried."""
    found = {
        "https": {"ipv4": Endpoint(ok=False, detail="the certificate expired on 2026-11-01")},
        "http": {"ipv4": Endpoint(ok=True)},
    }
    text = told(probed(a_state("ours", endpoints=found)), protocol="https")
    assert "protocol: https over IPv4: the certificate expired on 2026-11-01; it offers http" in text


def test_10_ipv6() -> None:
    """The family, the protocol it was tried with, and what happened."""
    found = {"https": {"ipv4": Endpoint(ok=True), "ipv6": Endpoint(ok=False, detail="no route to it")}}
    text = told(probed(a_state("ours", endpoints=found)), family="6")
    assert "family: its IPv6 does not work (https over IPv6: no route to it)" in text
    assert "family IPv6 only" in text


def test_11_serves_one_country() -> None:
    """The mirror's wish and the client's country, side by side."""
    text = told(Network([a_mirror("ours", "frankfurt", countries=("DE",)), OTHER]), a_client("paris"))
    assert "country: its file has it serve DE only, and the client is in FR" in text


def test_12_country_pinned() -> None:
    """The parameter is quoted, and stands in the question."""
    text = told(Network([OURS, a_mirror("other", "paris")]), country="FR")
    assert "country: it is in DE, and country=FR was asked for" in text
    assert "country FR only" in text


def test_13_rank() -> None:
    """The place, of how many, and how long the list is."""
    network = Network([OURS, *(a_mirror(f"near{number}", "frankfurt", weight=1000) for number in range(9))])
    assert "ours.example.org rank: place 10 of 10, list of 3" in told(network, limit="3")


# --- where they stand --------------------------------------------------------------------------------


def test_14_load() -> None:
    """The price is a term of the rank, beside the distance of nothing."""
    text = told(Network([OURS, OTHER], load_km={"ours.example.org": 900}))
    assert "2 ours.example.org" in text
    assert "= load 900.0 + spread" in text


def test_15_border() -> None:
    """Strasbourg's client: a mirror in town, and one behind the Rhine."""
    across = a_mirror("across", "frankfurt")
    text = told(Network([across, a_mirror("own", "paris")]), a_client("strasbourg"))
    assert text.index("1 own.example.org") < text.index("2 across.example.org")
    assert "+ border 500.0" in text.partition("2 across.example.org")[2]


@pytest.fixture
def cities(tmp_path: Path) -> CityDatabase:
    """Frankfurt with a town's precision, and a country of which no more is known."""
    vague = maxmind(
        "US", 37.75, -97.82, location={"latitude": 37.75, "longitude": -97.82, "accuracy_radius": 1000}
    )
    vague["continent"] = {"code": "NA", "names": {"en": "North America"}}
    del vague["city"], vague["subdivisions"]
    records: Mapping[str, object] = {"192.0.2.0/25": maxmind("DE", 50.11, 8.68), "198.51.100.0/24": vague}
    return CityDatabase([write_database(tmp_path / "city.mmdb", records)])


@pytest.fixture
def places(tmp_path: Path) -> PlaceLookup:
    """The same, as the worker compiles it."""
    known = {"192.0.2.0/25": "DE/50/8", "198.51.100.0/24": "US"}
    return PlaceLookup(write_places(tmp_path / "places.mmdb", known, built_at_s=1_795_000_000))


def test_16_wrong_city(cities: CityDatabase) -> None:
    """Where it is taken to be, who says so, and where GeoIP has its address."""
    wrong = a_mirror(
        "ours", "tokyo", country="JP", city="Tokyo", coordinates=Coordinates(latitude=35.68, longitude=139.69)
    )
    network = Network([wrong, OTHER], states=[a_state("ours", addresses=("192.0.2.77",)), a_state("other")])
    text = told(network, databases=Databases(cities=cities), mirror="ours.example.org")
    assert "location Tokyo, JP, 35.68 N 139.69 E" in text
    assert "GeoIP its address 192.0.2.77 is in Exampletown, DE, 9,3" in text
    assert "km from its location" in text
    assert "rank" in text and "= distance 9,3" in text


def test_17_location_unknown() -> None:
    """Said in so many words: it counts as farthest of all."""
    text = told(Network([a_mirror("ours", country="DE"), OTHER]), mirror="ours.example.org")
    assert "location DE; where exactly is not known, so it counts as farthest of all" in text


# --- the client is not who it seems ------------------------------------------------------------------


def test_18_untrusted_proxy(places: PlaceLookup, cities: CityDatabase) -> None:
    """What the proxy said, that it was not believed, and whose address counted instead."""
    environ = {"REMOTE_ADDR": "192.0.2.9", "HTTP_X_FORWARDED_FOR": "198.51.100.7"}
    client = Clients(TrustedProxies([])).caller(environ, places, None)
    text = told(Network([OURS]), client.of, client.address, Databases(places, cities=cities))
    assert "address 192.0.2.9 (IPv4), from the socket" in text
    assert 'ignored "198.51.100.7": 192.0.2.9 is not a trusted proxy' in text
    assert "GeoIP Exampletown, District, Exampleland (DE), 50.11 N 8.68 E, within 20 km" in text


def test_19_country_only(places: PlaceLookup, cities: CityDatabase) -> None:
    """How little GeoIP knows, and what that means for distances: nothing in the country is nearer."""
    client = Clients(TrustedProxies([])).caller({"REMOTE_ADDR": "198.51.100.7"}, places, None)
    network = Network([a_mirror("east", "new york"), a_mirror("west", "san francisco")])
    text = told(network, client.of, client.address, Databases(places, cities=cities))
    assert "nothing more precise than the country, within 1000 km" in text
    assert "place US (the country alone: all of its mirrors count as equally near)" in text
    assert "distance" not in text.partition("SERVED")[2]


@pytest.fixture
def networks(tmp_path: Path) -> NetworkLookup:
    """An AWS region, with a private mirror's netblock inside."""
    cloud = CloudRange(prefix=parse_prefix("192.0.2.128/25"), provider="aws", region="eu-central-1")
    path = tmp_path / "networks.mmdb"
    path.write_bytes(build_networks([cloud], [("secret.example.org", "192.0.2.240/28")], [], 1).mmdb)
    return NetworkLookup(path)


def test_20_cloud_client(networks: NetworkLookup) -> None:
    """Provider, region, the prefix that says so (cut by nobody's netblock), and the pass that it brings."""
    client = Clients(TrustedProxies([])).caller({"REMOTE_ADDR": "192.0.2.225"}, None, networks)
    inside = in_cloud("inside", "frankfurt", "aws", "eu-central-1")
    network = Network([inside, OTHER], overlays=[an_overlay("aws:eu-central-1")])
    text = told(network, client.of, client.address, Databases(None, networks))
    assert "cloud aws eu-central-1, by 192.0.2.128/25" in text
    assert "1 inside.example.org" in text and "pass region;" in text


def test_21_no_cloud_client() -> None:
    """For whom the mirror is, and that this client is no such."""
    text = told(Network([in_cloud("inside", "frankfurt", "aws", "eu-central-1"), OTHER]))
    assert "cloud none" in text
    assert "region: for clients in aws eu-central-1 only, and this client is in no known cloud" in text


CAMPUS = an_overlay("net-0c0c0c", netblocks=(netblock("192.0.2.0/28", "campus"),))
ON_CAMPUS = a_client("frankfurt", network=CAMPUS.name)


def test_22_exclusive() -> None:
    """One sentence at the top, and the owner's name at everybody who is left out."""
    campus = a_mirror("campus", "frankfurt", monopoly=True)
    text = told(Network([campus, OTHER], overlays=[CAMPUS]), ON_CAMPUS)
    assert "This network has mirrors to itself (monopoly: true): only they are listed." in text
    assert "exclusive: campus.example.org has this client's network to itself" in text


def test_23_exclusive_unavailable() -> None:
    """The owner's trouble stands in the sentence at the top."""
    campus = a_mirror("campus", "frankfurt", monopoly=True)
    down = a_state("campus", Status.UNREACHABLE, since=SIX_HOURS_AGO, reason="https over IPv4: refused")
    text = told(Network([campus, OTHER], states=[down, a_state("other")], overlays=[CAMPUS]), ON_CAMPUS)
    assert "decided by: exclusive unavailable" in text
    assert (
        "This network's own mirror cannot serve (campus.example.org is unreachable: https over IPv4: "
        "refused; since 2026-11-20 04:10 UTC, last asked 2026-11-20 10:15 UTC), "
        "so the list is the ordinary one."
    ) in text


def test_24_no_mirror_at_all() -> None:
    """The vault for what is past; the origin, and what is the matter with everybody, for what is not."""
    vault = told(Network([OURS, OTHER]), release="9.7")
    assert "No mirror is eligible (2 not carried), so the vault is the answer." in vault
    assert "https://vault.example.org/9.7/BaseOS/x86_64/os/" in vault
    assert "not carried: release 9.7 is in the vault, and its file has no address_vault" in vault
    origin = told(
        Network([a_mirror("ours", "frankfurt", disabled=True), a_mirror("other", arches=("aarch64",))])
    )
    assert "No mirror is eligible (1 disabled, 1 not carried), so the origin is the answer." in origin
    assert "https://origin.example.org/alma/9.8/BaseOS/x86_64/os/" in origin
