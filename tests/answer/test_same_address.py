"""Mirrors with the same base URL: one file for each site of an anycast address, say."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from app.explain.explanation import Explanation, explain
from app.explain.inquiry import Inquiry
from app.model import ClientClass, Content, Exclusion, Mirror, Status
from app.render.explanation_page import explanation_page
from app.render.explanation_text import explanation_text
from app.render.html import Frame
from app.render.metalink import UnknownFactsError
from app.request.download import Download
from app.request.question import Question
from app.snapshot.loaded import LoadedSnapshot
from app.web.answers import Answer, NoMirrorError, listed
from app.web.downloads import downloaded
from tests.builders import (
    QUIET,
    Network,
    a_client,
    a_config,
    a_mirror,
    a_repomd,
    a_state,
    an_overlay,
    in_cloud,
    lists_of,
    netblock,
    question,
    select,
    without_origin,
)
from tests.builders import listed as names_listed
from tests.explain.test_explanation import (
    ASKED,
    AWS,
    CLIENTS,
    OWN,
    PLACELESS,
    explained,
    facts_of,
    hidden_private,
    live_of,
    networks,
    reasons,
)

ANYCAST = {"https": "https://anycast.example.org/alma/", "http": "http://anycast.example.org/alma/"}


def site(name: str, town: str | None = None, **changes: Any) -> Mirror:
    """A mirror with the shared address."""
    return a_mirror(name, town, **{"addresses": ANYCAST, **changes})


# --- for all networks, clients and questions ---------------------------------------------------------


def urls_in(snapshot: LoadedSnapshot, client: ClientClass, asked: Question) -> dict[str, list[str]]:
    """The addresses that a client is given, by format; without those that there is none of."""

    def answer(**changes: Any) -> Answer | None:
        try:
            return listed(lists_of(snapshot), client, msgspec.structs.replace(asked, **changes))
        except (NoMirrorError, UnknownFactsError):
            return None

    found: dict[str, list[str]] = {}
    if text := answer(format="text"):
        found["text"] = text.body.decode().splitlines()
    if json := answer(format="json"):
        found["json"] = [mirror["url"] for mirror in msgspec.json.decode(json.body)["mirrors"]]
    if asked.arch and (zypp := answer(format="zypp")):
        found["zypp"] = [mirror["url"] for mirror in msgspec.json.decode(zypp.body)]
    if asked.arch and (metalink := answer(format="metalink")):
        urls = re.findall(r"<url [^>]*>(.*?)repodata/repomd.xml</url>", metalink.body.decode())
        found["metalink"] = urls
    if text:
        link = downloaded(lists_of(snapshot), client, Download(asked, "", secure=False))
        values = [value for name, value in link.headers if name == "Link"]
        found["download"] = [
            dict(link.headers)["Location"],
            *(re.findall(r"<(.*?)>; rel=duplicate", "\n".join(values))),
        ]
    return found


def without(network: Network, names: set[str]) -> Network:
    """The network as if these mirrors had no files."""

    def kept(found: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in found if name not in names)

    return replace(
        network,
        mirrors=[mirror for mirror in network.mirrors if mirror.name not in names],
        states=[state for state in network.states if state.mirror not in names],
        measured_asns={name: asns for name, asns in network.measured_asns.items() if name not in names},
        overlays=[
            msgspec.structs.replace(
                overlay,
                netblocks=tuple(
                    msgspec.structs.replace(block, mirrors=kept(block.mirrors))
                    for block in overlay.netblocks
                    if kept(block.mirrors)
                ),
            )
            for overlay in network.overlays
        ],
    )


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(network=networks(), client=CLIENTS | PLACELESS, parameters=ASKED)
def test_no_list_holds_an_address_twice(
    network: Network, client: ClientClass, parameters: dict[str, str]
) -> None:
    """In whatever format. Those that are left out for it stand behind a mirror with their address that the
    client may know; without their files the list would be the very same."""
    network = replace(network, repomd={"9.8/baseos/x86_64": (a_repomd(),)})
    snapshot = network.load()
    asked = question(network.config, **parameters)
    for urls in urls_in(snapshot, client, asked).values():
        assert len(urls) == len(set(urls))

    live = live_of(snapshot, network)
    explanation = explain(live, client, facts_of(client), Inquiry(asked))
    out = [entry for entry in explanation.excluded if entry.reason is Exclusion.SAME_ADDRESS]
    by_name = {mirror.name: mirror for mirror in network.mirrors}
    first = {entry.mirror for entry in explanation.served} | {
        entry.mirror for entry in explanation.excluded if entry.reason is Exclusion.RANK
    }
    for entry in out:
        speaker = entry.evidence.split()[0]
        assert speaker in first
        assert set(by_name[speaker].addresses.values()) & set(by_name[entry.mirror].addresses.values())
    own_words = msgspec.structs.replace(explanation.question, avoid=())
    told = msgspec.json.encode(msgspec.structs.replace(explanation, question=own_words)).decode()
    assert [name for name in hidden_private(network, client) if name in told] == []

    smaller = without(network, {entry.mirror for entry in out}).load()
    one, other = select(snapshot, client, asked), select(smaller, client, asked)
    assert (other.reason, other.passes, other.urls) == (one.reason, one.passes, one.urls)
    assert [smaller.mirrors[i].name for i in other.mirrors] == [snapshot.mirrors[i].name for i in one.mirrors]


# --- case by case ------------------------------------------------------------------------------------


def test_the_best_ranked_stands_for_all() -> None:
    """Where the nearest of them is, and no place further back; the others are named with it."""
    network = Network(
        [site("fra", "frankfurt"), a_mirror("muc", "munich"), site("par", "paris"), site("nyc", "new york")],
        config=a_config(selection=QUIET),
    )
    for town, order, speaker in [("frankfurt", ["fra", "muc"], "fra"), ("new york", ["nyc", "muc"], "nyc")]:
        explanation = explained(network, a_client(town), question(network.config))
        assert [str(entry.mirror).partition(".")[0] for entry in explanation.served] == order
        assert set(reasons(explanation).values()) == {"same address"}
        evidence = f"{speaker}.example.org has it as well and comes first"
        assert {entry.evidence for entry in explanation.excluded} == {evidence}


def test_how_it_is_shown() -> None:
    """In text and on the page: what it says, and not as something that is wrong with the mirror."""
    network = Network([site("fra", "frankfurt"), site("par", "paris")], config=a_config(selection=QUIET))
    explanation = explained(network, a_client(), question(network.config))
    painted = explanation_text(explanation, lambda text, role: f"<{role}>{text}</{role}>")
    assert "<dim>same address: fra.example.org" in painted
    page = explanation_page(Frame(), network.load(), explanation, {}, "http://localhost/").at(0).decode()
    folded = page.partition("<summary>same address")[2].partition("</details>")[0]
    assert "fra.example.org has it as well and comes first" in folded


def test_the_limit_counts_addresses() -> None:
    """A list of ten has ten, however many files there are of each; the list of two is its beginning."""
    mirrors = [
        a_mirror(
            f"m{number:02}",
            "frankfurt",
            addresses={"https": f"https://site{number % 12}.example.org/"},
        )
        for number in range(36)
    ]
    snapshot = Network(mirrors).load()
    urls = select(snapshot, a_client(), question(snapshot.config)).urls
    assert len(set(urls)) == 10
    assert select(snapshot, a_client(), question(snapshot.config, limit="2")).urls == urls[:2]


def test_more_than_a_places_candidates_share_one_address() -> None:
    """Those behind the 64 that are ranked beforehand still fill the list."""
    mirrors = [site(f"m{number:02}", "frankfurt") for number in range(70)]
    snapshot = Network([*mirrors, a_mirror("far", "tokyo")]).load()
    hosts = [url.split("/")[2] for url in select(snapshot, a_client(), question(snapshot.config)).urls]
    assert hosts == ["anycast.example.org", "far.example.org"]


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        pytest.param("https", ["a", "b"], id="each its own certificate"),
        pytest.param("http", ["a"], id="one address for http"),
        pytest.param("http,https", ["a"], id="the first protocol counts"),
        pytest.param("", ["a", "b"], id="as the service prefers"),
    ],
)
def test_what_counts_is_what_would_be_listed(protocol: str, expected: list[str]) -> None:
    """Two mirrors may be one over one protocol and two over another."""
    both = [
        a_mirror(name, town, addresses={**ANYCAST, "https": f"https://{name}.example.org/alma/"})
        for name, town in (("a", "frankfurt"), ("b", "munich"))
    ]
    snapshot = Network(both, config=a_config(selection=QUIET)).load()
    assert names_listed(snapshot, a_client(), protocol=protocol) == expected


def test_one_that_cannot_be_served_stands_for_none() -> None:
    """A disabled mirror's reason is its own, and its address is listed for another."""
    network = Network([site("off", "frankfurt", disabled=True), site("on", "tokyo")])
    explanation = explained(network, a_client(), question(network.config))
    assert [entry.mirror for entry in explanation.served] == ["on.example.org"]
    assert reasons(explanation) == {"off": "disabled"}


def test_known_content_comes_before_a_nearer_place() -> None:
    """Of two with one address, that which the prober knows to be good; nearer ones are left out."""
    network = Network(
        [site("near", "frankfurt"), site("far", "munich")],
        states=[a_state("far", content={"9.8/baseos/x86_64": Content.CURRENT})],
        config=a_config(selection=QUIET),
    )
    explanation = explained(network, a_client(), question(network.config))
    assert [entry.mirror for entry in explanation.served] == ["far.example.org"]
    assert reasons(explanation) == {"near": "same address"}


def test_the_last_resort() -> None:
    """When none is well and there is no origin, too; what is wrong with each stays its reason."""
    network = Network(
        [site("a", "frankfurt"), site("b", "munich")],
        states=[a_state(name, Status.UNREACHABLE) for name in ("a", "b")],
        config=without_origin(selection=QUIET),
    )
    explanation = explained(network, a_client(), question(network.config))
    assert [entry.mirror for entry in explanation.served] == ["a.example.org"]
    assert reasons(explanation) == {"b": "unreachable"}


def test_across_passes() -> None:
    """What a netblock or the cloud region gave is not listed again as near."""
    network = Network(
        [
            site("inside", "tokyo", subnets=("192.0.2.0/24",)),
            in_cloud("cloud", "frankfurt", "aws", "eu-central-1", addresses=ANYCAST),
            site("near", "frankfurt"),
            a_mirror("other", "munich"),
        ],
        overlays=[
            an_overlay(
                f"{AWS}+{OWN}",
                netblocks=(netblock("192.0.2.0/24", "inside"),),
            ),
            an_overlay(AWS),
        ],
    )
    both = explained(network, a_client(network=f"{AWS}+{OWN}"), question(network.config))
    assert [(entry.mirror, entry.pass_) for entry in both.served] == [
        ("inside.example.org", "netblock"),
        ("other.example.org", "geography"),
    ]
    assert reasons(both) == {"cloud": "same address", "near": "same address"}
    region = explained(network, a_client(network=AWS), question(network.config))
    assert [entry.mirror for entry in region.served] == ["cloud.example.org", "other.example.org"]


def secret_network() -> Network:
    """A private mirror whose address a public file has as well."""
    return Network(
        [site("secret", "frankfurt", private=True), site("public", "tokyo"), a_mirror("other", "munich")],
        overlays=[an_overlay(OWN, netblocks=(netblock("192.0.2.0/24", "secret"),))],
        config=a_config(selection=QUIET),
    )


@pytest.mark.parametrize(
    "client",
    [
        pytest.param(a_client("frankfurt"), id="outside"),
        pytest.param(a_client("frankfurt", network=OWN, private=False), id="as for an inside address"),
    ],
)
def test_a_private_twin_is_not_named(client: ClientClass) -> None:
    """Outside of its networks there is none: the public file alone is listed, at its own place."""
    network = secret_network()
    explanation: Explanation = explained(network, client, question(network.config))
    assert [entry.mirror for entry in explanation.served] == ["other.example.org", "public.example.org"]
    assert b"secret" not in msgspec.json.encode(explanation)


def test_a_private_twin_is_named_inside() -> None:
    """In its own network it comes first and stands for both."""
    network = secret_network()
    explanation = explained(network, a_client("frankfurt", network=OWN), question(network.config))
    assert [entry.mirror for entry in explanation.served] == ["secret.example.org", "other.example.org"]
    assert reasons(explanation) == {"public": "same address"}


def test_the_command_line_outside() -> None:
    """It sees the private mirror, whose reason is that it is private."""
    network = secret_network()
    asked = Inquiry(question(network.config), private=True)
    explanation = explained(network, a_client("frankfurt"), asked)
    assert reasons(explanation) == {"secret": "private"}
