"""Copies of the vault: which mirrors answer for releases that have gone there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.model import Mirror, MirrorState, Status
from app.sources.mirror_files import read_mirror
from tests.builders import (
    QUIET,
    ROUND,
    Network,
    a_client,
    a_config,
    a_mirror,
    a_state,
    ask,
    listed,
    lists_of,
    load,
    question,
)
from tests.sources.samples import read_config

VAULT = "https://vault.example.org/"
CONFIG = a_config(selection=QUIET)


def with_vault(name: str, town: str, **changes: Any) -> Mirror:
    """A mirror that has a copy of the vault on another host."""
    copy = {"https": f"https://vault.{name}.example.org/"}
    return a_mirror(name, town, vault_addresses={"": copy}, **changes)


PAST = [with_vault("de", "frankfurt"), with_vault("jp", "tokyo"), a_mirror("fr", "paris")]


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        pytest.param({"release": "9.7"}, "9.7/BaseOS/x86_64/os/", id="past release"),
        pytest.param({"release": "9.7", "repo": "nfv"}, "9.7/NFV/x86_64/os/", id="any repo of it"),
        pytest.param({"repo": "baseos-debug"}, "9.8/BaseOS/debug/x86_64/", id="repo of the vault"),
    ],
)
def test_copies_of_the_vault_answer(asked: dict[str, str], path: str) -> None:
    """They are listed by distance like any mirrors, with the URLs of their copies."""
    snapshot = load(*PAST, config=CONFIG)
    answer = ask(snapshot, a_client("frankfurt"), **{"repo": "baseos", **asked})
    assert answer.urls == [f"https://vault.{name}.example.org/{path}" for name in ("de", "jp")]
    assert answer.reason == "geography"


def test_what_is_not_in_the_vault_is_asked_of_mirrors_as_ever() -> None:
    """A copy of the vault is nowhere in ordinary lists."""
    urls = ask(load(*PAST, config=CONFIG), a_client("frankfurt")).urls
    assert len(urls) == 3 and not any("vault" in url for url in urls)


@pytest.mark.parametrize(
    ("mirror", "state", "is_served"),
    [
        pytest.param({}, a_state("de", vault={"9.7": True}), True, id="there"),
        pytest.param({}, a_state("de"), True, id="not looked at yet"),
        pytest.param({}, a_state("de", Status.STALE), True, id="stale, which past releases are not"),
        pytest.param({}, a_state("de", vault={"9.7": False, "9.6": True}), False, id="lacks the release"),
        pytest.param({}, a_state("de", Status.UNREACHABLE, vault={"9.7": True}), False, id="unreachable"),
        pytest.param({}, None, False, id="not probed"),
        pytest.param({"probe": False}, None, True, id="never probed"),
        pytest.param({"disabled": True}, a_state("de"), False, id="disabled"),
        pytest.param({"private": True}, None, False, id="private"),
        pytest.param({"vault_addresses": {}}, a_state("de"), False, id="no copy of the vault"),
        pytest.param({"exclude_countries": ("DE",)}, a_state("de"), False, id="keeps the client out"),
    ],
)
def test_without_an_eligible_copy_the_vault_is_the_answer(
    mirror: dict[str, Any], state: MirrorState | None, is_served: bool
) -> None:
    """The vault's own URL stays the fallback, whatever keeps a copy from being served."""
    one = with_vault("de", "frankfurt")
    changed = type(one)(**{**{name: getattr(one, name) for name in one.__struct_fields__}, **mirror})
    network = Network([changed], config=CONFIG, states=[state] if state else [], last_round=ROUND)
    answer = ask(network.load(), a_client("frankfurt"), release="9.7")
    expected = "https://vault.de.example.org/" if is_served else VAULT
    assert answer.urls == [f"{expected}9.7/BaseOS/x86_64/os/"]
    assert answer.reason == ("geography" if is_served else "vault")


def test_a_copy_that_was_looked_at_comes_first() -> None:
    """A near copy of which nothing is known does not come before a far one that has the release."""
    states = [a_state("de"), a_state("jp", vault={"9.7": True}), a_state("fr")]
    snapshot = Network(PAST, config=CONFIG, states=states, last_round=ROUND).load()
    assert listed(snapshot, a_client("frankfurt"), release="9.7") == ["jp", "de"]


def test_protocols_are_those_of_the_copy() -> None:
    """A copy of https alone is none for a client that takes http alone."""
    answer = ask(load(*PAST, config=CONFIG), a_client("frankfurt"), release="9.7", protocol="http")
    assert answer.urls == [f"{VAULT}9.7/BaseOS/x86_64/os/"]


def test_each_mirror_has_one_standing() -> None:
    """An explanation accounts for every mirror once, with or without a copy."""
    states = [a_state("de"), a_state("jp", vault={"9.7": False}), a_state("fr")]
    snapshot = Network(PAST, config=CONFIG, states=states, last_round=ROUND).load()
    walk = lists_of(snapshot).walk(a_client("frankfurt"), question(CONFIG, release="9.7"))
    reasons = {snapshot.mirrors[s.mirror].name[:2]: s.fate.exclusion for s in walk.standings()}
    assert reasons == {"de": None, "jp": "not carried", "fr": "not carried"}


PRODUCTS = """\
config_version: 3
products:
  alpha:
    versions: ["9"]
    vault_versions: ["8"]
    vault_mirror: https://vault.example.org/alpha/
    arches: {"9": [x86_64], "8": [x86_64]}
    repos: [{name: baseos, path: releases/$releasever/$basearch/}]
  beta:
    versions: ["9"]
    vault_versions: ["7"]
    vault_mirror: https://vault.example.org/beta/
    arches: {"9": [x86_64], "7": [x86_64]}
    repos: [{name: beta, path: $basearch/}]
"""


@pytest.mark.parametrize(
    ("address_vault", "alpha", "beta"),
    [
        pytest.param(
            "{https: https://m.example.org/v}",
            "https://m.example.org/v/alpha/releases/8/x86_64/",
            "https://m.example.org/v/beta/7/x86_64/",
            id="of all products",
        ),
        pytest.param(
            "{beta: {https: https://m.example.org/old}}",
            "https://vault.example.org/alpha/releases/8/x86_64/",
            "https://m.example.org/old/7/x86_64/",
            id="of one",
        ),
    ],
)
def test_each_product_has_its_vault(tmp_path: Path, address_vault: str, alpha: str, beta: str) -> None:
    """A mirror may have a copy of the vault of each product, or of some."""
    config, _ = read_config(tmp_path, PRODUCTS)
    path = tmp_path / "m.example.org.yml"
    address = "{https: https://m.example.org/}"
    path.write_text(f"name: m.example.org\naddress: {address}\naddress_vault: {address_vault}\n")
    mirror, _ = read_mirror(path, config)
    assert mirror is not None
    snapshot = load(mirror, config=config)
    assert ask(snapshot, a_client(), "baseos", release="alpha-8").urls == [alpha]
    assert ask(snapshot, a_client(), "beta", release="beta-7").urls == [beta]
