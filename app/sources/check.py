"""Checks a whole data folder, for `mirrorwise check` and the CI of pull requests.

It reads every input file that people write, and the probers' files where there are any. It also warns of
files that look like inputs but that no program reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from app.clouds.overlap import netblock_findings
from app.clouds.read import read_cloud_folder
from app.files import guarded, is_gone
from app.model import Finding, Mirror, Record, ServiceConfig, SourceError
from app.model.errors import fault, warning
from app.sources.folder import DataFolder
from app.sources.gazetteer import Gazetteer
from app.sources.geofeeds import Geofeeds
from app.sources.people_files import PeopleFiles
from app.sources.place_counts import read_place_counts
from app.sources.reach import asn_findings, by_asn
from app.sources.report import located
from app.sources.state_files import StateFiles
from app.sources.unread import unread, unread_config
from app.sources.yaml_file import line_of

AsnPrefixes = Callable[[Sequence[int]], Iterable[tuple[str, int]]]
"""A function that returns the (prefix, AS number) pairs of some ASes."""


class CheckedFolder(Record, frozen=True, kw_only=True):
    """The result of checking a data folder."""

    #: What is wrong in it, sorted by file and line. Files are named by their paths in the folder.
    findings: list[Finding]
    #: None if the service config has a fault. Then nothing else can be judged.
    config: ServiceConfig | None = None
    #: The mirrors by the names of their files.
    mirrors: Mapping[str, Mirror] = {}


def check(data_dir: Path, asn_prefixes: AsnPrefixes | None = None) -> list[Finding]:
    """Checks a data folder. Returns the findings (faults and warnings), sorted by file (with `data_dir`
    before it) and line."""
    return located(check_folder(data_dir, asn_prefixes).findings, data_dir)


def check_folder(
    data_dir: Path, asn_prefixes: AsnPrefixes | None = None, last: Mapping[str, Mirror] | None = None
) -> CheckedFolder:
    """Checks a data folder. If the service config has a fault, nothing else can be judged, and only the
    findings about it are returned. Without `asn_prefixes`, it is not checked how many addresses the AS
    numbers of a mirror cover. `last` are the mirrors that were known before, by file: if two files have the
    same mirror, the one that had it before keeps it."""
    folder = DataFolder(data_dir)
    people, states, geofeeds = PeopleFiles(folder), StateFiles(folder), Geofeeds(folder.geofeeds)
    people.definitions = dict(last or {})
    try:
        config = people.read()
    except SourceError as error:
        return CheckedFolder(findings=_sorted([*error.findings, *unread_config(folder)]))
    mirrors_dir = folder.name_of(folder.mirrors(config))
    clouds, cloud_findings = read_cloud_folder(folder.cloud)
    declared = [(file, mirror.name, mirror.subnets) for file, mirror in people.definitions.items()]
    published = [cloud_range for ranges in clouds.values() for cloud_range in ranges.ranges]
    later = _unlocatable(people.definitions) + netblock_findings(declared, published)
    if asn_prefixes is not None:
        wanted = sorted({asn for mirror in people.definitions.values() for asn in mirror.asns})
        later += asn_findings(people.definitions, by_asn(asn_prefixes(wanted)), published)
    states.read(people.definitions.values())
    geofeeds.read()
    found = [
        *people.findings,
        *located(later, mirrors_dir),
        *located(cloud_findings, folder.name_of(folder.cloud)),
        *states.findings,
        *located(geofeeds.findings, folder.name_of(folder.geofeeds)),
        *_count_faults(folder),
        *unread(folder, mirrors_dir, people.definitions),
    ]
    if not people.definitions and not any(finding.file == mirrors_dir for finding in found):
        found.append(fault(mirrors_dir, "there is no usable mirror file in this folder"))
    return CheckedFolder(
        findings=_sorted([with_line(finding, folder, mirrors_dir) for finding in found]),
        config=config,
        mirrors=people.definitions,
    )


def _sorted(findings: list[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: (finding.file, finding.line or 0, finding.severity))


def _unlocatable(mirrors: Mapping[str, Mirror]) -> list[Finding]:
    gazetteer = Gazetteer()
    return [
        warning(
            file,
            f'geolocation.city: "{mirror.city}" is not in the list of places of {mirror.country}; '
            "check its spelling, or give latitude and longitude",
        )
        for file, mirror in mirrors.items()
        if mirror.city and mirror.country and not mirror.coordinates
        if gazetteer.find(mirror.country, mirror.state_province, mirror.city) is None
    ]


def _count_faults(folder: DataFolder) -> list[Finding]:
    if is_gone(folder.counts):
        return []
    try:
        guarded(read_place_counts, folder.counts)
    except SourceError as error:
        return error.findings
    return []


def with_line(finding: Finding, folder: DataFolder, mirrors_dir: str) -> Finding:
    """Returns a finding about a mirror file with its line. A finding that was made after the file was read
    has no line yet, but its message begins with the key, which is looked up in the file."""
    if finding.line is not None or not finding.file.startswith(f"{mirrors_dir}/"):
        return finding
    keys = finding.message.partition(":")[0].split(".")
    return msgspec.structs.replace(finding, line=line_of(folder.root / finding.file, *keys))
