"""librepo's own parser on every answer about AlmaLinux's real network: all releases, repos and arches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec
import pytest

from app.catalogue.catalogue import expected_arches
from app.model import ServiceConfig
from app.sources.service_config import read_service_config
from tests.clients.almalinux import VERSIONS, almalinux_data
from tests.clients.conftest import GOOD
from tests.clients.crawler import fetch
from tests.clients.service import Mirrorwise


class Asked(NamedTuple):
    """One of the crawl's questions; `below` is what every URL must end in."""

    release: str
    repo: str
    arch: str
    below: str


def questions(config: ServiceConfig, releases: tuple[str, ...]) -> list[Asked]:
    """Every repo in every release, with each arch of the release and without any."""
    asked = []
    for release in releases:
        for repo in config.repos:
            for arch in (*config.arches[release], ""):
                path = repo.path.replace("$basearch", arch or "$basearch")
                asked.append(Asked(release, repo.name, arch, f"/{release}/{path}"))
    return asked


@pytest.fixture(scope="module")
def config(real_data: Path) -> ServiceConfig:
    return read_service_config(real_data / "almalinux" / "config.yml")[0]


@pytest.fixture(scope="module")
def almalinux(
    real_data: Path, config: ServiceConfig, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mirrorwise]:
    """All of AlmaLinux's mirrors, with an origin whose repomd.xml files are known."""
    data = tmp_path_factory.mktemp("almalinux")
    almalinux_data(data, real_data, config)
    service = Mirrorwise(data, tmp_path_factory.mktemp("var-almalinux"))
    yield service
    service.stop()


@pytest.mark.parametrize(
    "parameters",
    ["", f"&avoid={GOOD}", "&fill=no", "&protocol=http,ftp"],
    ids=["all", "avoid", "fill", "sloppy"],
)
@pytest.mark.parametrize("kind", ["mirrorlist", "metalink"])
def test_past_a_dead_mirror(service: Mirrorwise, kind: str, parameters: str) -> None:
    """librepo gets the repomd.xml from the next URL of whatever list it asked for, at last the origin's."""
    [answer] = fetch([(f"{service.url}/{kind}/9/dead?arch=x86_64{parameters}", kind)], repomd=True)
    assert answer.error is None


def target(kind: str, asked: Asked) -> str:
    return f"/{kind}/{asked.release}/{asked.repo}" + (f"?arch={asked.arch}" if asked.arch else "")


def faults(url: str, below: str) -> list[str]:
    """What no client should ever be given."""
    parts = urlsplit(url)
    found = []
    if parts.scheme not in ("http", "https") or not parts.netloc:
        found.append("no scheme or host")
    if "//" in parts.path:
        found.append("a doubled slash")
    if not parts.path.endswith(below):
        found.append(f"not {below}")
    return [f"{url}: {fault}" for fault in found]


@pytest.mark.slow
def test_every_mirrorlist(almalinux: Mirrorwise, config: ServiceConfig) -> None:
    """Every mirrorlist there is parses, names mirrors (the vault alone, for what only it has), and leads
    to the release, repo and arch that were asked for, nowhere else."""
    asked = questions(config, (*config.releases, *config.vault_releases))
    assert len(asked) > 1000
    answers = fetch((almalinux.url + target("mirrorlist", one), "mirrorlist") for one in asked)
    vault = {repo.name for repo in config.repos if repo.vault}
    found = []
    for one, answer in zip(asked, answers, strict=True):
        alone = one.release in config.vault_releases or one.repo in vault
        if answer.error or len(answer.mirrors) != (1 if alone else 10):
            found.append(f"{one}: {len(answer.mirrors)} mirrors, {answer.error}")
        found += [fault for url in answer.mirrors for fault in faults(url, one.below)]
    assert found == []


def test_every_metalink(almalinux: Mirrorwise, config: ServiceConfig) -> None:
    """Every metalink parses, to just the hashes, sizes and times of the origin's state file, and leads
    to the repomd.xml that was asked for."""
    expected = {
        (release, repo.name, arch)
        for release in config.releases
        for repo in config.repos
        for arch in expected_arches(config, repo, release)
        if not repo.vault
    }
    asked = [one for one in questions(config, config.releases) if one[:3] in expected]
    answers = fetch((almalinux.url + target("metalink", one), "metalink") for one in asked)
    versions = [
        {"timestamp": v.timestamp, "size": v.size, "hashes": [("sha256", v.sha256), ("sha512", v.sha512)]}
        for v in VERSIONS
    ]
    expected = msgspec.json.decode(msgspec.json.encode(versions))
    found = []
    for one, answer in zip(asked, answers, strict=True):
        if answer.metalink is None or len(answer.mirrors) != 10:
            found.append(f"{one}: {len(answer.mirrors)} mirrors, {answer.error}")
            continue
        link = answer.metalink
        current = {key: link[key] for key in ("timestamp", "size", "hashes")}
        if [current, *link["alternates"]] != expected or link["filename"] != "repomd.xml":
            found.append(f"{one}: {link}")
        if [url["preference"] for url in link["urls"]] != list(range(100, 90, -1)):
            found.append(f"{one}: preferences {link['urls']}")
        for url in link["urls"]:
            found += faults(url["url"], one.below + "repodata/repomd.xml")
            if url["protocol"] != url["type"] or not url["url"].startswith(f"{url['protocol']}://"):
                found.append(f"{one}: protocol of {url}")
    assert found == []
