"""Products in config.yml and in mirror files."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.model import Mirror, Repo, RepoName, Severity, SourceError
from app.sources.mirror_files import check_network, read_mirror
from tests.sources.samples import read_config, the_finding

CONFIG = """\
config_version: 3
origin: https://origin.example.org/pub
products:
  alpha:
    path: alpha/linux
    versions: ["9", "9.8"]
    duplicated_versions: {"9": "9.8"}
    optional_module_versions: {kitten: ["10"]}
    module_origins: {kitten: https://origin.example.org/kitten/}
    vault_versions: ["9.7"]
    vault_mirror: https://vault.example.org/alpha/
    arches: {"9": [x86_64], 10-kitten: [x86_64]}
    repos:
      - {name: base, path: Base/$basearch/os, versions: ["9"]}
  beta:
    origin: https://origin.example.org/other/
    versions: ["9"]
    arches: {"9": [x86_64]}
    isos: images/$releasever/$basearch
    repos:
      - {name: base, path: releases/$releasever/$basearch/os/}
    repo_names: {"b-$releasever": base, b9: {repo: base, release: "9"}}
  extra:
    path: false
    isos: false
    versions: ["9"]
    arches: {"9": [x86_64]}
    repos:
      - {name: extra, path: extra/}
"""
HTTPS = "https://mirror.example.org/"


def test_normal_form(tmp_path: Path) -> None:
    """Releases have their product's name in front, and base URLs are those of a module."""
    config, findings = read_config(tmp_path, CONFIG)
    assert findings == []
    assert config.releases == ("alpha-9.8", "alpha-10-kitten", "beta-9", "extra-9")
    assert config.aliases == {"alpha-9": "alpha-9.8"}
    assert config.vault_releases == ("alpha-9.7",)
    assert config.products == {
        **dict.fromkeys(["alpha-9.8", "alpha-10-kitten", "alpha-9.7"], "alpha"),
        **{"beta-9": "beta", "extra-9": "extra"},
    }
    assert config.product_paths == {"alpha": "alpha/linux/", "beta": "beta/", "extra": ""}
    assert config.modules == config.products | {"alpha-10-kitten": "kitten"}
    assert config.origin == "https://origin.example.org/pub/"
    assert config.module_origins == {
        "alpha": "https://origin.example.org/pub/alpha/linux/",
        "kitten": "https://origin.example.org/kitten/",
        "beta": "https://origin.example.org/other/",
    }
    assert (config.vault_url, config.product_vaults) == (None, {"alpha": "https://vault.example.org/alpha/"})
    assert config.iso_paths == {"beta": "images/$releasever/$basearch/", "extra": ""}
    assert config.repos == (
        Repo(name="base", product="alpha", path="Base/$basearch/os/", releases=("alpha-9.8",)),
        Repo(name="base", product="beta", path="releases/$releasever/$basearch/os/"),
        Repo(name="extra", product="extra", path="extra/"),
    )
    assert config.repo_names == (
        RepoName(name="b-${releasever}", product="beta", repo="base", release="beta-${releasever}"),
        RepoName(name="b9", product="beta", repo="base", release="beta-9"),
    )


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        pytest.param(
            "products:", "versions: []\nproducts:", "versions: must stand below each", id="key at top"
        ),
        pytest.param("  beta:", "  beta: x\n  gamma:", "must be a mapping", id="no mapping"),
        pytest.param("  beta:", "  https:", "it is a protocol", id="named as a protocol"),
        pytest.param("  beta:", "  be ta:", "not a name", id="name with a blank"),
        pytest.param("  beta:", "  kitten:", '"kitten" is the name of two products', id="named as a module"),
        pytest.param("  beta:", "  alpha-10:", "release of two", id="release of two products"),
        pytest.param("path: alpha/linux", "path: ../alpha", "not a path below", id="path upwards"),
        pytest.param("path: alpha/linux", "path: a/$releasever", "no variable", id="path with a variable"),
        pytest.param("images/$releasever/$basearch", "images", "$basearch in it", id="ISOs without arch"),
        pytest.param('versions: ["9"]}', 'versions: ["8"]}', "nothing in this list", id="version of a repo"),
        pytest.param('"b-$releasever": base', '"b-$stream": base', "no other variable", id="other variable"),
        pytest.param(
            '"b-$releasever": base', '"$releasever$releasever": base', "each once", id="variable twice"
        ),
        pytest.param('"b-$releasever": base', '"b-$repo": base', "just if", id="variable of the name alone"),
        pytest.param('"b-$releasever": base', '"b": $repo', "just if", id="variable of the value alone"),
        pytest.param('"b-$releasever": base', '"b-$repo": $repo-x', "fits nothing", id="no such repo"),
        pytest.param(
            '"b-$releasever": base',
            '"b-$releasever": {repo: base, release: "${releasever}z"}',
            "fits nothing",
            id="no such release",
        ),
        pytest.param(
            '"b-$releasever": base',
            '"b-$repo": {disabled: true}',
            "must have it too",
            id="no value for $repo",
        ),
    ],
)
def test_faults(tmp_path: Path, old: str, new: str, words: str) -> None:
    """A config at fault is not used, and the error says what is wrong and what is allowed."""
    text = CONFIG.replace(old, new, 1)
    assert text != CONFIG
    if new == "  alpha-10:":
        text = text.replace('versions: ["9"]\n    arches', "versions: [kitten]\n    arches").replace(
            'arches: {"9": [x86_64]}\n    isos: images', "arches: {kitten: [x86_64]}\n    isos: images"
        )
    with pytest.raises(SourceError) as caught:
        read_config(tmp_path, text)
    faults = [finding for finding in caught.value.findings if finding.severity is Severity.FAULT]
    assert any(words in fault.message for fault in faults), faults


def read(folder: Path, address: str) -> tuple[Mirror | None, list[str]]:
    config, _ = read_config(folder, CONFIG)
    path = folder / "mirror.example.org.yml"
    path.write_text(f"name: mirror.example.org\ngeolocation: {{country: DE}}\n{address}\n")
    mirror, findings = read_mirror(path, config)
    return mirror, [finding.message for finding in findings]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        pytest.param(
            "address: {https: https://mirror.example.org/pub}",
            {"alpha": {"https": f"{HTTPS}pub/alpha/linux/"}, "beta": {"https": f"{HTTPS}pub/beta/"}},
            id="all of them, but for one that it would have to name",
        ),
        pytest.param(
            "address: {beta: {https: https://mirror.example.org/b, http: http://mirror.example.org/b}}",
            {"beta": {"https": f"{HTTPS}b/", "http": "http://mirror.example.org/b/"}},
            id="one, at its own URLs",
        ),
        pytest.param(
            "address: {extra: {https: https://mirror.example.org/e}}\n"
            "address_optional: {kitten: {https: https://mirror.example.org/k}}",
            {"extra": {"https": f"{HTTPS}e/"}, "kitten": {"https": f"{HTTPS}k/"}},
            id="a module beside",
        ),
    ],
)
def test_addresses(tmp_path: Path, address: str, expected: dict[str, dict[str, str]]) -> None:
    """A mirror carries all products, each at its path below one address, or those that it names."""
    mirror, findings = read(tmp_path, address)
    assert findings == []
    assert mirror is not None
    assert (mirror.addresses, mirror.module_addresses) == ({}, expected)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        pytest.param(
            "address: {https: https://mirror.example.org/, beta: {https: https://mirror.example.org/b}}",
            "must not stand beside products",
            id="both",
        ),
        pytest.param("address: {beta: https://mirror.example.org/}", "must be a mapping", id="no mapping"),
        pytest.param(
            "address: {beta: {rsync: rsync://mirror.example.org/b}}", "http or https", id="no usable protocol"
        ),
        pytest.param(
            "address: {betta: {https: https://mirror.example.org/b}}", 'did you mean "beta"?', id="misspelt"
        ),
    ],
)
def test_addresses_at_fault(tmp_path: Path, address: str, words: str) -> None:
    """What cannot be meant is a fault."""
    mirror, findings = read(tmp_path, address)
    assert mirror is None
    assert any(words in finding for finding in findings), findings


def test_versions_of_a_mirror(tmp_path: Path) -> None:
    """`versions` has the names of releases, product and all."""
    mirror, findings = read(
        tmp_path, "address: {https: https://mirror.example.org/}\nversions: [alpha-9, beta-9]"
    )
    assert (findings, mirror and mirror.versions) == ([], ("alpha-9.8", "beta-9"))


def test_the_same_url_in_two_files(tmp_path: Path) -> None:
    """It is named once, for the products of one file together."""
    one, _ = read(tmp_path, "address: {https: https://mirror.example.org/}")
    assert one is not None
    findings = check_network({"a.yml": one, "mirror.example.org.yml": one}, {})
    assert [finding.severity for finding in findings] == [Severity.FAULT, Severity.WARNING]
    assert findings[1].message.count("https://") == 2
    the_finding(findings[1:], Severity.WARNING, "is also in mirror.example.org.yml")
