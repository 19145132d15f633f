"""The URLs that repo files and build tools in the field ask for, on configs for their distributions.

The tables say, per distribution, which names its repo files and mock's templates use, in which form,
and where the repo is on a mirror. Each is asked for as dnf sends it, with its variables expanded: for
every release, long and short, and every arch. The repo files of today are in `repo_files`, by section.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
import yaml

from tests.clients.almalinux import VERSIONS
from tests.clients.service import Mirrorwise
from tests.servers import Answer

Serve = Callable[[Path], Mirrorwise]

HOST = "mirror.example.org"
MIRROR = f"https://{HOST}/linux/"
VAULT = "https://vault.example.org/linux/"
ANY_ARCH = ("source", "src", "SRPMS", "noarch", "x86_64", "%3F%21")
"""What is sent where the arch cannot matter."""


class Asked(NamedTuple):
    """A URL, and what the first one of its answer ends in. `vault`: what it begins with, if it does not
    lead to a mirror."""

    url: str
    path: str
    vault: str | None = None


def faults(service: Mirrorwise, asked: list[Asked]) -> list[str]:
    """What is wrong with the answers."""
    assert len(set(asked)) == len(asked) > 0
    return [fault for one in asked if (fault := _fault(one, service.ask(one.url)))]


def _fault(asked: Asked, answer: Answer) -> str | None:
    if answer.status != 200:
        return f"{asked.url}: {answer.status} {answer.body.decode()[:100]}"
    metalink = asked.url.startswith("/metalink")
    first = _metalink_urls(answer.body)[0] if metalink else answer.lines[0]
    path = asked.path + ("repodata/repomd.xml" if metalink else "")
    if not first.endswith(f"/{path}") or (asked.vault and first != asked.vault + path):
        return f"{asked.url}: {first} instead of {path}"
    return None


def _metalink_urls(body: bytes) -> list[str]:
    return re.findall("<url[^>]*>([^<]+)</url>", body.decode())


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Publishes a data folder and serves it."""
    services = []

    def serve(data: Path) -> Mirrorwise:
        services.append(Mirrorwise(data, tmp_path_factory.mktemp("var")))
        return services[-1]

    yield serve
    for service in services:
        service.stop()


def network(folder: Path, config: object, facts: list[str]) -> Path:
    """A data folder with one mirror, and an origin that has the repos of these keys."""
    (folder / "mirrors.d").mkdir()
    (folder / "state").mkdir()
    mirror = {"name": HOST, "address": {"https": MIRROR}, "geolocation": {"country": "DE"}}
    (folder / "config.yml").write_text(json.dumps(config, indent=1))
    (folder / "mirrors.d" / f"{HOST}.yml").write_text(yaml.safe_dump(mirror))
    (folder / "state" / "repos.json").write_bytes(msgspec.json.encode(dict.fromkeys(facts, VERSIONS)))
    return folder


# --- AlmaLinux, and Kitten -------------------------------------------------------------------------

ALMALINUX_VAULT = "http://vault.almalinux.org/"
ALMALINUX_DIRECTORIES = {
    "baseos": "BaseOS",
    "appstream": "AppStream",
    "powertools": "PowerTools",
    "crb": "CRB",
    "ha": "HighAvailability",
    "highavailability": "HighAvailability",
    "nfv": "NFV",
    "rt": "RT",
    "sap": "SAP",
    "saphana": "SAPHANA",
    "resilientstorage": "ResilientStorage",
}
"""Other repos are in a directory of their own name."""
EIGHT = [
    *("baseos", "appstream", "powertools", "extras", "ha", "nfv", "rt", "sap", "saphana"),
    *("resilientstorage", "devel", "plus"),
]
NINE = [{"powertools": "crb", "ha": "highavailability"}.get(name, name) for name in EIGHT]
OLD_ARCHES = ["x86_64", "aarch64", "ppc64le", "s390x"]
ARCHES = ["x86_64_v2", *OLD_ARCHES]
BUILD_TOOLS = ["baseos", "appstream", "crb", "extras", "extras-common", "devel"]
"""These have a name in -debuginfo in mock's templates, whatever the distribution calls them."""
MISSING_NAMES = {name: f"{name}-debug" for name in ("crb", "extras-common")}
"""Of these, AlmaLinux's own config does not have the name in -debuginfo."""


class AlmaLinux(NamedTuple):
    """A release, as clients name it."""

    full: str
    repos: list[str]
    arches: list[str] = ARCHES
    debug: str = "debug"
    vault: bool = False


ALMALINUX = {
    "8": AlmaLinux("8.10", EIGHT, OLD_ARCHES, "debuginfo"),
    "8.10": AlmaLinux("8.10", [*EIGHT, "raspberrypi"], OLD_ARCHES, "debuginfo"),
    "9": AlmaLinux("9.8", NINE, OLD_ARCHES),
    "9.8": AlmaLinux("9.8", NINE, OLD_ARCHES),
    "10": AlmaLinux("10.2", NINE),
    "10.2": AlmaLinux("10.2", NINE),
    "10-kitten": AlmaLinux("10-kitten", [*NINE, "extras-common"]),
    "8.9": AlmaLinux("8.9", EIGHT, OLD_ARCHES, "debuginfo", vault=True),
    "9.1-beta": AlmaLinux("9.1-beta", NINE, OLD_ARCHES, vault=True),
    "10.1": AlmaLinux("10.1", NINE, vault=True),
}


def of_almalinux(release: str) -> list[Asked]:
    """With an arch and without, as its repo files ask."""
    full, repos, arches, debug, in_vault = ALMALINUX[release]
    asked: dict[str, Asked] = {}

    def add(name: str, arch: str, path: str, vault: bool) -> None:
        url = f"/mirrorlist/{release}/{name}" + (f"?arch={arch}" if arch else "")
        asked[url] = Asked(url, f"{full}/{path}", ALMALINUX_VAULT if vault or in_vault else None)

    for repo in repos:
        directory = ALMALINUX_DIRECTORIES.get(repo, repo)
        names = {f"{repo}-{debug}", *({f"{repo}-debuginfo"} if repo in BUILD_TOOLS else ())}
        for arch in ("", *arches):
            shown = arch or "$basearch"
            add(repo, arch, f"{directory}/{shown}/os/", vault=False)
            for name in names:
                add(name, arch, f"{directory}/debug/{shown}/", vault=True)
        for arch in ("", *ANY_ARCH):
            add(f"{repo}-source", arch, f"{directory}/Source/", vault=True)
    for arch in arches:
        url = f"/isolist/{release}/{arch}"
        asked[url] = Asked(url, f"{full}/isos/{arch}/", ALMALINUX_VAULT if in_vault else None)
    return list(asked.values())


@pytest.fixture(scope="module")
def almalinux(real_data: Path, tmp_path_factory: pytest.TempPathFactory, serve: Serve) -> Mirrorwise:
    """AlmaLinux's own config and mirrors; with names for what only build tools call so."""
    data = tmp_path_factory.mktemp("almalinux")
    config = (real_data / "almalinux" / "config.yml").read_text().removesuffix("...\n")
    names = {f"{name}-debuginfo": debug for name, debug in MISSING_NAMES.items()}
    (data / "config.yml").write_text(config + yaml.safe_dump({"repo_names": names}))
    (data / "mirrors.d").symlink_to(real_data / "almalinux" / "mirrors.d")
    return serve(data)


@pytest.mark.parametrize("release", ALMALINUX)
def test_almalinux(almalinux: Mirrorwise, release: str) -> None:
    """Every repo that AlmaLinux's and Kitten's repo files and mock's templates name is a list: of mirrors,
    or of the vault, which has sources, debug symbols and the past."""
    assert faults(almalinux, of_almalinux(release)) == []


# --- Rocky Linux -----------------------------------------------------------------------------------

ROCKY_REPOS = [
    *("BaseOS", "AppStream", "CRB", "extras", "devel", "HighAvailability", "ResilientStorage", "NFV"),
    *("RT", "SAP", "SAPHANA", "plus"),
]
ROCKY_RELEASES = {"9": "9.8", "9.8": "9.8", "10": "10.2", "10.2": "10.2", "9.7": "9.7"}
ROCKY_ARCHES = {"9": OLD_ARCHES, "10": [*OLD_ARCHES, "riscv64"]}
KINDS = {"": "{}/$basearch/os/", "-debug": "{}/$basearch/debug/tree/", "-source": "{}/source/tree/"}
"""Rocky Linux and CentOS Stream have the same directories."""


def rocky_config() -> dict[str, object]:
    """The names end in the kind of the repo, after the release: patterns in `repo_names` say so."""
    expected = {"ResilientStorage": {"versions": ["9.8"]}, "NFV": {"arches": ["x86_64"]}}
    return {
        "config_version": 3,
        "versions": ["9", "9.8", "10", "10.2"],
        "duplicated_versions": {"9": "9.8", "10": "10.2"},
        "vault_versions": ["9.7"],
        "vault_mirror": VAULT,
        "arches": ROCKY_ARCHES,
        "repos": [
            {"name": f"{repo}{kind}", "path": path.format(repo), **expected.get(repo, {})}
            for repo in ROCKY_REPOS
            for kind, path in KINDS.items()
        ],
        "repo_names": {
            "rockyplus": "plus",
            "$repo-$releasever-debug": "$repo-debug",
            "$repo-$releasever-source": "$repo-source",
        },
    }


def of_rocky(release: str) -> list[Asked]:
    """MirrorManager's form; sources are asked for with any arch."""
    full = ROCKY_RELEASES[release]
    vault = VAULT if release == "9.7" else None
    arches = ROCKY_ARCHES[full.partition(".")[0]]
    asked = [
        Asked(f"/mirrorlist?arch={arch}&repo={repo}-{release}{kind}", f"{full}/{path}", vault)
        for repo in ROCKY_REPOS
        for kind, template in KINDS.items()
        for arch in (ANY_ARCH if kind == "-source" else arches)
        for path in [template.format(repo).replace("$basearch", arch)]
    ]
    plus = [
        Asked(f"/mirrorlist?arch={arch}&repo=rockyplus-{release}", f"{full}/plus/{arch}/os/", vault)
        for arch in arches
    ]
    return asked + plus


@pytest.fixture(scope="module")
def rocky(tmp_path_factory: pytest.TempPathFactory, serve: Serve) -> Mirrorwise:
    return serve(network(tmp_path_factory.mktemp("rocky"), rocky_config(), []))


@pytest.mark.slow
@pytest.mark.parametrize("release", ROCKY_RELEASES)
def test_rocky(rocky: Mirrorwise, release: str) -> None:
    """Every repo that Rocky Linux's repo files and mock's templates name is a list."""
    assert faults(rocky, of_rocky(release)) == []


# --- CentOS Stream ---------------------------------------------------------------------------------

CENTOS_REPOS = ["BaseOS", "AppStream", "CRB", "HighAvailability", "NFV", "RT", "ResilientStorage"]
CENTOS_ARCHES = {"9-stream": OLD_ARCHES, "10-stream": OLD_ARCHES}


def centos_config() -> dict[str, object]:
    """`centos-baseos` is a name of the repo `baseos`."""
    return {
        "config_version": 3,
        "versions": list(CENTOS_ARCHES),
        "arches": CENTOS_ARCHES,
        "repos": [
            {"name": f"{repo}{kind}".lower(), "path": path.format(repo)}
            for repo in CENTOS_REPOS
            for kind, path in KINDS.items()
        ],
        "repo_names": {"centos-$repo": "$repo"},
    }


def of_centos(release: str) -> list[Asked]:
    """Metalinks and mirrorlists by MirrorManager's names, and CentOS's own older form."""
    asked = []
    for repo in CENTOS_REPOS:
        for kind, template in KINDS.items():
            for arch in ANY_ARCH if kind == "-source" else CENTOS_ARCHES[release]:
                path = f"{release}/{template.format(repo).replace('$basearch', arch)}"
                name = f"centos-{repo.lower()}{kind}-{release}"
                asked += [
                    Asked(f"/metalink?repo={name}&arch={arch}&protocol=https,http", path),
                    Asked(f"/mirrorlist?repo={name}&arch={arch}", path),
                    Asked(f"/?release={release}&arch={arch}&repo={repo}{kind}&infra=stock", path),
                ]
    return asked


@pytest.fixture(scope="module")
def centos(tmp_path_factory: pytest.TempPathFactory, serve: Serve) -> Mirrorwise:
    """The origin has everything, so that there are metalinks."""
    facts = [
        f"{release}/{repo.lower()}{kind}/{arch}"
        for release, arches in CENTOS_ARCHES.items()
        for repo in CENTOS_REPOS
        for kind in KINDS
        for arch in ([""] if kind == "-source" else arches)
    ]
    return serve(network(tmp_path_factory.mktemp("centos"), centos_config(), facts))


@pytest.mark.slow
@pytest.mark.parametrize("release", CENTOS_ARCHES)
def test_centos_stream(centos: Mirrorwise, release: str) -> None:
    """Every repo of its own that CentOS Stream's repo files and mock's templates name is a metalink and a
    list."""
    assert faults(centos, of_centos(release)) == []
