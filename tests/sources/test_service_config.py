"""config.yml becomes a ServiceConfig, or an error that names every fault with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.model import ProbePolicy, Repo, RepoName, SelectionPolicy, Severity, SourceError
from app.sources.service_config import read_service_config
from tests.sources.samples import CONFIG, read_config, the_finding

ALMALINUX = CONFIG.replace("origin: http://repo.example.org\n", "")
"""Without any key of our own."""


def test_versions_become_releases_aliases_and_modules(tmp_path: Path) -> None:
    """Short versions are aliases, full ones releases; a module adds its own releases after them."""
    config, findings = read_config(tmp_path)
    assert findings == []
    assert config.releases == ("8.10", "9.8", "10-kitten")
    assert config.aliases == {"8": "8.10", "9": "9.8"}
    assert config.modules == {"10-kitten": "kitten"}
    assert config.vault_releases == ("9.7", "9.8-beta")
    assert config.vault_url == "http://vault.example.org/"


def test_arches_are_those_of_the_release_else_of_its_major(tmp_path: Path) -> None:
    """Every release and vault release has its arches; a full version's own key comes first."""
    config, _ = read_config(tmp_path, CONFIG.replace('  "9": [', '  "9.7": [x86_64]\n  "9": ['))
    two, three = ("x86_64", "aarch64"), ("x86_64", "aarch64", "s390x")
    assert config.arches == {
        "8.10": two,
        "9.8": three,
        "10-kitten": ("x86_64",),
        "9.7": ("x86_64",),
        "9.8-beta": three,
    }


def test_repos_keep_their_limits(tmp_path: Path) -> None:
    """Paths end in a slash, aliases in `versions` are resolved, no limit means all."""
    config, _ = read_config(tmp_path)
    assert config.repos == (
        Repo(name="baseos", path="BaseOS/$basearch/os/"),
        Repo(name="nfv", path="NFV/$basearch/os/", arches=("x86_64",), releases=("9.8",)),
        Repo(name="baseos-source", path="BaseOS/Source/", vault=True),
    )


def test_without_our_own_keys_the_defaults_hold(tmp_path: Path) -> None:
    """AlmaLinux's config as it stands is enough."""
    config, findings = read_config(tmp_path, ALMALINUX)
    assert the_finding(findings, Severity.WARNING, "origin: is missing", "no metalinks").line == 1
    assert config.selection == SelectionPolicy()
    assert config.probe == ProbePolicy()
    assert (config.origin, config.module_origins, config.repo_names) == (None, {}, ())
    assert config.allowed_outdate_s == 12 * 3600
    assert config.required_protocols == ("http", "https")
    assert config.mirrors_dir == "mirrors.d"


def test_our_own_keys_are_read(tmp_path: Path) -> None:
    """Policy that belongs in review lives here."""
    config, findings = read_config(
        tmp_path,
        ALMALINUX
        + """
allowed_outdate: 1d
mirrors_dir: mirrors/active
required_protocols: [https]
origin: https://origin.example.org/alma
module_origins: {kitten: https://origin.example.org/kitten}
selection: {length: 8, border_km: 0, continent_km: 2000.5, spread_km: 30, max_share: 0, protocols: [https]}
probe:
  full_every: 90m
  grace: 2d
  allow_private_addresses: yes
  contact_url: https://example.org/prober
  requests_per_hour: 60
repo_names:
  os: baseos
  base-9: {repo: baseos, release: "9"}
  epel-9: {disabled: true}
""",
    )
    assert findings == []
    assert config.allowed_outdate_s == 86400
    assert config.mirrors_dir == "mirrors/active"
    assert config.required_protocols == ("https",)
    assert config.origin == "https://origin.example.org/alma/"
    assert config.module_origins == {"kitten": "https://origin.example.org/kitten/"}
    assert config.selection == SelectionPolicy(
        length=8, border_km=0.0, continent_km=2000.5, spread_km=30.0, max_share=0.0, protocols=("https",)
    )
    assert config.probe == ProbePolicy(
        full_every_s=5400,
        grace_s=2 * 86400,
        allow_private_addresses=True,
        contact_url="https://example.org/prober",
        requests_per_hour=60,
    )
    assert config.repo_names == (
        RepoName(name="os", repo="baseos"),
        RepoName(name="base-9", repo="baseos", release="9.8"),
        RepoName(name="epel-9", disabled=True),
    )


def test_versions_without_quotes_are_their_text(tmp_path: Path) -> None:
    """9.8 is unambiguous; 8.10 is read as it stands, with a warning, since others read 8.1."""
    text = CONFIG.replace('["8", "8.10", "9", "9.8"]', "[8, 8.10, 9, 9.8]")
    text = text.replace('{"8": "8.10", "9": "9.8"}', "{8: 8.10, 9: 9.8}")
    config, findings = read_config(tmp_path, text)
    assert config.releases == ("8.10", "9.8", "10-kitten")
    assert config.aliases == {"8": "8.10", "9": "9.8"}
    assert [(f.severity, f.line) for f in findings] == [(Severity.WARNING, 2), (Severity.WARNING, 3)]
    assert '"8.10"' in findings[0].message
    assert "8.1" in findings[0].message


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        pytest.param("vault_mirror", "vault_miror", 6, '"vault_mirror"', id="typo in a key"),
        pytest.param("    vault: true", "    pth: Source", 20, '"path"', id="typo in a repo's key"),
        pytest.param('versions: ["9"]', 'versions: ["9", "9.9"]', 17, '"9.9"', id="repo's unknown version"),
        pytest.param(
            "arches: [x86_64]", "arches: [x86_64, x86-64]", 16, '"x86_64"', id="repo's unknown arch"
        ),
        pytest.param('  "9": [', '  "7": [i686]\n  "9": [', 10, "7", id="arches of no release"),
        pytest.param(
            "vault_mirror:",
            "allowed_outdate: 6h\nallowed_outdate: 12h\nvault_mirror:",
            7,
            "line 6",
            id="key twice",
        ),
    ],
)
def test_what_can_be_passed_over_is_a_warning(
    tmp_path: Path, old: str, new: str, line: int, words: str
) -> None:
    """The config is used, and the person who wrote it learns of the slip."""
    _, findings = read_config(tmp_path, CONFIG.replace(old, new))
    assert [finding.severity for finding in findings] == [Severity.WARNING]
    assert findings[0].line == line
    assert words in findings[0].message


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        pytest.param("config_version: 3", "config_version: 2", 1, "must be 3", id="other version"),
        pytest.param("config_version: 3\n", "", None, "config_version", id="no version"),
        pytest.param('{"8": "8.10",', '{"8": "8.11",', 3, '"8.10"', id="alias of nothing"),
        pytest.param('{"8": "8.10",', '{"8": ["8.10", "9.8"],', 3, "2 entries", id="alias of two"),
        pytest.param(
            "http://vault.example.org", "[http://vault.example.org]", 6, "single", id="list of URLs"
        ),
        pytest.param("name: nfv", "name: {a: nfv}", 14, "single", id="repo's name"),
        pytest.param('{"8": "8.10",', '{"8": "9",', 3, "itself short", id="alias of an alias"),
        pytest.param('  "8": [x86_64, aarch64]\n', "", None, '"8.10"', id="release without arches"),
        pytest.param(
            '"10-kitten": [x86_64]', '"10": [x86_64]', None, '"10-kitten"', id="no major's arches for modules"
        ),
        pytest.param("name: nfv", "name: baseos", 14, "two repos", id="repo twice"),
        pytest.param("path: NFV/$basearch/os", "pat: x", 14, "needs a path", id="repo without path"),
        pytest.param("NFV/$basearch/os", "/NFV/os", 15, "path below", id="absolute path"),
        pytest.param("NFV/$basearch/os", "../NFV", 15, "path below", id="path upwards"),
        pytest.param("NFV/$basearch/os", "NFV/$stream", 15, "path below", id="other variable"),
        pytest.param("NFV/$basearch/os", "NFV/$basearchs/os", 15, "path below", id="variable misspelt"),
        pytest.param(
            "arches: [x86_64]\n", "arches: [sparc]\n", 16, "nothing in this list", id="no arch left"
        ),
        pytest.param(
            "http://vault.example.org", "vault.example.org", 6, "must begin with", id="URL without scheme"
        ),
        pytest.param("[x86_64, aarch64]", "x86_64 aarch64", 9, "not a name", id="arch with a blank"),
        pytest.param(
            "arches:\n  ", "arches: [x86_64]\nx:\n  ", 8, "must be a mapping", id="arches as a list"
        ),
        pytest.param("    vault: true", "    vault: maybe", 20, "true or false", id="flag that is none"),
        pytest.param("repos:", "repositories:", None, "at least one repo", id="no repos"),
        pytest.param(
            'versions: ["8", "8.10", "9", "9.8"]',
            'versions: ["8", "../etc", "9", "9.8", "8.10"]',
            2,
            "not a name",
            id="version as a path",
        ),
    ],
)
def test_faults_are_all_named_at_once(
    tmp_path: Path, old: str, new: str, line: int | None, words: str
) -> None:
    """A config with a fault is not used, and the error says where the fault is."""
    assert old in CONFIG
    with pytest.raises(SourceError) as caught:
        read_config(tmp_path, CONFIG.replace(old, new, 1))
    faults = [finding for finding in caught.value.findings if finding.severity is Severity.FAULT]
    assert any(words in fault.message and (line is None or fault.line == line) for fault in faults), faults
    assert all(finding.file == "config.yml" for finding in faults)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("allowed_outdate: soon", "12h"),
        ("allowed_outdate: 0h", "12h"),
        ("allowed_outdate: 367d", "at most a year"),
        ("allowed_outdate: [12h, 6h]", "must be a single value"),
        ("origin: [https://example.org/, https://example.com/]", "must be a single value"),
        ("module_origins: {kitten: [https://example.org/]}", "must be a single value"),
        ("mirrors_dir: [mirrors.d]", "must be a single value"),
        ("mirrors_dir: ../mirrors", "folder below"),
        ("mirrors_dir: /etc", "folder below"),
        ("required_protocols: [ftp]", "http, https, rsync"),
        ("origin: https://example.org/?x", "query"),
        ("selection: {length: 51}", "at most 50"),
        ("selection: {length: 2.5}", "whole number"),
        ("selection: {border_km: -1}", "at least 0"),
        ("selection: {spread_km: nan}", "at least 0"),
        ("selection: {spread_km: .inf}", "at least 0"),
        ("selection: {max_share: 0.5}", "at least 1"),
        ("selection: {protocols: [gopher]}", "nothing in this list"),
        ("selection: [length]", "mapping"),
        ("probe: {full_every: often}", "12h"),
        ("probe: {full_every: 99999999w}", "at most a year"),
        ("probe: {grace: {hours: 3}}", "must be a single value"),
        ("probe: {requests_per_hour: 0}", "at least 1"),
        ("probe: {allow_private_addresses: 2}", "true or false"),
        ("repo_names: {os: baseo}", '"baseos"'),
        ('repo_names: {os: {repo: baseos, release: "9.9"}}', "9.9"),
        ("repo_names: {os: {}}", "must give"),
    ],
)
def test_our_own_keys_have_limits(tmp_path: Path, text: str, words: str) -> None:
    """A value that makes no sense is a fault which says what is allowed."""
    with pytest.raises(SourceError) as caught:
        read_config(tmp_path, f"{CONFIG}{text}\n")
    assert [finding.line for finding in caught.value.findings] == [21] * len(caught.value.findings)
    assert words in str(caught.value)


def test_a_config_that_is_not_there_is_an_error_for_people(tmp_path: Path) -> None:
    """The file's name and the system's reason are in the text."""
    with pytest.raises(SourceError, match=r"config\.yml: fault: the file cannot be read: No such file"):
        read_service_config(tmp_path / "config.yml")
