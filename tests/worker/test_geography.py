"""GeoIP databases and cloud ranges under the worker: found, replaced, spoiled."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import pytest

from app.geo.database import AsnDatabase
from app.logs import Faults
from app.model import GeoError, Mirror
from app.store import FileStore
from app.worker.corrections import CorrectionFiles
from app.worker.geography import NetworkFiles
from app.worker.loop import Worker
from tests.clouds import samples as cloud_samples
from tests.conftest import ROOT, wait_until
from tests.geo.databases import write_database
from tests.spoiling import directory, emptied, truncated
from tests.worker.conftest import StartWorker
from tests.worker.network import CITY, NOON, Network, generation, loaded, replaced, status

FRANKFURT = "DE/50/8"
ASN = CITY.with_name("asn.mmdb")


@pytest.fixture
def city(network: Network, caplog: pytest.LogCaptureFixture) -> Path:
    caplog.set_level(logging.INFO, "mirrorwise.worker")
    network.several(4)
    network.mirror("corp.example.com", more="subnets: [10.20.0.0/16]\n")
    return network.city_database()


def scanned(worker: Worker) -> None:
    """Step until the places have been found."""
    geo = worker.reader.geo
    wait_until(lambda: geo.scan_progress is None or geo.scan(), "the place scan is done")


def has_places(store: FileStore) -> bool:
    return FRANKFURT in loaded(store).rows


def test_country_lists_come_first(store: FileStore, start: StartWorker, city: Path) -> None:
    """The first publication does not wait for the place scan: it has countries alone until the scan is done,
    and then places."""
    worker = start(cities=(city,))
    worker.step(NOON)
    assert "DE" in loaded(store).rows
    assert not has_places(store)
    assert worker.reader.geo.scan_progress is not None
    first = generation(store)

    def stepped() -> bool:
        worker.step(NOON + 1)
        return generation(store) != first

    wait_until(stepped, "the places are published")
    assert has_places(store)
    assert worker.reader.geo.scan_progress is None


@pytest.mark.slow
def test_places_are_known_after_a_restart(store: FileStore, start: StartWorker, city: Path) -> None:
    """A database is scanned once: with its places on disk, the first publication has them."""
    worker = start(cities=(city,))
    worker.step(NOON)
    assert worker.wait(NOON)
    worker.step(NOON + 1)
    worker.stop()
    first = generation(store)
    shutil.rmtree(store.directory)
    start(cities=(city,)).step(NOON + 2)
    assert generation(store) == first


@pytest.mark.slow
def test_stop_ends_a_scan(store: FileStore, start: StartWorker, city: Path) -> None:
    """A worker that ends takes its scan with it, and the next one starts it again."""
    worker = start(cities=(city,))
    worker.step(NOON)
    worker.stop()
    assert worker.reader.geo.scan_progress is None
    after_restart = start(cities=(city,))
    after_restart.step(NOON + 1)
    after_restart.wait(NOON + 1)
    after_restart.step(NOON + 2)
    assert has_places(store)


# --- a city database that turns bad ------------------------------------------------------------------


def removed(path: Path) -> None:
    path.unlink()


def no_city_database(path: Path) -> None:
    replaced(path, ASN.read_bytes())


@pytest.mark.slow
@pytest.mark.parametrize("breakage", [truncated, emptied, removed, directory, no_city_database])
def test_spoiled_database(
    *,
    network: Network,
    store: FileStore,
    start: StartWorker,
    caplog: pytest.LogCaptureFixture,
    city: Path,
    breakage: Callable[[Path], None],
) -> None:
    """A database spoiled in place, or gone, leaves its last good copy in use, also when the worker
    starts anew days later; the log names the fault once, and says when it is over."""
    worker = start(cities=(city,))
    worker.step(NOON)
    worker.wait(NOON)
    worker.step(NOON + 1)
    caplog.clear()
    breakage(city)
    worker.step(NOON + 2)
    network.mirror("m00.example.org", more="weight: 2\n")
    worker.step(NOON + 3)
    assert has_places(store)
    assert set(worker.faults.current) & {"geoip/city.mmdb", "geoip/city"}
    assert len([r for r in caplog.records if r.levelno == logging.WARNING]) == 1
    worker.stop()
    for days in (3, 6):
        after_restart = start(cities=(city,))
        network.mirror("m00.example.org", more=f"weight: {days}\n")
        after_restart.step(NOON + days * 86_400)
        assert has_places(store)
        assert after_restart.reader.geo.cities is not None
        assert after_restart.reader.geo.cities.place("192.0.2.1") == FRANKFURT
        after_restart.stop()

    city.rmdir() if city.is_dir() else city.unlink(missing_ok=True)
    shutil.copyfile(CITY, city)
    last = start(cities=(city,))
    last.step(NOON + 7 * 86_400)
    assert last.faults.current == {}
    assert has_places(store)


@pytest.mark.slow
def test_replaced_database(store: FileStore, start: StartWorker, city: Path) -> None:
    """A new database is scanned beside the old one: until that is done, the old places serve."""
    worker = start(cities=(city,))
    worker.step(NOON)
    worker.wait(NOON)
    worker.step(NOON + 1)
    content = city.read_bytes()
    replaced(city, content.replace(b"Frankfurt am Main", b"Frankfurt am Mein"))
    worker.step(NOON + 2)
    assert worker.reader.geo.scan_progress is not None
    assert has_places(store)
    scanned(worker)
    worker.step(NOON + 3)
    assert has_places(store)
    assert worker.reader.geo.cities is not None
    assert worker.reader.geo.cities.describe("192.0.2.1").city == "Frankfurt am Mein"


def test_database_that_was_never_good(store: FileStore, start: StartWorker, city: Path) -> None:
    """Without any usable database, lists go by country, and the fault is named for all to see."""
    truncated(city)
    worker = start(cities=(city,))
    worker.step(NOON)
    assert "DE" in loaded(store).rows
    assert not has_places(store)
    assert "geoip/city.mmdb" in worker.faults.current
    worker.step(NOON + 60)
    assert "geoip/city.mmdb" in status(store).faults


# --- networks -----------------------------------------------------------------------------------------


def test_spoiled_cloud_file(
    network: Network, store: FileStore, start: StartWorker, caplog: pytest.LogCaptureFixture, city: Path
) -> None:
    """A provider whose file turns bad keeps the ranges that it had; other providers are unaffected."""
    cloud = network.data / "cloud"
    shutil.copytree(ROOT / "data" / "cloud", cloud)
    worker = start()
    worker.step(NOON)
    first, overlays = generation(store), set(loaded(store).overlays)
    assert "aws:eu-central-1" in overlays
    (cloud / "aws.json").write_text('{"prefixes": [')
    worker.step(NOON + 1)
    worker.step(NOON + 2)
    assert generation(store) == first
    assert set(worker.faults.current) == {"cloud/aws.json"}
    assert len([m for m in caplog.messages if m.startswith("cloud/aws.json")]) == 1
    shutil.copyfile(ROOT / "data" / "cloud" / "aws.json", cloud / "aws.json")
    worker.step(NOON + 3)
    assert worker.faults.current == {}
    assert generation(store) == first


@pytest.mark.parametrize(
    ("file", "content"),
    [
        pytest.param("gcp", cloud_samples.gcp([("0.0.0.0/1", "us-central1")], 10**15), id="half of IPv4"),
        pytest.param(
            "oci",
            cloud_samples.oci({"us-ashburn-1": ["10.0.0.0/16"]}, "2027-01-01"),
            id="private",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "azure", cloud_samples.azure({"eastus": ["198.51.100.0/24", "52.5.0.0/16"]}), id="another's"
        ),
        pytest.param(
            "aws",
            cloud_samples.aws([(f"{n}.0.0.0/10", "us-east-1", "us-east-1") for n in range(41, 121)], 10**15),
            id="far more than before",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_unbelievable_cloud_file(
    network: Network, store: FileStore, start: StartWorker, file: str, content: bytes
) -> None:
    """A file that claims what its provider cannot have is at fault, and no mirror is: the last good ranges
    serve on, also after a restart."""
    cloud = network.data / "cloud"
    shutil.copytree(ROOT / "data" / "cloud", cloud)
    network.mirror("campus.example.org", more="subnets: [8.8.0.0/16, 2600:4000::/32]\n")
    worker = start()
    worker.step(NOON)
    first = generation(store)
    (cloud / f"{file}.json").write_bytes(content)
    worker.step(NOON + 1)
    assert set(worker.faults.current) == {f"cloud/{file}.json"}
    assert generation(store) == first
    worker.stop()
    worker = start()
    worker.step(NOON + 2)
    assert set(worker.faults.current) == {f"cloud/{file}.json"}
    assert generation(store) == first


def test_subnets_make_networks(network: Network, store: FileStore, start: StartWorker, city: Path) -> None:
    """The networks database belongs to its generation: it changes with what mirrors declare, and only
    then."""
    worker = start()
    worker.step(NOON)
    before = loaded(store).networks
    network.mirror("m00.example.org", more="weight: 2\n")
    worker.step(NOON + 1)
    assert loaded(store).networks == before
    network.mirror("m00.example.org", more="subnets: [10.30.0.0/16]\n")
    worker.step(NOON + 2)
    digest = loaded(store).networks
    assert digest not in (None, before)
    assert digest is not None and store.blob(digest) is not None


def asn_database(path: Path, **sizes: str) -> Path:
    """An ASN database in which ASes, named like "AS64496", have a prefix each."""
    prefixes = {prefix: {"autonomous_system_number": int(name[2:])} for name, prefix in sizes.items()}
    return write_database(path, prefixes, "GeoLite2-ASN")


def test_as_numbers_reach_as_far_as_netblocks(
    network: Network, store: FileStore, start: StartWorker, caplog: pytest.LogCaptureFixture
) -> None:
    """AS numbers that claim more clients than netblocks may do not count: of a monopoly that is a fault, of
    another mirror it is said once. When the database knows them to be smaller, they count."""
    caplog.set_level(logging.INFO)
    asns = asn_database(
        network.data / "asn.mmdb", AS64496="20.0.0.0/9", AS64497="21.0.0.0/10", AS64498="22.0.0.0/9"
    )
    network.mirror("greedy.example.org", more="monopoly: true\nasn: 64496\nsubnets: [8.8.8.0/24]\n")
    network.mirror("campus.example.org", more="monopoly: true\nasn: 64497\n")
    network.mirror("large.example.org", more="asn: 64498\n")
    worker = start(asns=(asns,))
    for later in (0, 1):
        worker.step(NOON + later)
        overlays = loaded(store).overlays
        assert {name for name in overlays if name.startswith("AS")} == {"AS64497"}
        assert overlays["AS64497"].exclusive
        assert any(overlay.exclusive for name, overlay in overlays.items() if name.startswith("net-"))
        assert set(worker.faults.current) == {"asns/greedy.example.org.yml"}
    assert len([m for m in caplog.messages if m.startswith("asns/large.example.org.yml")]) == 1
    asn_database(asns, AS64496="20.0.0.0/10", AS64497="21.0.0.0/10", AS64498="22.0.0.0/10")
    worker.step(NOON + 2)
    assert {name for name in loaded(store).overlays if name.startswith("AS")} == {
        "AS64496",
        "AS64497",
        "AS64498",
    }
    assert worker.faults.current == {}


def test_a_country_database_is_named(
    network: Network, start: StartWorker, caplog: pytest.LogCaptureFixture
) -> None:
    """A country database in the place of a city database serves by country, and the log says so once."""
    caplog.set_level(logging.INFO)
    network.several(2)
    record = {"country": {"iso_code": "LU"}, "continent": {"code": "EU"}}
    path = write_database(network.data / "country.mmdb", {"192.0.2.0/24": record}, "GeoLite2-Country")
    worker = start(cities=(path,))
    for later in (0, 1):
        worker.step(NOON + later)
    assert worker.faults.current == {}
    [said] = [m for m in caplog.messages if m.startswith("geoip/country.mmdb: ")]
    assert "no record says more than the country" in said
    assert worker.reader.geo.cities is not None and worker.reader.geo.cities.place("192.0.2.1") == "LU"


class DamagedInside:
    """An ASN database that opens, and fails when all of it is read."""

    identity = "damaged"

    def prefixes_of(self, wanted: Sequence[int]) -> list[tuple[str, int]]:
        raise GeoError("asn.mmdb: its search tree has a loop")


def test_asn_database_damaged_inside(network: Network) -> None:
    """Damage that shows only when the whole ASN database is read costs the ASNs, not the netblocks."""
    faults = Faults(logging.getLogger("mirrorwise.worker"))
    files = NetworkFiles(network.data / "cloud", network.var, faults)
    mirror = Mirror(name="a.example.org", addresses={}, subnets=("10.0.0.0/8",), asns=(64496,))
    feeds = CorrectionFiles(network.data / "geofeeds", network.var, faults)
    networks = files.build([mirror], {}, cast(AsnDatabase, DamagedInside()), feeds)
    assert [overlay.asn for overlay in networks.overlays] == [None]
    assert faults.current == {"geoip/asn prefixes": "asn.mmdb: its search tree has a loop"}
