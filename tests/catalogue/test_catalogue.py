"""What a distribution publishes: where a repo is expected, and where else it may be asked for."""

from __future__ import annotations

import pytest

from app.catalogue.catalogue import (
    arches_meant,
    content_key,
    directories,
    expected_arches,
    is_expected,
    iso_key,
    parse_question_key,
    question_key,
)
from app.model import Repo, ServiceConfig
from tests.builders import a_config

ARCHES = ("x86_64", "aarch64")
CONFIG = ServiceConfig(
    releases=("9.8", "10.2", "10-kitten", "10-lynx"),
    aliases={"10": "10.2"},
    vault_releases=("9.7", "10.1"),
    arches=dict.fromkeys(("9.8", "10.2", "10-kitten", "10-lynx", "9.7", "10.1"), ARCHES),
    repos=(),
    modules={"10-kitten": "kitten", "10-lynx": "lynx"},
)


@pytest.mark.parametrize(
    ("named", "expected_in"),
    [
        pytest.param((), {"9.8", "10.2", "10-kitten", "10-lynx", "9.7", "10.1"}, id="none: everywhere"),
        pytest.param(("9.8",), {"9.8", "9.7"}, id="a release, and what the vault has of its major version"),
        pytest.param(("10.2",), {"10.2", "10-kitten", "10-lynx", "10.1"}, id="and its modules"),
        pytest.param(("10-kitten",), {"10-kitten"}, id="a module's release alone"),
        pytest.param(("9.8", "10-lynx"), {"9.8", "9.7", "10-lynx"}, id="both"),
        pytest.param(("9.7",), {"9.7"}, id="a release of the vault says nothing of those that mirrors have"),
    ],
)
def test_where_a_repo_is_expected(named: tuple[str, ...], expected_in: set[str]) -> None:
    """In the releases that it names. A module's release and one of the vault are expected to have what
    their major version has."""
    repo = Repo(name="crb", path="CRB/$basearch/os/", releases=named, arches=("aarch64",))
    every = (*CONFIG.releases, *CONFIG.vault_releases)
    assert {release for release in every if expected_arches(CONFIG, repo, release)} == expected_in
    for release in every:
        assert is_expected(CONFIG, repo, release, "aarch64") is (release in expected_in)
        assert not is_expected(CONFIG, repo, release, "x86_64")
        assert arches_meant(CONFIG, repo, release) == (("aarch64",) if release in expected_in else ARCHES)


def with_repos(*repos: Repo) -> ServiceConfig:
    return ServiceConfig(
        releases=("9.8", "10.2"),
        aliases={},
        vault_releases=(),
        arches={"9.8": ARCHES, "10.2": ("x86_64",)},
        repos=repos,
    )


def test_directories() -> None:
    """Each known repo in each release, for all arches of that release or, where its path has none, once;
    and ISOs. Of the vault's, one stands for all in a release."""
    config = with_repos(
        Repo(name="nfv", path="NFV/$basearch/os/", releases=("9.8",), arches=("x86_64",)),
        Repo(name="source", path="source/tree/", releases=("10.2",)),
        Repo(name="debug", path="debug/$basearch/", vault=True),
    )
    assert [(d.key, d.file, d.expected) for d in directories(config)] == [
        ("9.8/nfv/x86_64", "9.8/NFV/x86_64/os/repodata/repomd.xml", True),
        ("9.8/nfv/aarch64", "9.8/NFV/aarch64/os/repodata/repomd.xml", False),
        ("9.8/source/", "9.8/source/tree/repodata/repomd.xml", False),
        ("9.8/x86_64", "9.8/isos/x86_64/CHECKSUM", True),
        ("9.8/aarch64", "9.8/isos/aarch64/CHECKSUM", True),
        ("10.2/nfv/x86_64", "10.2/NFV/x86_64/os/repodata/repomd.xml", False),
        ("10.2/source/", "10.2/source/tree/repodata/repomd.xml", True),
        ("10.2/x86_64", "10.2/isos/x86_64/CHECKSUM", True),
        ("9.8", "9.8/debug/x86_64/repodata/repomd.xml", False),
        ("10.2", "10.2/debug/x86_64/repodata/repomd.xml", False),
    ]


HA, HIGH = (
    Repo(name=name, path="HighAvailability/$basearch/os/", releases=(release,))
    for name, release in (("ha", "9.8"), ("highavailability", "10.2"))
)


@pytest.mark.parametrize(
    ("repo", "release", "expected"),
    [
        pytest.param(HA, "9.8", "9.8/ha/x86_64", id="expected itself"),
        pytest.param(HA, "10.2", "10.2/highavailability/x86_64", id="by the name that is expected there"),
        pytest.param(HIGH, "9.8", "9.8/ha/x86_64", id="the other way round"),
    ],
)
def test_one_directory_of_two_names(repo: Repo, release: str, expected: str) -> None:
    """What is known of a directory is known whatever name of it is asked for."""
    assert content_key(with_repos(HA, HIGH), repo, release, "x86_64") == expected


def test_a_directory_that_is_expected_nowhere_keeps_its_name() -> None:
    """Where no repo of that path is expected, there is nothing to know it by but the name asked for."""
    older = Repo(name="older", path="other/$basearch/", releases=("9.8",))
    vaulted = Repo(name="vaulted", path="other/$basearch/", vault=True)
    assert content_key(with_repos(older, vaulted), older, "10.2", "x86_64") == "10.2/older/x86_64"


# --- keys --------------------------------------------------------------------------------------------


def test_question_keys() -> None:
    """The key of everything that mirrors can be asked for is read back; no two have the same."""
    found = directories(a_config())
    asked = [(directory.release, directory.repo, directory.arch) for directory in found]
    keys = [question_key(*parts) for parts in asked]
    assert [parse_question_key(key) for key in keys] == asked
    assert len(set(keys)) == len(keys)


def test_keys_as_files_have_them() -> None:
    """Snapshots and state files name repos and ISOs like this."""
    assert question_key("9.8", "baseos", "x86_64") == "9.8/baseos/x86_64"
    assert question_key("9.8", "baseos", "") == "9.8/baseos/"
    assert question_key("9.8", None, "x86_64") == "9.8//x86_64"
    assert iso_key("9.8", "x86_64") == "9.8/x86_64"
