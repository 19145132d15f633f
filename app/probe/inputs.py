"""The service config and the mirror files as the prober uses them, read again before every round."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from app.model import Mirror, ServiceConfig, Severity
from app.sources.people_files import PeopleFiles

log = logging.getLogger("mirrorwise.probe")


@dataclass(frozen=True)
class Inputs:
    """`mirrors` by name."""

    config: ServiceConfig
    mirrors: Mapping[str, Mirror]


def read_inputs(files: PeopleFiles) -> Inputs:
    """What is at fault keeps its last definition, and is named in the log. Raises SourceError when there
    has never been a good config."""
    config = files.read()
    for finding in files.findings:
        if finding.severity is Severity.FAULT:
            log.warning("the last good definition stays, if there is one: %s", finding)
    return Inputs(config, {mirror.name: mirror for mirror in files.definitions.values()})
