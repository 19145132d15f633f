"""The check of a whole data folder, for `mirrorwise check` and a pull request's CI: every input file
that people write, and those of the probers where they are there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from app.model import Finding, Mirror, ServiceConfig, Severity, SourceError
from app.sources.cloud import read_cloud_folder
from app.sources.cloud.overlap import netblock_findings
from app.sources.gazetteer import Gazetteer
from app.sources.mirmon import read_mirmon
from app.sources.mirror_files import check_network, read_mirror
from app.sources.place_counts import read_place_counts
from app.sources.probe_state import read_mirror_state, read_repo_facts, read_round
from app.sources.service_config import read_service_config
from app.sources.yaml_file import line_of

CONFIG_FILE = "config.yml"
CLOUD_FOLDER = "cloud"
COUNTS_FILE = "places.csv"
MIRMON_FILE = "mirmon.state"
MIRROR_FILE_ENDINGS = (".yml", ".yaml")


def check(data_dir: Path) -> list[Finding]:
    """By file (with `data_dir` before it) and line. Without a sound service config nothing else can be
    judged, and its findings are all there is."""
    config_path = data_dir / CONFIG_FILE
    try:
        config, findings = read_service_config(config_path)
    except SourceError as error:
        return _located(error.findings, data_dir)
    found = _located(findings, data_dir)
    mirrors_dir = data_dir / config.mirrors_dir
    mirrors, findings = _read_mirrors(mirrors_dir, config)
    clouds, cloud_findings = read_cloud_folder(data_dir / CLOUD_FOLDER)
    found += _located(cloud_findings, data_dir / CLOUD_FOLDER)
    declared = [(file, mirror.name, mirror.subnets) for file, mirror in mirrors.items()]
    published = [cloud_range for ranges in clouds.values() for cloud_range in ranges.ranges]
    later = check_network(mirrors) + _unlocatable(mirrors) + netblock_findings(declared, published)
    findings += [_with_line(finding, mirrors_dir) for finding in later]
    found += _located(findings, mirrors_dir)
    if not mirrors:
        message = "there is no usable mirror file in this folder"
        found.append(Finding(severity=Severity.FAULT, file=str(mirrors_dir), message=message))
    found += _faults_of(read_place_counts, data_dir / COUNTS_FILE)
    found += _check_states(data_dir, mirrors)
    return sorted(found, key=lambda finding: (finding.file, finding.line or 0, finding.severity))


def mirror_paths(mirrors_dir: Path) -> list[Path]:
    """The mirror files of a folder, by name. Hidden ones are an editor's, not ours."""
    if not mirrors_dir.is_dir():
        return []
    return sorted(
        path
        for path in mirrors_dir.iterdir()
        if path.suffix in MIRROR_FILE_ENDINGS and not path.name.startswith(".")
    )


def _read_mirrors(mirrors_dir: Path, config: ServiceConfig) -> tuple[dict[str, Mirror], list[Finding]]:
    mirrors, found = {}, []
    for path in mirror_paths(mirrors_dir):
        mirror, findings = read_mirror(path, config)
        found += findings
        if mirror is not None:
            mirrors[path.name] = mirror
    return mirrors, found


def _unlocatable(mirrors: dict[str, Mirror]) -> list[Finding]:
    gazetteer = Gazetteer()
    return [
        Finding(
            severity=Severity.WARNING,
            file=file,
            message=f'geolocation.city: "{mirror.city}" is not in the list of places of {mirror.country}; '
            "check its spelling, or give latitude and longitude",
        )
        for file, mirror in mirrors.items()
        if mirror.city and mirror.country and not mirror.coordinates
        if gazetteer.find(mirror.country, mirror.state_province, mirror.city) is None
    ]


def _check_states(data_dir: Path, mirrors: dict[str, Mirror]) -> list[Finding]:
    state_dir = data_dir / "state"
    readers: list[tuple[Path, Callable[[Path], object]]] = [
        (path, read_mirror_state) for path in (state_dir / "mirrors").glob("*.json")
    ]
    readers += [(state_dir / "repos.json", read_repo_facts), (state_dir / "round.json", read_round)]
    found = [finding for path, read in readers for finding in _faults_of(read, path)]
    mirmon_path = data_dir / MIRMON_FILE
    try:
        _, findings = read_mirmon(mirmon_path, mirrors.values()) if mirmon_path.exists() else ({}, [])
    except SourceError as error:
        findings = error.findings
    return found + _located(findings, data_dir)


def _faults_of(read: Callable[[Path], object], path: Path) -> list[Finding]:
    try:
        if path.exists():
            read(path)
    except SourceError as error:
        return _located(error.findings, path.parent)
    return []


def _with_line(finding: Finding, folder: Path) -> Finding:
    """For findings about a mirror that has been read already: their messages begin with the key."""
    keys = finding.message.partition(":")[0].split(".")
    return msgspec.structs.replace(finding, line=line_of(folder / finding.file, *keys))


def _located(findings: list[Finding], folder: Path) -> list[Finding]:
    """With the folder before the file's name, so that an editor or a CI finds it."""
    return [msgspec.structs.replace(finding, file=str(folder / finding.file)) for finding in findings]
