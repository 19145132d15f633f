"""data/README.md: it names every key that the readers know, and no other."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.clouds import PROVIDERS
from app.model import Content, ImageDirectory, MirrorState, ProbeRound, RepomdVersion, Status
from app.probe.records import Records
from app.sources.fields import Fields
from app.sources.folder import DataFolder
from app.sources.restricting import OF_MIRROR
from tests.conftest import ROOT
from tests.documents import first_cells, section
from tests.sources.samples import CONFIG, MIRROR, read_config, read_sample

DOCUMENT = ROOT / "data" / "README.md"

CONFIG_WITH_ALL = (
    CONFIG + "selection: {length: 5}\nprobe: {grace: 1d}\nrepo_names: {BaseOS: {repo: baseos}}\n"
    "site: {title: Example}\n"
)
PRODUCTS = """\
config_version: 3
origin: https://origin.example.org/
products:
  one:
    versions: ["9"]
    arches: {"9": [x86_64]}
    repos:
      - {name: baseos, path: BaseOS/$basearch/os/}
"""
MIRROR_WITH_ALL = MIRROR + "geolocation: {country: DE}\naddress_optional: {}\n"


def documented(heading: str) -> list[str]:
    """The keys in a section's tables; a name for any key, such as <repo>, becomes a star."""
    return [re.sub(r"<[^>]*>", "*", key) for key in first_cells(section(DOCUMENT, heading))]


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> dict[str, Collection[str]]:
    """What readers of YAML files know while a test runs: keys by what messages put before them."""
    found: dict[str, Collection[str]] = {}
    check_keys = Fields.check_keys

    def recorded(fields: Fields, keys: Collection[str] | None = None) -> None:
        found[re.sub('^repo "[^"]*", ', "repos[].", fields.prefix)] = (
            set(fields._read) if keys is None else keys
        )
        check_keys(fields, keys)

    monkeypatch.setattr(Fields, "check_keys", recorded)
    return found


def test_config(tmp_path: Path, known: dict[str, Collection[str]]) -> None:
    """Every key of config.yml, and of the mappings below it, has its row."""
    read_config(tmp_path, CONFIG_WITH_ALL)
    names = {
        "": "",
        "repos[].": "repos[].",
        "selection.": "selection.",
        "probe.": "probe.",
        "site.": "site.",
        "repo_names.BaseOS.": "repo_names.*.",
    }
    keys = [name + key for prefix, name in names.items() for key in known[prefix]]
    assert sorted(documented("## config.yml")) == sorted([*keys, "products", "products.*.path"])
    assert known.keys() - names.keys() == {"arches.", "module_origins."}, "their keys are the distribution's"


def test_products(tmp_path: Path, known: dict[str, Collection[str]]) -> None:
    """A product has the keys of the service config that say what is published, and its path."""
    read_config(tmp_path, PRODUCTS)
    below = set(known["products.one."])
    assert "products.*.path" in documented("## config.yml")
    assert below - {"path"} <= set(documented("## config.yml"))
    at_top = {"config_version", "products", "allowed_outdate", "required_protocols", "mirrors_dir"}
    assert known[""] == at_top | {"origin", "selection", "probe", "site"}
    text = section(DOCUMENT, "### Products")
    assert [key for key in known[""] - {"config_version", "products"} if f"`{key}`" not in text] == []


def test_mirror_files(tmp_path: Path, known: dict[str, Collection[str]]) -> None:
    """Every key of a mirror file, and of the mappings below it, has its row."""
    read_sample(tmp_path, MIRROR_WITH_ALL)
    keys = [prefix + key for prefix in ("", "geolocation.", "address.") for key in known[prefix]]
    assert sorted(documented("## mirrors.d/*.yml")) == sorted([*keys, "address.*"])


def test_keys_that_restrict() -> None:
    """The keys that must not be overlooked stand together."""
    keys = {key for key in OF_MIRROR.keys if "`" not in key}
    assert set(documented("### Keys that restrict")) == keys
    assert len(keys) == 10


def keys_of(kind: object, above: str = "") -> Iterator[str]:
    """All keys of a type in its JSON, down to the last; a star for a key that may be any. What is written as
    an array has none."""
    return _keys(msgspec.inspect.type_info(kind), above)


def _keys(info: Any, above: str) -> Iterator[str]:
    if isinstance(info, msgspec.inspect.StructType) and not info.array_like:
        for field in info.fields:
            yield above + field.encode_name
            yield from _keys(field.type, f"{above}{field.encode_name}.")
    elif isinstance(info, msgspec.inspect.DictType):
        yield from _keys(info.value_type, f"{above}*.")
    elif isinstance(info, msgspec.inspect.VarTupleType):
        yield from _keys(info.item_type, f"{above.removesuffix('.')}[].")


@pytest.mark.parametrize(
    ("heading", "kind"),
    [
        pytest.param("### state/mirrors/*.json", MirrorState, id="a mirror"),
        pytest.param(
            "### state/repos.json", dict[str, tuple[RepomdVersion, ...]], id="the origin's versions"
        ),
        pytest.param("### state/isos.json", dict[str, ImageDirectory], id="the origin's images"),
        pytest.param("### state/round.json", ProbeRound, id="the last round"),
    ],
)
def test_state_files(heading: str, kind: object) -> None:
    """Every key of the state files has its row."""
    assert sorted(documented(heading)) == sorted(keys_of(kind))


def test_notes_of_the_prober(tmp_path: Path) -> None:
    """Every key of the files that the prober writes for itself has its row."""
    records = Records(DataFolder(tmp_path))
    assert sorted(documented("### state/probe/*.json")) == sorted(keys_of(type(records.load_notes("name"))))
    assert sorted(documented("### state/origin.json")) == sorted(keys_of(type(records.load_origin())))


def test_words_of_the_prober() -> None:
    """Every verdict on a mirror and on a repo is explained."""
    text = section(DOCUMENT, "### state/mirrors/*.json")
    assert [word for word in (*Status, *Content) if f"`{word}`" not in text] == []


def test_cloud_providers() -> None:
    """Every provider whose format is read is named."""
    assert documented("## cloud") == list(PROVIDERS)
