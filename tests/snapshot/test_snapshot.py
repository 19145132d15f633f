"""The snapshot on its way from worker to web: what is compiled, the bytes, and what is read back."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.answer.memo import Memo
from app.model import (
    ClientClass,
    Content,
    Coordinates,
    Endpoint,
    Family,
    Protocol,
    Repo,
    SnapshotError,
    digest_of,
)
from app.model.countries import CONTINENTS, countries
from app.ranking import ranking
from app.ranking.ranking import CANDIDATES
from app.snapshot.loaded import LoadedSnapshot
from app.snapshot.schema import SCHEMA, decode, encode, generation_of
from tests.builders import (
    NOW,
    QUIET,
    ROUND,
    TOWN_CELLS,
    Network,
    a_client,
    a_config,
    a_mirror,
    a_repomd,
    a_state,
    an_overlay,
    ask,
    cell,
    endpoints,
    in_cloud,
    listed,
    load,
    netblock,
)

NETWORK = Network(
    mirrors=[
        a_mirror("berlin", "munich", weight=2.5, asns=(64500,), sponsor="Üniversität", countries=("DE",)),
        a_mirror("campus", None, private=True, monopoly=True, subnets=("192.0.2.0/24",)),
        in_cloud("cloud", "ashburn", "aws", "us-east-1"),
        a_mirror("kitten", "tokyo", module_addresses={"kitten": {"https": "https://kitten.example.org/"}}),
    ],
    states=[a_state("berlin", endpoints=endpoints(ipv4=True, ipv6=True)), a_state("cloud")],
    last_round=ROUND,
    overlays=[an_overlay("net-1+AS64500", asn=64500, netblocks=(netblock("192.0.2.0/24", "campus"),))],
    repomd={"9.8/baseos/x86_64": (a_repomd(),), "9.8/sources/": (a_repomd(7),)},
    load_km={"berlin.example.org": 12.5},
)
DATA = encode(NETWORK.compile())


# --- encoding ------------------------------------------------------------------------------------------


def test_round_trip() -> None:
    """What is read is what was compiled."""
    assert decode(DATA) == NETWORK.compile()


def test_the_same_input_is_the_same_generation() -> None:
    """Whatever order things were read in: the bytes are the same, and so is the name."""
    shuffled = Network(
        mirrors=[
            msgspec.structs.replace(mirror, addresses=dict(reversed(mirror.addresses.items())))
            for mirror in reversed(NETWORK.mirrors)
        ],
        states=list(NETWORK.states)[::-1],
        last_round=ROUND,
        cells=dict(reversed(TOWN_CELLS.items())),
        overlays=NETWORK.overlays,
        repomd={key: NETWORK.repomd[key] for key in sorted(NETWORK.repomd, reverse=True)},
        load_km=NETWORK.load_km,
    )
    data = encode(shuffled.compile())
    assert data == DATA
    assert generation_of(data) == generation_of(DATA)
    assert len(generation_of(DATA)) == 16
    assert digest_of(DATA).startswith(generation_of(DATA))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"probed_at": NOW + timedelta(minutes=15)}, id="when it was probed"),
        pytest.param({"timestamp": NOW - timedelta(hours=3)}, id="its age, within what is allowed"),
        pytest.param({"failures": 1, "reason": "no answer"}, id="a failure that changes no verdict"),
        pytest.param({"since": NOW - timedelta(days=3)}, id="since when it is as it is"),
    ],
)
def test_what_changes_no_list_makes_no_generation(changes: dict[str, Any]) -> None:
    """A probe round that finds everything as it was publishes nothing."""
    state = a_state("berlin", endpoints=endpoints(ipv4=True, ipv6=True), **changes)
    again = msgspec.structs.replace(state)
    network = Network(mirrors=NETWORK.mirrors, states=[again], last_round=ROUND)
    before = Network(
        mirrors=NETWORK.mirrors,
        states=[a_state("berlin", endpoints=endpoints(ipv4=True, ipv6=True))],
        last_round=ROUND,
    )
    assert encode(network.compile()) == encode(before.compile())


def test_what_changes_a_list_makes_a_generation() -> None:
    """A mirror that has gone stale is another snapshot."""
    states = [a_state("berlin", age=timedelta(hours=14)), a_state("cloud")]
    stale = Network(mirrors=NETWORK.mirrors, states=states, last_round=ROUND)
    assert generation_of(encode(stale.compile())) != generation_of(DATA)


def test_another_schema_is_refused_by_its_number() -> None:
    """During an upgrade, a web process may see what a newer worker wrote: even the types may differ."""
    newer = msgspec.msgpack.encode({"schema": SCHEMA + 1, "mirrors": 7})
    with pytest.raises(SnapshotError, match=f"schema {SCHEMA + 1}.*schema {SCHEMA}"):
        decode(newer)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a snapshot",
        b"\x80",
        msgspec.msgpack.encode([1]),
        msgspec.msgpack.encode({"schema": SCHEMA}),
    ],
)
def test_what_is_no_snapshot(data: bytes) -> None:
    """Anything else is an error of ours, not of the decoder's."""
    with pytest.raises(SnapshotError, match="not a readable snapshot"):
        decode(data)


@given(st.integers(0, len(DATA) - 1))
def test_a_snapshot_cut_short(length: int) -> None:
    """However much is missing."""
    with pytest.raises(SnapshotError):
        LoadedSnapshot("cut", DATA[:length])


@settings(max_examples=200)
@given(st.integers(0, len(DATA) - 1), st.integers(0, 255))
def test_a_damaged_snapshot_is_read_or_refused(position: int, byte: int) -> None:
    """Damage is an error of ours, if it is seen at all (the store sees it by the digest)."""
    data = DATA[:position] + bytes([byte]) + DATA[position + 1 :]
    try:
        decode(data)
    except SnapshotError:
        assert data != DATA


def test_text_that_is_not_unicode() -> None:
    """Bytes that are no UTF-8 where text belongs are damage like any other."""
    with pytest.raises(SnapshotError):
        decode(DATA.replace("Ü".encode(), b"\xff\xfe"))


# --- mirrors ---------------------------------------------------------------------------------------------


def test_mirrors_as_the_web_needs_them() -> None:
    """Sorted by name, with what is known of them from every side."""
    snapshot = NETWORK.load()
    assert [mirror.name for mirror in snapshot.mirrors] == [
        f"{name}.example.org" for name in ("berlin", "campus", "cloud", "kitten")
    ]
    berlin, campus, cloud, _ = snapshot.mirrors
    assert (berlin.country, berlin.continent, berlin.weight, berlin.load_km) == ("DE", "EU", 2.5, 12.5)
    assert (berlin.ipv4, berlin.ipv6, campus.ipv4, cloud.ipv6) == (True, True, None, None)
    assert (campus.private, campus.monopoly, campus.public, cloud.public) == (True, True, False, False)
    assert (cloud.cloud_provider, cloud.cloud_regions) == ("aws", ("us-east-1",))
    # kitten has not been probed, campus is private, cloud is in a cloud
    assert snapshot.rankable == (0,)


ENDPOINTS = dict[Protocol, dict[Family, Endpoint]]
OK, BAD = Endpoint(ok=True), Endpoint(ok=False, detail="no answer within 10 s")


@pytest.mark.parametrize(
    ("found", "protocols", "families"),
    [
        pytest.param({}, {"https", "http"}, (None, None), id="nobody has looked"),
        pytest.param({"https": {"ipv4": OK}}, {"https", "http"}, (True, False), id="one protocol was asked"),
        pytest.param(
            {"https": {"ipv4": OK}, "http": {"ipv4": BAD}}, {"https"}, (True, False), id="http is broken"
        ),
        pytest.param(
            {"https": {"ipv4": BAD, "ipv6": OK}, "http": {"ipv4": OK, "ipv6": BAD}},
            {"https", "http"},
            (True, True),
            id="each works over one family",
        ),
        pytest.param({"https": {"ipv4": BAD, "ipv6": OK}}, {"https", "http"}, (False, True), id="IPv6 only"),
        pytest.param(
            {"https": {"ipv4": BAD}, "http": {"ipv4": BAD}},
            {"https", "http"},
            (False, False),
            id="nothing works just now",
        ),
    ],
)
def test_endpoints(found: ENDPOINTS, protocols: set[str], families: tuple[bool | None, bool | None]) -> None:
    """A protocol known not to work is not handed out; a family counts as working over any protocol."""
    state = a_state("m", endpoints=found, addresses=("192.0.2.1",))
    mirror = load(a_mirror("m"), states=[state]).mirrors[0]
    assert set(mirror.addresses) == protocols
    assert (mirror.ipv4, mirror.ipv6) == families


@pytest.mark.parametrize("trusted", [{"private": True}, {"probe": False}], ids=str)
def test_endpoints_of_mirrors_that_are_not_probed(trusted: dict[str, Any]) -> None:
    """A state left from before a mirror became private, or trusted, says nothing of it any more."""
    state = a_state("m", endpoints={"https": {"ipv4": BAD}})
    mirror = load(a_mirror("m", **trusted), states=[state]).mirrors[0]
    assert (set(mirror.addresses), mirror.ipv4) == ({"https", "http"}, None)


# --- places ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "row_of"),
    [
        (cell("tokyo"), cell("tokyo")),
        ("JP/1/1", "JP"),
        ("JP", "JP"),
        ("~AS", "~AS"),
        ("~XX", ""),
        ("XX/1/1", ""),
        ("XX", ""),
        ("", ""),
        ("@/aws:nowhere", ""),
    ],
)
def test_a_place_never_seen(place: str, row_of: str) -> None:
    """It falls back to its country, and where that is not known to the world's list."""
    snapshot = NETWORK.load()
    assert snapshot.row_of(place) == snapshot.rows[row_of]


def test_places_of_a_snapshot() -> None:
    """Every cell of the scan, every country and continent, every cloud region, and nowhere."""
    snapshot = NETWORK.load()
    regions = {name for name in snapshot.rows if name.startswith("@/")}
    assert set(snapshot.rows) - regions == {
        "", *countries(), *TOWN_CELLS, *(f"~{continent}" for continent in CONTINENTS)
    }  # fmt: skip
    assert {"@/aws:us-east-1/us-east-1-bue-1", "@/azure:francecentral"} <= regions
    letters = {name: snapshot.letters(snapshot.rows[name]) for name in ("", "JP", "~AS", cell("tokyo"))}
    assert letters == {"": (None, None), "JP": ("JP", "AS"), "~AS": (None, "AS"), cell("tokyo"): ("JP", "AS")}
    assert snapshot.letters(snapshot.rows["@/aws:ap-northeast-1"]) == ("JP", "AS")


def test_before_the_first_scan() -> None:
    """Country lists serve until the places are known."""
    snapshot = load(a_mirror("de", "frankfurt"), a_mirror("jp", "tokyo"), cells={})
    assert ask(snapshot, a_client("tokyo")).urls[0].startswith("https://jp.")
    assert cell("tokyo") not in snapshot.rows


def test_a_continent_over_the_date_line() -> None:
    """The middle of a continent's countries is taken on the sphere, not of their degrees."""
    snapshot = NETWORK.load()
    points = snapshot.points_of([snapshot.row_of("~OC"), snapshot.row_of("~EU")]).vectors
    longitudes = np.degrees(np.arctan2(points[1], points[0])).tolist()
    assert abs(longitudes[0]) > 165  # Samoa and Hawaii's neighbours in the west, Australia in the east
    assert longitudes[1] == pytest.approx(13.3, abs=1)


def test_every_country_is_ranked_from_where_it_is() -> None:
    """Whether people live there or not: each code's place has the coordinates and the continent of its
    country, and no place but the whole world's is at 0° N 0° E."""
    snapshot = NETWORK.load()
    rows = [snapshot.rows[code] for code in countries()]
    centres = [country.centre for country in countries().values()]
    wanted = ranking.unit_vectors([c.latitude for c in centres], [c.longitude for c in centres])
    assert np.abs(snapshot.points_of(rows).vectors - wanted).max() < 1e-6
    assert [snapshot.letters(row) for row in rows] == [(code, c.continent) for code, c in countries().items()]
    others = [row for name, row in snapshot.rows.items() if name]
    null_island = np.array([1.0, 0.0, 0.0])
    assert (null_island @ snapshot.points_of(others).vectors).max() < 0.999


@pytest.mark.parametrize(
    ("country", "first"),
    [
        pytest.param("IO", "mumbai", id="British Indian Ocean Territory, not to Ghana"),
        pytest.param("UM", "honolulu", id="US Minor Outlying Islands"),
        pytest.param("BV", "cape-town", id="Bouvet Island"),
        pytest.param("HM", "perth", id="Heard Island and McDonald Islands"),
        pytest.param("AQ", "christchurch", id="Antarctica"),
        pytest.param("GH", "accra", id="Ghana itself"),
    ],
)
def test_remote_countries_get_what_is_near(country: str, first: str) -> None:
    """A country where no city is listed is sent to the mirrors around it."""
    towns = {
        "accra": ("GH", 5.6, -0.2),
        "cape-town": ("ZA", -33.9, 18.4),
        "christchurch": ("NZ", -43.5, 172.6),
        "honolulu": ("US", 21.3, -157.9),
        "mumbai": ("IN", 19.1, 72.9),
        "perth": ("AU", -32.0, 115.9),
    }
    mirrors = [
        a_mirror(name, country=code, coordinates=Coordinates(latitude=latitude, longitude=longitude))
        for name, (code, latitude, longitude) in towns.items()
    ]
    client = ClientClass(country, "", 0, 4)
    assert listed(load(*mirrors, config=a_config(selection=QUIET)), client)[0] == first


@pytest.mark.parametrize("number", [0, 1, CANDIDATES, CANDIDATES + 1, 300])
def test_any_number_of_mirrors(number: int) -> None:
    """None, fewer than the candidates of a place, and more."""
    draw = random.Random(number)
    mirrors = [a_mirror(f"m{n}", draw.choice(["frankfurt", "tokyo", "paris"])) for n in range(number)]
    snapshot = load(*mirrors)
    near, everything = snapshot.near(snapshot.row_of(cell("frankfurt")), 0)
    assert everything is (number <= CANDIDATES)
    assert len(snapshot.far(snapshot.row_of(cell("frankfurt")), 0)) == number
    assert len(ask(snapshot, a_client()).urls) == max(1, min(number, 10))
    assert len(near) <= min(number, CANDIDATES)


# --- equal rows, repomd -------------------------------------------------------------------------------


def test_equal_rows_are_stored_once() -> None:
    """A repo more, in a place where the prober does not look, makes the snapshot no row larger."""
    states = [a_state("a", content={"9.8/baseos/x86_64": Content.MISSING})]
    mirrors = [a_mirror("a"), a_mirror("b", repos=("baseos",))]
    repos = a_config().repos
    more = (
        *repos,
        *(Repo(name=f"more{n}", path=f"more{n}/$basearch/", releases=("9.7",)) for n in range(50)),
    )
    one, other = (
        Network(mirrors, config=a_config(repos=some), states=states, last_round=ROUND).compile()
        for some in (repos, more)
    )
    assert len(other.questions) > len(one.questions) + 50
    assert one.fates == other.fates
    assert len(one.fates) == 2 * len(set(one.rows))


VERSIONS = tuple(
    a_repomd(timestamp, seen_at=NOW - timedelta(hours=hours))
    for timestamp, hours in [(3, 2), (2, 30), (1, 200)]
)


def kept(*versions: Any, last_round: Any = ROUND) -> list[int]:
    config = a_config()
    network = Network(
        [a_mirror("m")], config=config, repomd={"9.8/baseos/x86_64": versions}, last_round=last_round
    )
    return [version.timestamp for version in network.load().repomd.get("9.8/baseos/x86_64", ())]


def test_versions_of_a_repo() -> None:
    """The current one, and those it replaced within the grace period before the last round."""
    assert kept(*VERSIONS) == [3, 2]
    assert kept(*VERSIONS, last_round=None) == [3, 2, 1]
    assert kept() == []


def test_a_version_without_a_hash_is_not_promised() -> None:
    """A metalink without a hash would have clients accept anything."""
    bare = a_repomd(3, sha256=None, sha512=None, seen_at=VERSIONS[0].seen_at)
    assert kept(bare, *VERSIONS[1:]) == []
    assert kept(VERSIONS[0], a_repomd(2, sha256=None, sha512=None, seen_at=VERSIONS[1].seen_at)) == [3]


def test_versions_under_every_name() -> None:
    """What is known of a directory is known by each repo that has its path, where none is expected by
    that name."""
    path = "HighAvailability/$basearch/os/"
    repos = tuple(Repo(name=n, path=path, releases=(r,)) for n, r in (("ha", "9.7"), ("high", "9.8")))
    known = {"9.8/high/x86_64": (a_repomd(1),)}
    repomd = Network([a_mirror("m")], config=a_config(repos=repos), repomd=known).load().repomd
    assert repomd == {**known, "9.8/ha/x86_64": known["9.8/high/x86_64"]}


# --- memory -------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 40), max_size=200), st.integers(2, 20))
def test_memo_remembers_what_is_used(keys: list[int], limit: int) -> None:
    """It never gives a wrong value, never outgrows its limit by much, and keeps what was used last."""
    memo: Memo[int, str] = Memo(10 * limit, lambda key, value: 10)
    for key in keys:
        assert memo.get(key) in (None, str(key))
        memo.put(key, str(key))
        assert memo.get(key) == str(key)
        assert len(memo) <= max(2, limit)
    recent = list(dict.fromkeys(reversed(keys)))[: max(1, limit // 2)]
    assert [key for key in recent[:1] if memo.get(key) is None] == []
