"""Reads all inputs of a snapshot from files."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import PurePath

from app.files import FileCache, Marks, is_gone, listing_error, mark
from app.history.recent import read_recent
from app.logs import Faults
from app.model import Mirror, MirrorState, Severity, SourceError, digest_of
from app.settings import Settings
from app.snapshot.compile import Inputs, MirrorLocation
from app.snapshot.demand import expected_clients
from app.snapshot.networks import ClientNetworks
from app.sources.folder import DataFolder
from app.sources.gazetteer import Gazetteer
from app.sources.people_files import PeopleFiles, Written
from app.sources.place_counts import read_place_counts
from app.sources.report import by_file
from app.sources.surveys.known import Known
from app.store import Blob
from app.worker.corrections import CorrectionFiles
from app.worker.counted import CountedRequests
from app.worker.geography import GeoFiles, NetworkFiles
from app.worker.locate import Locator
from app.worker.memory import Memory

log = logging.getLogger("mirrorwise.worker")


class InputReader:
    """Reads everything that a snapshot is compiled from. `read_s` says when each kind of input was read last,
    in epoch seconds. `has_counts` says whether there is a places.csv, whose numbers of clients count."""

    def __init__(self, settings: Settings, faults: Faults) -> None:
        self._folder = folder = DataFolder(settings.data_dir)
        self.people = PeopleFiles(folder)
        self.probe = Known(folder, faults, settings.machine)
        self.geo = GeoFiles(settings, faults)
        self.networks = NetworkFiles(folder.cloud, settings.var_dir, faults)
        self.geofeeds = CorrectionFiles(folder.geofeeds, settings.var_dir, faults)
        self.counted = CountedRequests(partial(read_recent, settings))
        self.read_s: dict[str, float] = {}
        self.has_counts = False
        self._clients: Mapping[str, float] = {}
        self._faults = faults
        self._remarks = Faults(log)  # warnings about state files, which are logged once and counted nowhere
        self._counts = FileCache(read_place_counts)
        self._gazetteer = Gazetteer()

    @property
    def faults(self) -> Mapping[str, str]:
        """Says in words what is wrong with which input now, by the input's name, such as "mirrors/a.yml"."""
        return self._faults.current

    @property
    def clients(self) -> Mapping[str, float]:
        """The number of clients in each place: as in places.csv if that file exists, otherwise by the counted
        requests and the estimate that the city database allows."""
        if self.has_counts:
            return self._clients
        return expected_clients(self._clients, self.counted.by_place)

    def count_clients(self, now: float) -> Mapping[str, float]:
        """Returns the number of clients in each place, after a look into the history database, which may take
        a while."""
        self.counted.refresh(now)
        return self.clients

    def recall(self, memory: Memory) -> None:
        """Takes over the last good inputs from a memory. They count for files that are at fault now."""
        self.people.config = memory.config or self.people.config
        self.people.definitions = {**self.people.definitions, **memory.definitions}

    def locator(self) -> Locator:
        """Returns a locator with the databases that were read last."""
        return Locator(self._gazetteer, self.geo.cities, self.geo.asns)

    def marks(self) -> Marks:
        """Returns the marks (inode, size and times) of all input files except the prober's state, by path.
        They change when an input does."""
        return {
            **self.people.marks(),
            **self.geo.marks(),
            **self.networks.marks(),
            **self.geofeeds.marks(),
            str(self._folder.counts): mark(self._folder.counts),
        }

    def read(self, now: float, load_km: Mapping[str, float]) -> Inputs:
        """Reads all inputs as they are now. `now` is in epoch seconds, and `load_km` are the load prices to
        put in, by mirror name. Raises SourceError while there has never been a good config."""
        return self.inputs(self.refresh(now), load_km)

    def refresh(self, now: float) -> Written:
        """Reads all files, and returns what people have written. Raises SourceError while there has never
        been a good config."""
        try:
            config = self.people.read()
        finally:
            self._name_people_faults()
        with self._at_its_own_cost("cloud"):
            self.networks.read()
        with self._at_its_own_cost("geofeeds"):
            self.geofeeds.read()
        with self._at_its_own_cost("geoip"):
            self.geo.read(now)
            self.geo.scan()
        self.read_state()
        self._clients = self._read_clients()
        self.read_s = dict.fromkeys(("config", "mirrors", "state", "cloud", "geoip"), now)
        return Written(config, self.people.definitions)

    def read_state(self) -> None:
        """Reads the prober's files alone."""
        with self._at_its_own_cost("state"):
            self.probe.read(self.people.definitions.values())
        self._faults.replace("state", by_file(self.probe.findings, Severity.FAULT))
        self._remarks.replace("state", by_file(self.probe.findings, Severity.WARNING))

    def open_databases(self, now: float) -> None:
        """Opens the GeoIP databases alone, without looking for the places in them."""
        with self._at_its_own_cost("geoip"):
            self.geo.read(now)

    @property
    def stock(self) -> dict[str, int]:
        """How much there is of each kind of input that other programs than people make."""
        return {
            "verdicts on mirrors": len(self.probe.states),
            "repos at the origin": len(self.probe.repomd),
            "places of clients": len(self.geo.places.names) if self.geo.places else 0,
            "city databases": int(self.geo.cities is not None),
            "ASN databases": int(self.geo.asns is not None),
            "cloud providers": self.networks.providers,
        }

    @property
    def blobs(self) -> tuple[Blob, ...]:
        """The databases that are published together with a snapshot of what was read last."""
        networks = self.networks.networks.mmdb
        return tuple(blob for blob in (self.geo.database, Blob.of(networks) if networks else None) if blob)

    def inputs(self, written: Written, load_km: Mapping[str, float]) -> Inputs:
        """Puts together what was read last, with `written` as what people have written."""
        claims = self.networks.refuse(written.definitions, self.geo.asns)
        mirrors = sorted(claims, key=lambda mirror: mirror.name)
        states = self.probe.states
        locations = self._located(mirrors, states)
        measured = {name: location.asns for name, location in locations.items()}
        networks = self.networks.build(mirrors, measured, self.geo.asns, self.geofeeds)
        return Inputs(
            config=written.config,
            mirrors=mirrors,
            locations=locations,
            states=states,
            last_round=self.probe.last_round,
            places=self.geo.places,
            corrected=self.geofeeds.cells,
            place_database=self.geo.database.digest if self.geo.database else None,
            networks=ClientNetworks(
                digest=digest_of(networks.mmdb) if networks.mmdb else None,
                overlays=networks.overlays,
                measured_asns=measured,
            ),
            repomd=self.probe.repomd,
            images=self.probe.images,
            load_km=load_km,
        )

    @contextmanager
    def _at_its_own_cost(self, kind: str) -> Iterator[None]:
        """Confines a bug to one kind of input, which the block reads: an exception is noted as a fault of
        this kind, the data that were read before stay in use, and the other kinds are read all the same."""
        try:
            yield
        except Exception as error:
            self._faults.set(f"inputs/{kind}", f"a bug keeps this from being read: {error!r}", trace=True)
        else:
            self._faults.clear(f"inputs/{kind}")

    def _located(
        self, mirrors: Iterable[Mirror], states: Mapping[str, MirrorState]
    ) -> dict[str, MirrorLocation]:
        """Returns the location of each mirror, by its name. A mirror whose record in a GeoIP database makes
        trouble is located by its file alone, and that is noted as a fault."""
        locator = self.locator()
        locations, faults = {}, {}
        for mirror in mirrors:
            try:
                locations[mirror.name] = locator.locate(mirror, states.get(mirror.name))
            except Exception as error:
                faults[f"location/{mirror.name}"] = f"its addresses cannot be located: {error!r}"
                locations[mirror.name] = locator.locate(mirror, None)
        self._faults.replace("location/", faults)
        return locations

    def _name_people_faults(self) -> None:
        """Notes the faults in people's files under the subjects "config", "mirrors/a.yml" (for the file
        a.yml), and "mirrors" for the folder."""
        faults = by_file(self.people.findings, Severity.FAULT)
        config = faults.pop(self._folder.config.name, None)
        self._faults.replace("config", {"config": config} if config else {})
        if self.people.config is not None:
            folder = str(PurePath(self.people.config.mirrors_dir))
            mirrors = {f"mirrors{file.removeprefix(folder)}": text for file, text in faults.items()}
            self._faults.replace("mirrors", mirrors)

    def _read_clients(self) -> Mapping[str, float]:
        if listing_error(self._folder.root):  # with all that is in it: the other inputs name it
            return self._clients
        self.has_counts = not is_gone(self._folder.counts)
        if self.has_counts:
            try:
                counts = self._counts.get(self._folder.counts)
            except SourceError as error:
                self._faults.set("places.csv", str(error))
                return self._clients
            self._faults.clear("places.csv")
            return counts
        self._faults.clear("places.csv")
        table = self.geo.places
        return {} if table is None else dict(zip(table.names, table.clients.tolist(), strict=True))
