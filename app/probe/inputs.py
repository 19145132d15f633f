"""The service config and the mirror files, read anew for every round."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.model import Mirror, ServiceConfig, Severity, SourceError
from app.sources.check import CONFIG_FILE, mirror_paths
from app.sources.mirror_files import read_mirror
from app.sources.service_config import read_service_config

log = logging.getLogger("mirrorwise.probe")


@dataclass(frozen=True)
class Inputs:
    """`mirrors` by name."""

    config: ServiceConfig
    mirrors: Mapping[str, Mirror]


def read_inputs(data_dir: Path, last: Inputs | None) -> Inputs:
    """A mirror whose file has a fault keeps its last definition (by the file's name, which most
    mirrors are called after), and so does the config. Raises SourceError when there is no config
    at all. The faults themselves are `mirrorwise check`'s to explain."""
    try:
        config, _ = read_service_config(data_dir / CONFIG_FILE)
    except SourceError as error:
        if last is None:
            raise
        log.warning("the service config cannot be used, so the last one stays: %s", error)
        config = last.config
    mirrors: dict[str, Mirror] = {}
    for path in mirror_paths(data_dir / config.mirrors_dir):
        mirror, findings = read_mirror(path, config)
        if mirror is None:
            faults = [str(finding) for finding in findings if finding.severity is Severity.FAULT]
            log.warning("%s cannot be used: %s", path.name, "; ".join(faults))
            mirror = last.mirrors.get(path.stem) if last else None
        if mirror is not None:
            mirrors.setdefault(mirror.name, mirror)
    return Inputs(config, mirrors)
