"""Explanations: every mirror once, with its one reason, and the very list that is answered."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.explain.client_facts import ClientFacts, Databases, client_facts
from app.explain.explanation import Explanation, Live, Rank, UnknownMirrorError, explain, schema
from app.explain.inquiry import Inquiry
from app.geo.networks import KnownNetwork
from app.model import ClientClass, Content, Endpoint, Exclusion, Mirror, MirrorState, Status
from app.render.explanation_text import explanation_text
from app.request.address import ClientAddress
from app.request.parameters import QuestionError
from app.request.question import Question
from app.snapshot.loaded import LoadedSnapshot
from app.snapshot.status import StatusDocument
from app.web.answers import listed
from tests.builders import (
    NOW,
    ROUND,
    TOWNS,
    Network,
    a_client,
    a_config,
    a_mirror,
    a_state,
    an_overlay,
    endpoints,
    in_cloud,
    lists_of,
    netblock,
    policy,
    question,
    without_origin,
)

OWN = "net-0a0a0a"
AWS = "aws:eu-central-1"


def facts_of(client: ClientClass) -> ClientFacts:
    return client_facts(ClientAddress("192.0.2.1", bytes([192, 0, 2, 1]), "socket"), client, Databases())


def explained(network: Network, client: ClientClass, asked: Inquiry | Question) -> Explanation:
    """Of a network as it would be served, a minute after it was published."""
    live = live_of(network.load(), network)
    what = asked if isinstance(asked, Inquiry) else Inquiry(asked)
    return explain(live, client, facts_of(client), what)


def live_of(snapshot: LoadedSnapshot, network: Network) -> Live:
    states = {state.mirror: state for state in network.states}
    status = StatusDocument(states=states, inputs_read_s={"config": NOW.timestamp()})
    return Live(lists_of(snapshot), status, None, NOW.timestamp(), NOW.timestamp() + 60)


def reasons(explanation: Explanation) -> dict[str, str]:
    return {entry.mirror.removesuffix(".example.org"): entry.reason.value for entry in explanation.excluded}


# --- for all networks, clients and questions ---------------------------------------------------------

TOWN = st.sampled_from([None, *TOWNS])
SOME = ("https", "http", "rsync")


@st.composite
def mirrors(draw: st.DrawFn, number: int) -> Mirror:
    name = f"m{number:02}"
    protocols = draw(st.lists(st.sampled_from(SOME), min_size=1, unique=True))
    host = draw(st.sampled_from([name, name, "anycast", "cdn"]))
    more: dict[str, Any] = {
        "addresses": {protocol: f"{protocol}://{host}.example.org/alma/" for protocol in protocols},
        "vault_addresses": draw(
            st.sampled_from([{}, {"": {protocols[0]: f"{protocols[0]}://{host}.example.org/vault/"}}])
        ),
        "private": draw(st.integers(0, 4)) == 0,
        "monopoly": draw(st.integers(0, 4)) == 0,
        "disabled": draw(st.integers(0, 7)) == 0,
        "probe": draw(st.integers(0, 5)) > 0,
        "weight": draw(st.sampled_from([0.5, 1.0, 4.0])),
        "arches": draw(st.sampled_from([(), (), ("x86_64",), ("aarch64",)])),
        "repos": draw(st.sampled_from([(), (), ("baseos",)])),
        "versions": draw(st.sampled_from([(), (), ("9.8",), ("10-kitten",)])),
        "countries": draw(st.sampled_from([(), (), (), ("DE",)])),
        "exclude_countries": draw(st.sampled_from([(), (), (), ("FR",)])),
        "asns": draw(st.sampled_from([(), (), (64500,)])),
    }
    town = draw(TOWN)
    if not more["private"] and draw(st.integers(0, 3)) == 0:
        return in_cloud(
            name, town, "aws", *draw(st.sampled_from([(), ("eu-central-1",), ("us-east-1",)])), **more
        )
    return a_mirror(name, town, **more)


@st.composite
def states(draw: st.DrawFn, number: int) -> MirrorState:
    contents = st.sampled_from([None, *Content])
    found = {
        f"9.8/{repo}/{arch}": draw(contents)
        for repo in ("baseos", "appstream")
        for arch in ("x86_64", "aarch64")
    }
    return a_state(
        f"m{number:02}",
        draw(st.sampled_from([Status.OK, Status.OK, Status.OK, *Status])),
        timedelta(hours=draw(st.sampled_from([0, 1, 11, 14]))),
        since=draw(st.sampled_from([None, NOW - timedelta(days=1)])),
        content={key: verdict for key, verdict in found.items() if verdict},
        isos=draw(st.sampled_from([{}, {"9.8/x86_64": True}, {"9.8/x86_64": False}])),
        vault=draw(st.sampled_from([{}, {"9.7": True}, {"9.7": False}])),
        endpoints=endpoints(ipv4=draw(st.booleans()), ipv6=draw(st.sampled_from([None, True, False]))),
    )


@st.composite
def networks(draw: st.DrawFn) -> Network:
    count = draw(st.integers(0, 12))
    names = [f"m{number:02}" for number in range(count)]
    inside = draw(st.lists(st.sampled_from(names), max_size=3, unique=True)) if names else []
    blocks = (netblock("192.0.2.0/24", *inside),) if inside else ()
    overlays: list[KnownNetwork] = [
        an_overlay(OWN, netblocks=blocks),
        an_overlay(AWS),
        an_overlay(f"{AWS}+{OWN}+AS64500", netblocks=blocks, asn=64500),
        an_overlay("AS64500", asn=64500),
    ]
    probed = draw(st.lists(st.sampled_from(range(count)), unique=True)) if names else []
    return Network(
        mirrors=[draw(mirrors(number)) for number in range(count)],
        config=draw(
            st.sampled_from(
                [a_config(), without_origin(), a_config(selection=policy(origin_last=True, length=4))]
            )
        ),
        states=[draw(states(number)) for number in probed],
        last_round=draw(st.sampled_from([None, ROUND])),
        overlays=overlays,
        measured_asns={f"{name}.example.org": (64500,) for name in names[::3]},
    )


CLIENTS = st.builds(
    a_client,
    st.sampled_from(list(TOWNS)),
    network=st.sampled_from(["", OWN, AWS, f"{AWS}+{OWN}+AS64500", "AS64500", "gone"]),
    spread=st.integers(0, 31),
    family=st.sampled_from([4, 6]),
    private=st.booleans(),
)
PLACELESS = st.builds(
    ClientClass, st.sampled_from(["", "DE", "~EU", "XX/1/1"]), st.just(OWN), st.integers(0, 31), st.just(4)
)
ASKED = st.fixed_dictionaries(
    {},
    optional={
        "protocol": st.sampled_from(["https", "http", "rsync", "rsync,https"]),
        "country": st.sampled_from(["DE", "JP,US", "global"]),
        "exclude_country": st.sampled_from(["DE", "FR"]),
        "family": st.sampled_from(["4", "6"]),
        "region": st.sampled_from(["aws:us-east-1", "aws:cn-north-1"]),
        "avoid": st.sampled_from(["m00.example.org", "m01.example.org,anycast.example.org", "nobody"]),
        "fill": st.sampled_from(["no", "continent"]),
        "limit": st.sampled_from(["1", "3", "50"]),
        "arch": st.sampled_from(["", "aarch64"]),
        "release": st.sampled_from(["9", "9.7", "10-kitten"]),
        "repo": st.sampled_from(["appstream", "baseos"]),
    },
)


def hidden_private(network: Network, client: ClientClass) -> set[str]:
    """Private mirrors of whose networks the client's is none."""
    overlay = next((o for o in network.overlays if o.name == client.network), KnownNetwork(name=""))
    own = {name for block in overlay.netblocks for name in block.mirrors}
    own |= {m.name for m in network.mirrors if overlay.asn in m.asns}
    return {m.name for m in network.mirrors if m.private and not (client.private and m.name in own)}


@settings(max_examples=70, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(network=networks(), client=CLIENTS | PLACELESS, parameters=ASKED)
def test_every_mirror_exactly_once(network: Network, client: ClientClass, parameters: dict[str, str]) -> None:
    """Served, excluded and hidden private ones are all mirrors, each once; what is served is, byte for
    byte, what the mirrorlist answers; and the command line's view has nobody hidden."""
    snapshot = network.load()
    what = question(network.config, **parameters)
    live = live_of(snapshot, network)
    explanation = explain(live, client, facts_of(client), Inquiry(what))

    served = [entry.mirror for entry in explanation.served if entry.mirror is not None]
    named = Counter([*served, *(entry.mirror for entry in explanation.excluded)])
    everybody = {mirror.name for mirror in network.mirrors}
    assert named == Counter(everybody - hidden_private(network, client))

    body = "".join(f"{entry.url}\n" for entry in explanation.served).encode()
    try:
        assert body == listed(lists_of(snapshot), client, what).body
    except QuestionError:
        assert body == b""
    assert [entry.position for entry in explanation.served] == list(range(1, len(explanation.served) + 1))

    inside = explain(live, client, facts_of(client), Inquiry(what, private=True))
    names = [entry.mirror for entry in inside.served if entry.mirror]
    assert sorted([*names, *(entry.mirror for entry in inside.excluded)]) == sorted(everybody)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(network=networks(), client=CLIENTS | PLACELESS, parameters=ASKED)
def test_what_is_said_of_each(network: Network, client: ClientClass, parameters: dict[str, str]) -> None:
    """Ranks are the sums of their terms; excluded mirrors come nearest first, each with evidence;
    JSON comes back as what it was; text fits 80 columns but for long names and URLs."""
    explanation = explained(network, client, question(network.config, **parameters))
    ranks: list[Rank] = [*explanation.served, *explanation.excluded]
    for rank in ranks:
        if rank.rank_km is not None:
            terms = ("distance_km", "border_km", "continent_km", "load_km", "weight_km", "spread_km")
            assert rank.rank_km == pytest.approx(sum(getattr(rank, name) for name in terms), abs=0.1)
    distances = [entry.distance_km or 0 for entry in explanation.excluded]
    assert distances == sorted(distances)
    assert all(entry.evidence for entry in explanation.excluded)
    assert msgspec.json.decode(msgspec.json.encode(explanation), type=Explanation) == explanation
    text = explanation_text(explanation)
    assert text.endswith("\n") and "\x1b" not in text
    assert [line for line in text.splitlines() if len(line) > 80 and "://" not in line] == []


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    towns=st.lists(st.tuples(TOWN, st.sampled_from([None, None, "anycast"])), min_size=3, max_size=12),
    client=st.builds(a_client, st.sampled_from(list(TOWNS)), spread=st.integers(0, 31)),
)
def test_a_place_is_where_a_longer_list_would_have_it(
    towns: list[tuple[str | None, str | None]], client: ClientClass
) -> None:
    """A mirror at place 5 is the fifth of a list of five; those with the address of one before them have no
    place."""
    shared = {"https": "https://anycast.example.org/alma/"}
    network = Network(
        [
            a_mirror(f"m{number:02}", town, **({"addresses": shared} if host else {}))
            for number, (town, host) in enumerate(towns)
        ]
    )
    different = len(towns) - max(0, sum(host is not None for _, host in towns) - 1)
    live, facts = live_of(network.load(), network), facts_of(client)
    for entry in explain(live, client, facts, Inquiry(question(network.config, limit="2"))).excluded:
        if entry.reason is Exclusion.SAME_ADDRESS:
            continue
        place = int(entry.evidence.split()[1])
        assert entry.evidence == f"place {place} of {different}, list of 2"
        longer = explain(live, client, facts, Inquiry(question(network.config, limit=str(place))))
        assert longer.served[-1].mirror == entry.mirror


# --- each reason -------------------------------------------------------------------------------------

PARIS = a_client("paris")
GOOD = a_mirror("good", "paris")


def out_of(mirror: Mirror, state: MirrorState | None = None, **parameters: str) -> tuple[str, str]:
    """Why this mirror is not in the list of a client in Paris: reason and evidence."""
    network = Network([GOOD, mirror], states=[state] if state else [], last_round=ROUND if state else None)
    explanation = explained(network, PARIS, question(network.config, **parameters))
    entry = next(e for e in explanation.excluded if e.mirror == mirror.name)
    return entry.reason.value, entry.evidence


AT = "last asked 2026-11-20 10:15 UTC"
M = a_mirror("m", "paris")
YESTERDAY = NOW - timedelta(days=1)
NO_IPV6 = {"https": {"ipv4": Endpoint(ok=True), "ipv6": Endpoint(ok=False, detail="no answer within 10 s")}}
NO_HTTPS = {
    "https": {"ipv4": Endpoint(ok=False, detail="the certificate expired")},
    "http": {"ipv4": Endpoint(ok=True)},
}


@pytest.mark.parametrize(
    ("mirror", "state", "parameters", "expected"),
    [
        pytest.param(
            a_mirror("m", disabled=True),
            None,
            {},
            ("disabled", "switched off in its file (disabled: true)"),
            id="disabled",
        ),
        pytest.param(
            M,
            a_state("m", Status.UNREACHABLE, since=YESTERDAY, reason="https over IPv4: refused"),
            {},
            ("unreachable", f"https over IPv4: refused; since 2026-11-19 10:15 UTC, {AT}"),
            id="unreachable",
        ),
        pytest.param(
            M,
            a_state("m", Status.BROKEN, since=YESTERDAY, reason="none of its repos could be used"),
            {},
            ("broken", f"none of its repos could be used; since 2026-11-19 10:15 UTC, {AT}"),
            id="broken",
        ),
        pytest.param(
            M,
            a_state("m", content={"9.8/baseos/x86_64": Content.CORRUPT}),
            {},
            ("broken", f"its repomd.xml of 9.8/baseos/x86_64 is damaged, {AT}"),
            id="this repo is corrupt",
        ),
        pytest.param(
            M,
            a_state("m", Status.STALE, timedelta(hours=14.2), since=NOW - timedelta(hours=6)),
            {},
            ("stale", "14.2 h old, 12 h allowed, since 2026-11-20 04:15 UTC"),
            id="stale",
        ),
        pytest.param(
            M,
            a_state("m", content={"9.8/baseos/x86_64": Content.STALE}),
            {},
            (
                "stale",
                "its repomd.xml of 9.8/baseos/x86_64 is one that the origin replaced more than 24 h ago, "
                f"{AT}",
            ),
            id="this repo is stale",
        ),
        pytest.param(
            M,
            a_state("m", content={"9.8/baseos/x86_64": Content.MISSING}),
            {},
            ("not carried", f"9.8/baseos/x86_64 is missing there, {AT}"),
            id="missing when probed",
        ),
        pytest.param(
            a_mirror("m", arches=("aarch64",)),
            None,
            {},
            ("not carried", "its file leaves out x86_64; it has aarch64 of baseos"),
            id="arch not declared",
        ),
        pytest.param(
            a_mirror("m", repos=("appstream",)),
            None,
            {},
            ("not carried", "its file leaves out baseos; it has appstream"),
            id="repo not declared",
        ),
        pytest.param(
            a_mirror(
                "m",
                module_addresses={"kitten": {"https": "https://m.example.org/k/"}},
                versions=("10-kitten",),
            ),
            None,
            {},
            ("not carried", "its file leaves out release 9.8; it has 10-kitten"),
            id="release not declared",
        ),
        pytest.param(
            M,
            None,
            {"release": "10-kitten"},
            ("not carried", "its file has no address for kitten, to which release 10-kitten belongs"),
            id="module not declared",
        ),
        pytest.param(
            a_mirror("m", addresses={"http": "http://m.example.org/"}),
            None,
            {"protocol": "https"},
            ("protocol", "it offers http, and https was asked for"),
            id="protocol not offered",
        ),
        pytest.param(
            M,
            a_state("m", endpoints=NO_HTTPS),
            {"protocol": "https"},
            ("protocol", "https over IPv4: the certificate expired; it offers http, and https was asked for"),
            id="protocol does not work",
        ),
        pytest.param(
            M,
            a_state("m", endpoints=NO_IPV6),
            {"family": "6"},
            ("family", "its IPv6 does not work (https over IPv6: no answer within 10 s)"),
            id="family does not work",
        ),
        pytest.param(
            M,
            None,
            {"family": "6"},
            ("family", "the prober has not tried its IPv6 yet, and family=6 was asked for"),
            id="family unknown",
        ),
        pytest.param(
            M,
            a_state("m", endpoints=endpoints(ipv4=True), addresses=("192.0.2.9",)),
            {"family": "6"},
            ("family", "it has no IPv6 address, and family=6 was asked for"),
            id="no address of the family",
        ),
        pytest.param(
            a_mirror("m", "munich", countries=("DE",)),
            None,
            {},
            ("country", "its file has it serve DE only, and the client is in FR"),
            id="serves other countries",
        ),
        pytest.param(
            a_mirror("m", "munich", exclude_countries=("FR",)),
            None,
            {},
            ("country", "its file keeps out clients from FR, and the client is in FR"),
            id="keeps out the country",
        ),
        pytest.param(
            a_mirror("m", "munich"),
            None,
            {"country": "FR,LU"},
            ("country", "it is in DE, and country=FR,LU was asked for"),
            id="pinned",
        ),
        pytest.param(
            M,
            None,
            {"exclude_country": "FR"},
            ("country", "it is in FR, and exclude_country=FR was asked for"),
            id="excluded",
        ),
        pytest.param(
            in_cloud("m", "frankfurt", "aws", "eu-central-1"),
            None,
            {},
            ("region", "for clients in aws eu-central-1 only, and this client is in no known cloud"),
            id="cloud",
        ),
        pytest.param(
            in_cloud("m", "frankfurt", "aws", "eu-central-1"),
            None,
            {"region": "aws:us-east-1"},
            ("region", "for clients in aws eu-central-1 only, and this client is in aws us-east-1"),
            id="another cloud region",
        ),
        pytest.param(
            in_cloud("m", "frankfurt", "aws"),
            None,
            {"region": "aws:cn-north-1"},
            ("region", "for clients in ordinary regions of aws only, and this client is in aws cn-north-1"),
            id="a cloud region in a partition of its own",
        ),
        pytest.param(
            M,
            None,
            {"avoid": "m.example.org"},
            ("avoided", "avoid= in the request names it, its host, or a mirror that has the same URL"),
            id="avoided",
        ),
        pytest.param(
            a_mirror("m", "munich"),
            None,
            {"fill": "no"},
            ("country", "it is in DE, and with fill=no the list ends with FR"),
            id="in another country than the list ends with",
        ),
        pytest.param(
            a_mirror("m"),
            None,
            {"fill": "continent"},
            ("country", "its country is not known, and with fill=continent the list ends with EU"),
            id="not known to be on the continent that the list ends with",
        ),
        pytest.param(
            in_cloud("m", "frankfurt", "aws"),
            None,
            {"country": "global"},
            ("region", "for clients in aws only, and country=global asks as from nowhere in particular"),
            id="cloud and global",
        ),
        pytest.param(
            M,
            None,
            {"release": "9.7"},
            ("not carried", "release 9.7 is in the vault, and its file has no address_vault"),
            id="vault release",
        ),
        pytest.param(
            M,
            None,
            {"repo": "baseos-debug"},
            ("not carried", "repo baseos-debug is in the vault, and its file has no address_vault"),
            id="vault repo",
        ),
        pytest.param(
            a_mirror("m", "paris", vault_addresses={"": {"https": "https://m.example.org/vault/"}}),
            a_state("m", vault={"9.7": False}),
            {"release": "9.7"},
            ("not carried", "its copy of the vault lacks release 9.7"),
            id="vault release that a copy lacks",
        ),
    ],
)
def test_reasons(
    mirror: Mirror, state: MirrorState | None, parameters: dict[str, str], expected: tuple[str, str]
) -> None:
    """Each reason comes with the evidence that settles it."""
    assert out_of(mirror, state, **parameters) == expected


def test_not_probed() -> None:
    """A mirror that nobody has asked since it was added, while others were."""
    network = Network([M, GOOD], states=[a_state("good")], last_round=ROUND)
    assert reasons(explained(network, PARIS, question(network.config))) == {"m": "not probed"}


def test_without_a_status_document() -> None:
    """The reason stands without its evidence: the document may be lost, the decision is not."""
    network = Network([M, GOOD], states=[a_state("m", Status.UNREACHABLE), a_state("good")], last_round=ROUND)
    live = Live(lists_of(network.load()), None, None, 0, 0)
    (entry,) = explain(live, PARIS, facts_of(PARIS), Inquiry(question(network.config))).excluded
    assert entry.reason is Exclusion.UNREACHABLE
    assert "record is not at hand" in entry.evidence


OURS = netblock("192.0.2.0/24", "own", "second")


def test_exclusive() -> None:
    """Who owns the client's network is named to all that are left out for it."""
    own = a_mirror("own", "tokyo", monopoly=True)
    network = Network([own, GOOD], overlays=[an_overlay(OWN, netblocks=(OURS,))])
    explanation = explained(network, a_client(network=OWN), question(network.config))
    assert [entry.mirror for entry in explanation.served] == ["own.example.org"]
    assert explanation.excluded[0].reason is Exclusion.EXCLUSIVE
    assert explanation.excluded[0].evidence.startswith("own.example.org has this client's network to itself")


def test_of_several_owners_the_rest_is_out_by_rank() -> None:
    """An owner that the list is too short for is no stranger."""
    owners = [a_mirror(name, "tokyo", monopoly=True) for name in ("own", "second")]
    network = Network([*owners, GOOD], overlays=[an_overlay(OWN, netblocks=(OURS,))])
    explanation = explained(network, a_client(network=OWN), question(network.config, limit="1"))
    assert sorted(reasons(explanation).values()) == ["exclusive", "rank"]


def test_the_regions_place_for_others_is_by_rank() -> None:
    """Mirrors of the client's own region that a list has no room for are out by rank, not by region."""
    inside = [in_cloud(f"r{number}", "frankfurt", "aws", "eu-central-1") for number in range(3)]
    network = Network([*inside, GOOD], overlays=[an_overlay(AWS)])
    explanation = explained(network, a_client(network=AWS), question(network.config, limit="3"))
    assert [entry.pass_ for entry in explanation.served] == ["region", "geography"]
    assert set(reasons(explanation).values()) == {"rank"}
    assert {entry.evidence for entry in explanation.excluded} == {
        "place 3 of 4, list of 3",
        "place 4 of 4, list of 3",
    }


# --- one mirror, and private ones --------------------------------------------------------------------

SECRET = a_mirror("secret", "paris", private=True)
WITH_SECRET = Network(
    [GOOD, SECRET], overlays=[an_overlay(OWN, netblocks=(netblock("192.0.2.0/24", "secret"),))]
)


def test_one_mirror_wherever_it_stands() -> None:
    """`mirror=` shows that one alone, with its place, and counts all the others."""
    network = Network([GOOD, a_mirror("far", "tokyo"), a_mirror("farther", "sydney")])
    asked = Inquiry(question(network.config, limit="1"), mirror="FAR.example.org")
    explanation = explained(network, PARIS, asked)
    assert (explanation.served, explanation.served_count, explanation.excluded_count) == ((), 1, 2)
    assert [entry.mirror for entry in explanation.excluded] == ["far.example.org"]
    assert explanation.mirror is not None and explanation.mirror.mirror == "far.example.org"


def test_a_private_mirror_is_one_that_does_not_exist() -> None:
    """To strangers it is as if its file were not there: asked for by name, in the list, in the counts."""
    messages, texts = [], []
    for network in (WITH_SECRET, replace(WITH_SECRET, mirrors=[GOOD])):
        with pytest.raises(UnknownMirrorError) as raised:
            explained(network, PARIS, Inquiry(question(network.config), mirror="secret.example.org"))
        messages.append(str(raised.value))
        explanation = explained(network, PARIS, question(network.config))
        texts.append(explanation_text(msgspec.structs.replace(explanation, generation="")))
    assert messages[0] == messages[1]
    assert texts[0] == texts[1] and "1 of 1 mirrors" in texts[0]


@pytest.mark.parametrize(
    ("private", "served"), [(True, True), (False, False)], ids=["inside", "asked as for it"]
)
def test_a_private_mirror_is_seen_from_its_own_network(private: bool, served: bool) -> None:
    """And by nobody who only asks as for an address in it: its network's name is hidden from them too."""
    client = a_client("paris", network=OWN, private=private)
    explanation = explained(WITH_SECRET, client, question(WITH_SECRET.config))
    names = {entry.mirror for entry in explanation.served}
    assert ("secret.example.org" in names) is served
    text = explanation_text(explanation)
    assert (OWN in text, "secret" in text) == (served, served)


def test_the_command_line_sees_private_mirrors() -> None:
    """With the reason that nobody else is told."""
    explanation = explained(WITH_SECRET, PARIS, Inquiry(question(WITH_SECRET.config), private=True))
    assert reasons(explanation) == {"secret": "private"}


def test_the_schema_says_what_there_is() -> None:
    """The JSON schema names the parts of an explanation and describes every one of the reasons."""
    parts = schema()["$defs"]
    promised = {"client", "question", "served", "excluded", "generation"}
    assert promised <= set(parts["Explanation"]["required"])
    assert "pass" in parts["ServedEntry"]["properties"]
    assert sorted(parts["Exclusion"]["enum"]) == sorted(Exclusion)
