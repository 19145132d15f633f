"""The origin behind the mirrors of a list: `selection: {origin_last: true}`."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from app.model import ClientClass
from app.request.download import Download
from app.snapshot.loaded import LoadedSnapshot
from app.web.answers import Answer
from app.web.answers import listed as answered
from app.web.downloads import downloaded
from tests.builders import (
    a_client,
    a_config,
    a_mirror,
    a_repomd,
    an_overlay,
    ask,
    lists_of,
    load,
    netblock,
    policy,
    question,
)

BELOW = "9.8/BaseOS/x86_64/os/"
ORIGIN = f"https://origin.example.org/alma/{BELOW}"
MIRRORS = [a_mirror("fra", "frankfurt"), a_mirror("par", "paris"), a_mirror("nyc", "new york")]


def a_snapshot(*more: Any, **changes: Any) -> LoadedSnapshot:
    config = a_config(**{"selection": policy(spread_km=0.0, origin_last=True, length=2), **changes})
    return load(
        *MIRRORS,
        *more,
        config=config,
        repomd={"9.8/baseos/x86_64": (a_repomd(),)},
        overlays=[an_overlay("net-1", netblocks=(netblock("192.0.2.0/24", "own"),))],
    )


FRA, PAR = (f"https://{name}.example.org/alma/{BELOW}" for name in ("fra", "par"))


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        pytest.param({}, [FRA, PAR, ORIGIN], id="one more than the list is long"),
        pytest.param({"limit": "1"}, [FRA, ORIGIN], id="one more than was asked for"),
        pytest.param({"protocol": "https"}, [FRA, PAR, ORIGIN], id="its protocol"),
        pytest.param(
            {"protocol": "http"}, [url.replace("https", "http") for url in (FRA, PAR)], id="another protocol"
        ),
        pytest.param({"avoid": "origin.example.org"}, [FRA, PAR], id="avoided"),
        pytest.param({"fill": "no"}, [FRA], id="a list that ends with the country"),
        pytest.param({"country": "BR"}, [ORIGIN], id="the origin alone, once"),
        pytest.param({"country": "BR", "avoid": "origin.example.org"}, [ORIGIN], id="alone, though avoided"),
        pytest.param(
            {"repo": "baseos-debug"}, ["https://vault.example.org/9.8/BaseOS/debug/x86_64/"], id="the vault"
        ),
    ],
)
def test_which_lists_end_with_it(parameters: dict[str, str], expected: list[str]) -> None:
    """All with mirrors, but for those that the request or a monopoly ends."""
    assert ask(a_snapshot(), a_client(), **parameters).urls == expected


def test_not_in_a_network_with_mirrors_to_itself() -> None:
    """A monopoly is the whole list."""
    snapshot = a_snapshot(a_mirror("own", "tokyo", monopoly=True))
    assert ask(snapshot, a_client(network="net-1")).urls == [f"https://own.example.org/alma/{BELOW}"]


def test_not_twice() -> None:
    """A mirror that has the origin's URL stands where it ranks, and the origin not behind it."""
    site = a_mirror("site", "frankfurt", addresses={"https": "https://origin.example.org/alma/"})
    assert ask(a_snapshot(site), a_client()).urls == [FRA, ORIGIN]


@pytest.mark.parametrize(
    "changes", [{"origin": None}, {"selection": policy(spread_km=0.0, length=2)}], ids=["none", "off"]
)
def test_without(changes: dict[str, Any]) -> None:
    """Where there is no origin, or the config does not say so, the mirrors are all."""
    assert ask(a_snapshot(**changes), a_client()).urls == [FRA, PAR]


def test_a_release_of_a_module() -> None:
    """The origin is the release's own."""
    snapshot = a_snapshot(
        a_mirror("kit", "paris", module_addresses={"kitten": {"https": "https://k.example.org/"}})
    )
    assert ask(snapshot, a_client(), release="10-kitten").urls == [
        "https://k.example.org/10-kitten/BaseOS/x86_64/os/",
        "https://origin.example.org/kitten/10-kitten/BaseOS/x86_64/os/",
    ]


def an_answer(client: ClientClass | None = None, **parameters: str) -> Answer:
    snapshot = a_snapshot()
    asked = question(snapshot.config, **parameters)
    return answered(lists_of(snapshot), client or a_client(), asked)


def test_in_every_format() -> None:
    """In text, in both kinds of JSON, in metalinks beside the hashes of the content, and in Link headers."""
    assert an_answer().body.decode().splitlines() == [FRA, PAR, ORIGIN]
    document = msgspec.json.decode(an_answer(format="json").body)
    assert document["mirrors"][-1] == {"url": ORIGIN, "mirror": None, "country": None, "reason": "origin"}
    assert document["reason"] == "geography"
    assert msgspec.json.decode(an_answer(format="zypp").body)[-1] == {"url": ORIGIN}
    metalink = an_answer(format="metalink").body.decode()
    assert re.findall("<url .*?>(.*?)repodata/repomd.xml</url>", metalink) == [FRA, PAR, ORIGIN]
    snapshot = a_snapshot()
    sent = downloaded(
        lists_of(snapshot), a_client(), Download(question(snapshot.config), "a.rpm", secure=False)
    )
    links = [value for name, value in sent.headers if name == "Link"]
    assert links[-1] == f"<{ORIGIN}a.rpm>; rel=duplicate; pri=2"


@pytest.mark.parametrize("length", [4, 20])
def test_libzypp_is_given_eight_at_most(length: int) -> None:
    """The origin is one of them."""
    config = a_config(selection=policy(origin_last=True, length=length))
    snapshot = load(*(a_mirror(f"m{number}", "frankfurt") for number in range(30)), config=config)
    urls = ask(snapshot, a_client(), format="zypp").urls
    assert len(urls) == min(length + 1, 8)
    assert urls[-1] == ORIGIN
