"""Reads all inputs of a snapshot from files."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import PurePath

from app.files import FileCache, Marks, is_gone, mark
from app.logs import Faults
from app.model import Finding, Severity, SourceError, digest_of
from app.settings import Settings
from app.snapshot.compile import Inputs
from app.snapshot.networks import ClientNetworks
from app.sources.folder import DataFolder
from app.sources.gazetteer import Gazetteer
from app.sources.people_files import PeopleFiles
from app.sources.place_counts import read_place_counts
from app.sources.state_files import StateFiles
from app.worker.geography import GeoFiles, NetworkFiles
from app.worker.locate import Locator
from app.worker.memory import Memory

log = logging.getLogger("mirrorwise.worker")


class InputReader:
    """Reads everything that a snapshot is compiled from. `read_s` says when each kind of input was read last,
    in epoch seconds. `clients` says how many there are by place: as counted in places.csv if there is
    one (`has_counts`), or else as the city database lets us guess."""

    def __init__(self, settings: Settings, faults: Faults) -> None:
        self._folder = folder = DataFolder(settings.data_dir)
        self.people = PeopleFiles(folder)
        self.probe = StateFiles(folder)
        self.geo = GeoFiles(settings, faults)
        self.networks = NetworkFiles(folder.cloud, settings.var_dir, faults)
        self.clients: Mapping[str, float] = {}
        self.read_s: dict[str, float] = {}
        self.has_counts = False
        self._faults = faults
        self._remarks = Faults(log)  # warnings about state files, which are logged once and counted nowhere
        self._counts = FileCache(read_place_counts)
        self._gazetteer = Gazetteer()

    @property
    def faults(self) -> Mapping[str, str]:
        """The texts of all faults in inputs, by subject."""
        return self._faults.current

    def recall(self, memory: Memory) -> None:
        """Begins with the inputs that were good when this memory was stored."""
        self.people.config = memory.config or self.people.config
        self.people.definitions = {**self.people.definitions, **memory.definitions}
        self.probe.last_round = memory.last_round or self.probe.last_round
        self.probe.repomd = memory.repomd or self.probe.repomd

    def locator(self) -> Locator:
        """A locator with the databases that were read last."""
        return Locator(self._gazetteer, self.geo.cities, self.geo.asns)

    def marks(self) -> Marks:
        """The marks of all input files, but for the prober's state. They change when an input does."""
        return {
            **self.people.marks(),
            **self.geo.marks(),
            **self.networks.marks(),
            str(self._folder.counts): mark(self._folder.counts),
        }

    def read(self, now: float, load_km: Mapping[str, float]) -> Inputs:
        """Reads everything as it is now. Raises SourceError while there has never been a good config."""
        try:
            config = self.people.read()
        finally:
            self._name_people_faults()
        self.networks.read()
        mirrors = sorted(self.networks.refuse(self.people.definitions), key=lambda mirror: mirror.name)
        self.probe.read(mirrors)
        self._faults.replace("state", _by_file(self.probe.findings, Severity.FAULT))
        self._remarks.replace("state", _by_file(self.probe.findings, Severity.WARNING))
        self.geo.read(now)
        self.geo.scan()
        self.clients = self._read_clients()
        self.read_s = dict.fromkeys(("config", "mirrors", "state", "cloud", "geoip"), now)
        locator = self.locator()
        states = self.probe.states
        locations = {mirror.name: locator.locate(mirror, states.get(mirror.name)) for mirror in mirrors}
        measured = {name: location.asns for name, location in locations.items()}
        networks = self.networks.build(mirrors, measured, self.geo.asns)
        return Inputs(
            config=config,
            mirrors=mirrors,
            locations=locations,
            states=states,
            last_round=self.probe.last_round,
            places=self.geo.places,
            networks=ClientNetworks(
                digest=digest_of(networks.mmdb) if networks.mmdb else None,
                overlays=networks.overlays,
                measured_asns=measured,
            ),
            repomd=self.probe.repomd,
            load_km=load_km,
        )

    def _name_people_faults(self) -> None:
        """Notes the faults in people's files, as "config", "mirrors/a.yml", and "mirrors" for the folder."""
        faults = _by_file(self.people.findings, Severity.FAULT)
        config = faults.pop(self._folder.config.name, None)
        self._faults.replace("config", {"config": config} if config else {})
        if self.people.config is not None:
            folder = str(PurePath(self.people.config.mirrors_dir))
            mirrors = {f"mirrors{file.removeprefix(folder)}": text for file, text in faults.items()}
            self._faults.replace("mirrors", mirrors)

    def _read_clients(self) -> Mapping[str, float]:
        self.has_counts = not is_gone(self._folder.counts)
        if self.has_counts:
            try:
                counts = self._counts.get(self._folder.counts)
            except SourceError as error:
                self._faults.set("places.csv", str(error))
                return self.clients
            self._faults.clear("places.csv")
            return counts
        self._faults.clear("places.csv")
        table = self.geo.places
        return {} if table is None else dict(zip(table.names, table.clients.tolist(), strict=True))


def _by_file(findings: Iterable[Finding], severity: Severity) -> dict[str, str]:
    """The findings of a severity as one text for each file."""
    texts = defaultdict(list)
    for finding in findings:
        if finding.severity is severity:
            texts[finding.file].append(str(finding))
    return {file: "; ".join(joined) for file, joined in texts.items()}
