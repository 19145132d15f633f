"""A small service config and mirror file, to be varied by the tests."""

from __future__ import annotations

from pathlib import Path

from app.model import Finding, Mirror, ServiceConfig, Severity
from app.sources.mirror_files import read_mirror
from app.sources.service_config import read_service_config

CONFIG = """\
config_version: 3
versions: ["8", "8.10", "9", "9.8"]
duplicated_versions: {"8": "8.10", "9": "9.8"}
optional_module_versions: {kitten: ["10"]}
vault_versions: ["9.7", "9.8-beta"]
vault_mirror: http://vault.example.org
origin: http://repo.example.org
arches:
  "8": [x86_64, aarch64]
  "9": [x86_64, aarch64, s390x]
  "10-kitten": [x86_64]
repos:
  - {name: baseos, path: BaseOS/$basearch/os/}
  - name: nfv
    path: NFV/$basearch/os
    arches: [x86_64]
    versions: ["9"]
  - name: baseos-source
    path: BaseOS/Source/
    vault: true
"""

MIRROR = """\
name: mirror.example.org
address:
  http: http://mirror.example.org/alma/
"""

LOCATED = MIRROR + "geolocation: {country: DE, city: Berlin}\n"


def read_config(folder: Path, text: str = CONFIG) -> tuple[ServiceConfig, list[Finding]]:
    path = folder / "config.yml"
    path.write_text(text, encoding="utf-8")
    return read_service_config(path)


def read_sample(
    folder: Path, content: str | bytes, name: str = "mirror.example.org.yml"
) -> tuple[Mirror | None, list[Finding]]:
    config, _ = read_config(folder)
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_mirror(path, config)


def severities(findings: list[Finding]) -> list[Severity]:
    return [finding.severity for finding in findings]


def the_finding(findings: list[Finding], severity: Severity, *words: str) -> Finding:
    """The only one there is, of this severity and with these words in its message."""
    assert [finding.severity for finding in findings] == [severity], findings
    for word in words:
        assert word in findings[0].message
    return findings[0]
