"""Lists where one network has several products."""

from __future__ import annotations

import pytest

from app.explain.inquiry import with_defaults
from app.model import Content, Mirror, Pass, ServiceConfig
from app.request.parameters import ParameterReader
from app.request.question import Parser
from app.snapshot.loaded import LoadedSnapshot
from tests.builders import ROUND, a_client, a_mirror, a_repomd, a_state, ask, load, served
from tests.sources.samples import read_config

CONFIG = """\
config_version: 3
origin: https://origin.example.org/pub/
products:
  alpha:
    versions: ["9", "9.8"]
    duplicated_versions: {"9": "9.8"}
    vault_versions: ["9.7"]
    vault_mirror: https://vault.example.org/alpha/
    arches: {"9": [x86_64]}
    repos:
      - {name: baseos, path: BaseOS/$basearch/os/}
  beta:
    versions: ["9"]
    vault_versions: ["8"]
    arches: {"9": [x86_64], "8": [x86_64]}
    isos: false
    repos:
      - {name: baseos, path: releases/$releasever/$basearch/}
      - {name: beta, path: $releasever/Everything/$basearch/}
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> ServiceConfig:
    return read_config(tmp_path_factory.mktemp("config"), CONFIG)[0]


def carrying(name: str, *products: str, town: str = "frankfurt") -> Mirror:
    urls = {product: {"https": f"https://{name}.example.org/{product}/"} for product in products}
    return a_mirror(name, town, addresses={}, module_addresses=urls)


@pytest.fixture(scope="module")
def snapshot(config: ServiceConfig) -> LoadedSnapshot:
    """A mirror of each product, one of both, and one that lacks a repo of the second product."""
    mirrors = (
        carrying("a", "alpha"),
        carrying("b", "beta", town="paris"),
        carrying("both", "alpha", "beta", town="tokyo"),
        carrying("lacking", "alpha", "beta", town="sydney"),
    )
    states = [a_state(name) for name in ("a", "b", "both")]
    states.append(a_state("lacking", content={"beta-9/baseos/x86_64": Content.MISSING}))
    return load(*mirrors, config=config, states=states, last_round=ROUND)


@pytest.mark.parametrize(
    ("release", "repo", "urls"),
    [
        pytest.param(
            "alpha-9",
            "baseos",
            [
                "https://a.example.org/alpha/9.8/BaseOS/x86_64/os/",
                "https://both.example.org/alpha/9.8/BaseOS/x86_64/os/",
                "https://lacking.example.org/alpha/9.8/BaseOS/x86_64/os/",
            ],
            id="mirrors of the product, with its URLs",
        ),
        pytest.param(
            "beta-9",
            "baseos",
            [
                "https://b.example.org/beta/releases/9/x86_64/",
                "https://both.example.org/beta/releases/9/x86_64/",
            ],
            id="a repo of the same name in another product, judged for itself",
        ),
        pytest.param(
            "9",
            "beta",
            [
                "https://b.example.org/beta/9/Everything/x86_64/",
                "https://both.example.org/beta/9/Everything/x86_64/",
                "https://lacking.example.org/beta/9/Everything/x86_64/",
            ],
            id="by version",
        ),
        pytest.param(
            "9.7",
            "baseos",
            ["https://vault.example.org/alpha/9.7/BaseOS/x86_64/os/"],
            id="the product's vault",
        ),
        pytest.param(
            "8",
            "beta",
            ["https://origin.example.org/pub/beta/8/Everything/x86_64/"],
            id="the product's origin, where it has no vault",
        ),
    ],
)
def test_urls(snapshot: LoadedSnapshot, release: str, repo: str, urls: list[str]) -> None:
    """A list has the mirrors of the product that was asked for, at their URLs for it."""
    assert ask(snapshot, a_client(), repo, release=release).urls == urls


def test_origin_of_the_product(config: ServiceConfig) -> None:
    """Where no mirror carries a product, its own origin answers."""
    snapshot = load(carrying("a", "alpha"), config=config, states=[a_state("a")], last_round=ROUND)
    selection = ask(snapshot, a_client(), "beta", release="beta-9")
    assert (selection.reason, selection.urls) == (
        Pass.ORIGIN,
        ["https://origin.example.org/pub/beta/9/Everything/x86_64/"],
    )
    assert served(snapshot, selection) == []


def test_metalinks_of_the_product(config: ServiceConfig) -> None:
    """The facts about a repo are those of its product, also where another one has a repo of that name."""
    facts = {"alpha-9.8/baseos/x86_64": (a_repomd(1),), "beta-9/baseos/x86_64": (a_repomd(2),)}
    snapshot = load(carrying("both", "alpha", "beta"), config=config, repomd=facts)
    assert {key: versions[0].timestamp for key, versions in snapshot.repomd.items()} == {
        "alpha-9.8/baseos/x86_64": 1,
        "beta-9/baseos/x86_64": 2,
    }


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, {"repo": "baseos", "release": "alpha-9.8"}),
        ({"repo": "beta"}, {"repo": "beta", "release": "beta-9"}),
        ({"repo": "beta-9"}, {"repo": "beta-9"}),
        ({"release": "beta-9"}, {"repo": "baseos", "release": "beta-9"}),
    ],
    ids=str,
)
def test_what_an_explanation_is_of(
    config: ServiceConfig, given: dict[str, str], named: dict[str, str]
) -> None:
    """Without a release, the one explained is the newest of the first product that has the repo."""
    assert with_defaults(Parser(config, ParameterReader(config.selection)), given) == named
