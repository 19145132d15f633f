"""All inputs together: from files to what a compile needs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from app.faults import Faults
from app.model import SourceError
from app.settings import Settings
from app.snapshot import schema
from app.snapshot.compile import Country, Inputs
from app.snapshot.networks import ClientNetworks
from app.sources.countries import continent_of, country_codes
from app.sources.gazetteer import Gazetteer
from app.sources.place_counts import read_place_counts
from app.worker.geography import GeoFiles, NetworkFiles
from app.worker.inputs import FileCache, Marks, PeopleFiles, ProbeFiles, is_gone, mark
from app.worker.locate import Locator
from app.worker.memory import Memory


class InputReader:
    """`read_s`: when each kind of input was read last, in epoch seconds. `clients`: how many there
    are by place, as measured (places.csv: `has_counts`) or as the city database lets us guess."""

    def __init__(self, settings: Settings, faults: Faults) -> None:
        self.people = PeopleFiles(settings, faults)
        self.probe = ProbeFiles(settings, faults)
        self.geo = GeoFiles(settings, faults)
        self.networks = NetworkFiles(settings, faults)
        self.clients: Mapping[str, float] = {}
        self.read_s: dict[str, float] = {}
        self.has_counts = False
        self._faults = faults
        self._counts_path = settings.data_dir / "places.csv"
        self._counts = FileCache(read_place_counts)
        self._gazetteer = Gazetteer()

    @property
    def faults(self) -> Mapping[str, str]:
        """By subject."""
        return self._faults.current

    def recall(self, memory: Memory) -> None:
        """Begin with what was good when this was published."""
        self.people.config = memory.config or self.people.config
        self.people.definitions = {**self.people.definitions, **memory.definitions}
        self.probe.last_round = memory.last_round or self.probe.last_round
        self.probe.repomd = memory.repomd or self.probe.repomd

    def locator(self) -> Locator:
        """By the databases that were read last."""
        return Locator(self._gazetteer, self.geo.cities, self.geo.asns)

    def marks(self) -> Marks:
        """What changes when an input does, the probe's state apart."""
        return {
            **self.people.marks(),
            **self.geo.marks(),
            **self.networks.marks(),
            str(self._counts_path): mark(self._counts_path),
        }

    def read(self, now: float, load_km: Mapping[str, float]) -> Inputs:
        """Everything as it is now. Raises SourceError while there has never been a good config."""
        self.people.read()
        self.networks.read()
        mirrors = sorted(self.networks.refuse(self.people.definitions), key=lambda mirror: mirror.name)
        self.probe.read(mirrors)
        self.geo.read(now)
        self.geo.scan()
        self.clients = self._read_clients()
        self.read_s = dict.fromkeys(("config", "mirrors", "state", "cloud", "geoip"), now)
        config = self.people.config
        if config is None:
            raise SourceError([])
        locator = self.locator()
        states = self.probe.states
        locations = {mirror.name: locator.locate(mirror, states.get(mirror.name)) for mirror in mirrors}
        measured = {name: location.asns for name, location in locations.items()}
        networks = self.networks.build(mirrors, measured, self.geo.asns)
        return Inputs(
            config=config,
            mirrors=mirrors,
            countries=countries(),
            locations=locations,
            states=states,
            last_round=self.probe.last_round,
            places=self.geo.places,
            networks=ClientNetworks(
                digest=schema.digest_of(networks.mmdb) if networks.mmdb else None,
                overlays=networks.overlays,
                measured_asns=measured,
            ),
            repomd=self.probe.repomd,
            load_km=load_km,
        )

    def _read_clients(self) -> Mapping[str, float]:
        self.has_counts = not is_gone(self._counts_path)
        if self.has_counts:
            try:
                counts = self._counts.get(self._counts_path)
            except SourceError as error:
                self._faults.set("places.csv", str(error))
                return self.clients
            self._faults.clear("places.csv")
            return counts
        self._faults.clear("places.csv")
        table = self.geo.places
        return {} if table is None else dict(zip(table.names, table.clients.tolist(), strict=True))


@cache
def countries() -> dict[str, Country]:
    """Every country's continent and centre."""
    gazetteer = Gazetteer()
    return {
        code: Country(continent=continent_of(code), centre=gazetteer.country_centre(code))
        for code in country_codes()
    }
