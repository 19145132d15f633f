"""AlmaLinux's real service config and 530 mirror files, with every slip that is known to be in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.files import paths
from app.model import Finding, Mirror, ServiceConfig, Severity
from app.sources.check import check
from app.sources.folder import MIRROR_ENDINGS
from app.sources.gazetteer import Gazetteer
from app.sources.mirror_files import read_mirror
from app.sources.service_config import read_service_config


@pytest.fixture(scope="module")
def folder(real_data: Path) -> Path:
    return real_data / "almalinux"


@pytest.fixture(scope="module")
def config(folder: Path) -> ServiceConfig:
    config, findings = read_service_config(folder / "config.yml")
    assert ["origin: is missing" in finding.message for finding in findings] == [True]
    return config


@pytest.fixture(scope="module")
def read(folder: Path, config: ServiceConfig) -> tuple[list[Mirror], list[Finding]]:
    results = [read_mirror(path, config) for path in paths(folder / config.mirrors_dir, *MIRROR_ENDINGS)]
    mirrors = [mirror for mirror, _ in results if mirror]
    return mirrors, [finding for _, findings in results for finding in findings]


def test_the_service_config_is_read_whole(config: ServiceConfig) -> None:
    """Releases, aliases, the module and all repos."""
    assert config.releases == ("8.10", "9.8", "10.2", "10-kitten")
    assert config.aliases == {"8": "8.10", "9": "9.8", "10": "10.2"}
    assert config.modules == {"10-kitten": "kitten"}
    assert len(config.vault_releases) == 32
    assert len(config.repos) == 61
    assert set(config.arches) == {*config.releases, *config.vault_releases}
    assert "x86_64_v2" in config.arches["10.0-beta"]
    assert "x86_64_v2" not in config.arches["9.8"]


def test_every_mirror_is_usable(read: tuple[list[Mirror], list[Finding]]) -> None:
    """No slip in a real file is so bad that its mirror cannot be served."""
    mirrors, findings = read
    assert len(mirrors) == 530
    assert [finding for finding in findings if finding.severity is Severity.FAULT] == []


@pytest.mark.parametrize(
    ("words", "count"),
    [
        ("where the mirror is", 78),
        ("is not the name of the file", 36),
        ("nobody can be sent to this mirror", 21),
        ("was given already", 3),
        ("under the wrong key", 7),
        ("is not a URL; read as rsync://", 6),
        ("is not an http:// or https:// URL", 5),
        ("this key is not known here", 4),
        ("is not a country", 0),
        ("is not a duration", 0),
    ],
)
def test_known_slips_are_all_noticed(
    read: tuple[list[Mirror], list[Finding]], words: str, count: int
) -> None:
    """As many warnings of each kind as there are such slips."""
    assert sum(words in finding.message for finding in read[1]) == count


def test_what_is_declared_is_understood(read: tuple[list[Mirror], list[Finding]]) -> None:
    """Countries, networks, private and cloud mirrors, modules, in the numbers that are in the files."""
    mirrors, _ = read
    assert len({mirror.country for mirror in mirrors if mirror.country}) == 73
    assert sum(mirror.country is None for mirror in mirrors) == 81
    assert sum(mirror.private for mirror in mirrors) == 26
    assert sum(mirror.monopoly for mirror in mirrors) == 3
    assert sum(bool(mirror.asns) for mirror in mirrors) == 70
    assert sum(bool(mirror.subnets) for mirror in mirrors) == 13
    assert sum(mirror.cloud is not None for mirror in mirrors) == 2
    assert sum("kitten" in mirror.module_addresses for mirror in mirrors) == 49
    assert all(mirror.update_frequency_s for mirror in mirrors)


def test_declared_cities_are_found(read: tuple[list[Mirror], list[Finding]]) -> None:
    """At least 434 of them, and each within its country."""
    gazetteer = Gazetteer()
    cities = [mirror for mirror in read[0] if mirror.country and mirror.city]
    found = [gazetteer.find(str(m.country), m.state_province, str(m.city)) for m in cities]
    assert sum(place is not None for place in found) >= 434


def test_the_whole_check(folder: Path) -> None:
    """No fault, and every finding says where it is."""
    findings = check(folder)
    assert all(finding.severity is Severity.WARNING for finding in findings)
    assert all(finding.line is not None for finding in findings)
    assert len(findings) == 175
