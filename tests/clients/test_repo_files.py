"""The repo files that distributions ship, against the example configs: each alone, and all side by side."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
import yaml

from app.catalogue.catalogue import directories
from app.request.parameters import ParameterReader
from app.request.question import Parser, Question
from app.sources.check import check
from app.sources.service_config import read_service_config
from tests.clients import repo_files
from tests.clients.almalinux import VERSIONS
from tests.clients.repo_files import RepoFiles, asked
from tests.clients.service import Mirrorwise
from tests.conftest import ROOT
from tests.servers import Answer

EXAMPLES = ROOT / "data" / "examples" / "configs"
ROOT_URL = "https://mirror.example.org/pub/"
FILES = {name: files for name, files in vars(repo_files).items() if isinstance(files, RepoFiles)}
CONFIGS = {
    "rocky": "rocky",
    "centos-stream": "centos-stream",
    "almalinux": "almalinux",
    "kitten": "almalinux",
    "fedora": "fedora-epel",
    "epel": "fedora-epel",
    "openh264": "fedora-epel",
}
"""The example config of each product."""
BESIDE = {
    "almalinux": f"{ROOT_URL}almalinux/",
    "kitten": f"{ROOT_URL}almalinux-kitten/",
    "rocky": f"{ROOT_URL}rocky/",
    "centos-stream": f"{ROOT_URL}centos-stream/",
    "fedora": f"{ROOT_URL}fedora/linux/",
    "epel": f"{ROOT_URL}epel/",
    "openh264": "https://codecs.example.org/openh264/",
}
"""The base URL of each product where all are side by side; no mirror has the last one."""
ALMALINUX_VAULT = "https://vault.example.org/almalinux/"
"""Where AlmaLinux's debug symbols and sources are."""


def example(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((EXAMPLES / f"{name}.yml").read_text())
    return loaded


def side_by_side() -> dict[str, Any]:
    """One config with the products of all examples. Names without a distribution in them, as `BaseOS-9`, are
    Rocky's, because AlmaLinux's clients name the release and the repo in the path."""
    products: dict[str, Any] = {}
    for name in ("almalinux", "rocky", "centos-stream"):
        products[name] = example(name)
        del products[name]["config_version"]
    products["rocky"]["repo_names"]["$repo-$releasever"] = "$repo"
    fedora = example("fedora-epel")
    return {**fedora, "products": products | fedora["products"]}


def network(folder: Path, config: dict[str, Any]) -> Path:
    """A data folder with a mirror of everything, and an origin that has each directory that the config
    expects."""
    folder.mkdir(exist_ok=True)
    for name in ("mirrors.d", "state"):
        (folder / name).mkdir()
    (folder / "config.yml").write_text(yaml.safe_dump(config, sort_keys=False))
    read, _ = read_service_config(folder / "config.yml")
    mirror: dict[str, Any] = {"name": "mirror.example.org", "address": {"https": ROOT_URL}}
    mirror["geolocation"] = {"country": "DE"}
    if "kitten" in read.modules.values():
        mirror["address_optional"] = {"kitten": {"https": BESIDE["kitten"]}}
    (folder / "mirrors.d" / "mirror.example.org.yml").write_text(yaml.safe_dump(mirror))
    facts = [directory.key for directory in directories(read) if directory.repo]
    (folder / "state" / "repos.json").write_bytes(msgspec.json.encode(dict.fromkeys(facts, VERSIONS)))
    return folder


def fault(target: str, url: str, answer: Answer) -> str | None:
    """What is wrong with the answer to a target, if its first URL should be this one."""
    if answer.status != 200:
        return f"{target}: {answer.status} {answer.body.decode()[:100]}"
    first = answer.lines[0]
    if target.startswith("/metalink"):
        url += "repodata/repomd.xml"
        first = re.findall("<url[^>]*>([^<]+)</url>", answer.body.decode())[0]
    return None if first == url else f"{target}: {first} instead of {url}"


def faults(service: Mirrorwise, files: RepoFiles, base: str) -> list[str]:
    """What is wrong with the answers to all URLs of repo files, where their product has this base URL."""
    found = []
    for target, path in asked(files):
        in_vault = files.product in ("almalinux", "kitten") and not path.endswith("/os/")
        found.append(fault(target, (ALMALINUX_VAULT if in_vault else base) + path, service.ask(target)))
    assert len(found) >= 4
    return [one for one in found if one is not None]


@pytest.fixture(scope="module")
def all_products(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirrorwise]:
    """One service with the products of all examples."""
    data = network(tmp_path_factory.mktemp("all"), side_by_side())
    service = Mirrorwise(data, tmp_path_factory.mktemp("var"))
    yield service
    service.stop()


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_side_by_side(all_products: Mirrorwise, name: str) -> None:
    """On one service with the products of all examples, every URL of the repo files that a product ships is a
    list of this product's own directory."""
    files = FILES[name]
    assert faults(all_products, files, BESIDE[files.product]) == []


def question(parser: Parser, target: str) -> Question:
    """The question that a target asks."""
    parts = urlsplit(target)
    names = parts.path.split("/")[2:] or ["", ""]
    return parser.parse_list(dict(parse_qsl(parts.query)), *names)


@pytest.mark.parametrize("name", FILES)
def test_alone(name: str) -> None:
    """With the example config of a product alone, every URL of the repo files that it ships asks for the
    right directory."""
    config, _ = read_service_config(EXAMPLES / f"{CONFIGS[FILES[name].product]}.yml")
    parser = Parser(config, ParameterReader(config.selection))
    found = [(target, question(parser, target).path, path) for target, path in asked(FILES[name])]
    assert [one for one in found if one[1] != one[2]] == []


@pytest.mark.parametrize("name", sorted(set(CONFIGS.values())))
def test_examples_are_sound(name: str, tmp_path: Path) -> None:
    """Each example config is read without a fault or a warning."""
    data = network(tmp_path, example(name))
    assert check(data) == []
