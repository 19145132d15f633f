"""The draft of a data folder, made of what another service knows, and how it is written.

Everything is read back by the readers of our own files: what they do not accept is taken out of the draft,
and named. So what is written is sound, and what could not be carried over is known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from app.files import replace
from app.model import Finding, ServiceConfig, Severity, SourceError
from app.model.errors import fault, warning
from app.model.words import quoted
from app.sources.folder import DataFolder, require_absent
from app.sources.foreign.yaml_values import Yaml, as_yaml
from app.sources.gazetteer import Gazetteer
from app.sources.geofeeds import read_geofeed
from app.sources.mirror_files import MIRROR_NAME, read_mirror
from app.sources.restricting import OF_MIRROR
from app.sources.service_config import read_service_config

_TRIES = 20


@dataclass
class Draft:
    """What is to be written. Its values are those of our files."""

    #: The content of config.yml.
    config: bytes
    #: The content of each mirror file. Each has a `name`, which is different for each, whatever the case.
    mirrors: list[dict[str, Yaml]]
    #: The rows of a geofeed.
    corrections: list[str] = field(default_factory=list)
    #: What cannot be carried over.
    lost: list[Finding] = field(default_factory=list)


@dataclass(frozen=True)
class WrittenFolder:
    """What was written of a draft."""

    config: ServiceConfig
    #: How many mirror files there are.
    mirrors: int
    #: What could not be carried over.
    lost: list[Finding]


def write(draft: Draft, directory: Path, service: str) -> WrittenFolder:
    """Writes a draft; `service` names where it comes from. Raises SourceError if there is a data folder
    already; then nothing is written."""
    folder = DataFolder(directory)
    mirrors, geofeed = folder.mirrors(None), folder.geofeeds / f"{service.lower()}.csv"
    require_absent([folder.config, mirrors, geofeed])
    replace(folder.config, draft.config)
    try:
        config, findings = read_service_config(folder.config)
    except SourceError:
        folder.config.unlink()
        raise
    lost = [*draft.lost, *findings]
    for mirror in draft.mirrors:
        name = str(mirror["name"])
        if MIRROR_NAME.fullmatch(name):
            lost += _write_mirror(mirrors / f"{name}.yml", mirror, config)
        else:
            lost.append(fault(service, f"there is no mirror {quoted(name)}, as this cannot be a name"))
    if draft.corrections:
        lost += _write_geofeed(geofeed, draft.corrections)
    return WrittenFolder(config, len(list(mirrors.glob("*.yml"))), lost)


def _write_geofeed(path: Path, rows: list[str]) -> list[Finding]:
    """Writes a geofeed without the rows that our reader does not accept. Returns these."""
    replace(path, _lines(rows))
    try:
        read_geofeed(path, Gazetteer())
    except SourceError as error:
        bad = {finding.line: finding for finding in error.findings if finding.line is not None}
        kept = [row for number, row in enumerate(rows, 1) if number not in bad]
        path.unlink()
        lost = [warning(path.name, f"left out: {rows[line - 1]}: {why.message}") for line, why in bad.items()]
        return [*lost, *(_write_geofeed(path, kept) if kept and bad else [])]
    return []


def _lines(rows: list[str]) -> bytes:
    return "".join(f"{row}\n" for row in rows).encode()


def _write_mirror(path: Path, mirror: dict[str, Yaml], config: ServiceConfig) -> list[Finding]:
    """Writes a mirror file. Takes out what our reader does not accept; if it does not accept the rest either,
    there is no file. Returns what was taken out, with the reasons."""
    lost: list[Finding] = []
    content = dict(mirror)
    for _ in range(_TRIES):
        replace(path, as_yaml(content, "Imported; see data/README.md for every key."))
        read, findings = read_mirror(path, config)
        if read is not None:
            return [*lost, *findings]
        faults = [finding for finding in findings if finding.severity is Severity.FAULT]
        lost += [warning(path.name, f"left out: {finding.message}") for finding in faults]
        taken = [_without(content, finding.message) for finding in faults]
        if not any(taken):
            break
    path.unlink()
    return [*lost, fault(path.name, "there is no mirror file, because nothing could be left out any more")]


def _without(content: dict[str, Yaml], message: str) -> bool:
    """Takes out of a file what a message is about: entries of a list that it names, or else the key. Returns
    whether it did. What restricts a mirror stays, because without it the mirror would be open to others."""
    key, _, rest = message.partition(":")[0].partition(".")
    value = content.get(key)
    if key == "name" or key in OF_MIRROR.keys or value is None:
        return False
    if isinstance(value, list) and (named := [entry for entry in value if f'"{entry}"' in message]):
        value[:] = [entry for entry in value if entry not in named]
    elif isinstance(value, dict) and rest in value:
        del value[rest]
    elif key == "address":
        return False
    else:
        del content[key]
    return True
