"""The sample network in data/: usable as it stands, invented throughout, and what its script makes."""

from __future__ import annotations

import importlib.util
import ipaddress
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import maxminddb
import msgspec
import pytest

from app.clouds.read import read_cloud_folder
from app.model import Mirror, MirrorState, ProbeRound, RepomdVersion, ServiceConfig, Status
from app.model.countries import continent_of
from app.sources.check import check
from app.sources.gazetteer import Gazetteer
from app.sources.mirror_files import read_mirror
from app.sources.service_config import read_service_config
from tests.conftest import ROOT

DATA = ROOT / "data"


@cache
def script() -> ModuleType:
    """data/make_sample.py, which is no part of a package."""
    spec = importlib.util.spec_from_file_location("make_sample", DATA / "make_sample.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_sample"] = module  # dataclasses look for their module there
    spec.loader.exec_module(module)
    return module


@cache
def config() -> ServiceConfig:
    return read_service_config(DATA / "config.yml")[0]


@cache
def mirrors() -> dict[str, Mirror]:
    read = [read_mirror(path, config())[0] for path in (DATA / "mirrors.d").iterdir()]
    return {mirror.name: mirror for mirror in read if mirror}


@cache
def states() -> dict[str, MirrorState]:
    files = (DATA / "state" / "mirrors").iterdir()
    return {path.stem: msgspec.json.decode(path.read_bytes(), type=MirrorState) for path in files}


@cache
def city_database() -> maxminddb.Reader:
    return maxminddb.open_database(DATA / "geoip" / "city.mmdb", maxminddb.MODE_MEMORY)


def content_of(path: Path) -> Any:
    """A database's records (writers may lay out the same tree in different ways), any other file's bytes."""
    if path.suffix != ".mmdb":
        return path.read_bytes()
    with maxminddb.open_database(path) as reader:
        metadata = reader.metadata()
        return [metadata.database_type, metadata.build_epoch, metadata.ip_version, *reader]


def files_below(folder: Path) -> dict[str, Path]:
    return {
        str(path.relative_to(folder)): path
        for part in ("cloud", "geoip", "state")
        for path in (folder / part).rglob("*")
        if path.is_file()
    }


def test_committed_files_are_what_the_script_makes(tmp_path: Path) -> None:
    """Running the script again changes nothing, adds nothing and leaves nothing out."""
    script().write_sample(DATA, tmp_path)
    made, committed = files_below(tmp_path), files_below(DATA)
    assert made.keys() == committed.keys()
    assert [name for name in made if content_of(made[name]) != content_of(committed[name])] == []


def test_same_bytes_twice(tmp_path: Path) -> None:
    """Nothing in the script's output depends on the time or on the order of a set."""
    for folder in ("one", "two"):
        script().write_sample(DATA, tmp_path / folder)
    one, two = files_below(tmp_path / "one"), files_below(tmp_path / "two")
    assert [name for name in one if one[name].read_bytes() != two[name].read_bytes()] == []


def test_no_faults_and_no_warnings() -> None:
    """What a newcomer copies from is without blemish."""
    assert [str(finding) for finding in check(DATA)] == []
    assert read_cloud_folder(DATA / "cloud")[1] == []
    assert 40 <= len(mirrors()) <= 50


def test_hosts_are_examples() -> None:
    """Every host is under a name that is reserved for examples."""
    urls = {config().origin, config().vault_url, *config().module_origins.values()}
    for mirror in mirrors().values():
        urls |= {*mirror.addresses.values(), mirror.sponsor_url}
        urls |= {url for addresses in mirror.module_addresses.values() for url in addresses.values()}
    hosts = {urlsplit(url).hostname or "" for url in urls if url}
    assert {".".join(host.split(".")[-2:]) for host in hosts} == {"example.com", "example.net", "example.org"}


def test_declared_and_measured_addresses_are_nobodys() -> None:
    """Mirrors' networks and addresses are private ones or reserved for documentation."""
    networks = [subnet for mirror in mirrors().values() for subnet in mirror.subnets]
    networks += [address for state in states().values() for address in state.addresses]
    assert len(networks) > 50
    assert [network for network in networks if not ipaddress.ip_network(network).is_private] == []


def test_cities_are_in_the_gazetteer() -> None:
    """Every mirror's place is found by name, where cities.csv has it; one is given by coordinates."""
    gazetteer = Gazetteer()
    by_coordinates = [mirror for mirror in mirrors().values() if not mirror.city]
    assert [bool(mirror.coordinates) for mirror in by_coordinates] == [True]
    for mirror in mirrors().values():
        if mirror.city and mirror.country:
            found = gazetteer.find(mirror.country, mirror.state_province, mirror.city)
            listed = script().city_table(DATA)[mirror.country, mirror.city]
            assert found is not None, mirror.city
            assert found.latitude == pytest.approx(float(listed["latitude"]), abs=0.1), mirror.city
            assert found.longitude == pytest.approx(float(listed["longitude"]), abs=0.1), mirror.city


def test_a_mirror_on_every_continent() -> None:
    """Whoever asks has a served mirror on their continent (none stands in Antarctica)."""
    served = [
        mirror
        for mirror in mirrors().values()
        if not (mirror.private or mirror.cloud or mirror.disabled) and states().get(mirror.name)
    ]
    continents = {
        continent_of(mirror.country or "") for mirror in served if states()[mirror.name].status is Status.OK
    }
    assert continents == {"AF", "AS", "EU", "NA", "OC", "SA"}


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param(lambda m: m.arches, id="carries some arches"),
        pytest.param(lambda m: m.repos, id="carries some repos"),
        pytest.param(lambda m: m.versions, id="carries some releases"),
        pytest.param(lambda m: m.private and m.subnets and m.monopoly, id="exclusive"),
        pytest.param(lambda m: m.private and m.subnets and not m.monopoly, id="private"),
        pytest.param(lambda m: not m.private and m.subnets and m.asns, id="public with networks of its own"),
        pytest.param(lambda m: set(m.addresses) == {"http"}, id="http only"),
        pytest.param(lambda m: set(m.addresses) == {"https"}, id="https only"),
        pytest.param(lambda m: "rsync" in m.addresses, id="rsync"),
        pytest.param(lambda m: m.cloud and m.cloud.regions, id="cloud region"),
        pytest.param(lambda m: m.cloud and not m.cloud.regions, id="all cloud regions"),
        pytest.param(lambda m: not m.probe, id="never probed"),
        pytest.param(lambda m: m.disabled, id="disabled"),
        pytest.param(lambda m: m.countries, id="some countries only"),
        pytest.param(lambda m: m.exclude_countries, id="not for some countries"),
        pytest.param(lambda m: m.weight > 1, id="large"),
        pytest.param(lambda m: m.coordinates, id="coordinates"),
        pytest.param(lambda m: "kitten" in m.module_addresses, id="optional module"),
    ],
)
def test_every_kind_of_mirror_is_shown(shown: Callable[[Mirror], object]) -> None:
    """Each thing that a mirror file can say is said by one of them at least."""
    assert [mirror.name for mirror in mirrors().values() if shown(mirror)]


def test_cloud_mirrors_of_every_provider() -> None:
    """Each provider has a mirror, and its ranges hold the mirror's region."""
    ranges, _ = read_cloud_folder(DATA / "cloud")
    assert set(ranges) == {"aws", "azure", "gcp", "oci"}
    clouds = [mirror.cloud for mirror in mirrors().values() if mirror.cloud]
    assert {cloud.provider for cloud in clouds} == set(ranges)
    for cloud in clouds:
        assert set(cloud.regions) <= {row.region for row in ranges[cloud.provider].ranges}


def test_states_belong_to_probed_mirrors() -> None:
    """Public mirrors that are probed have a state, but for the one that is new; the others have none."""
    probed = {name for name, mirror in mirrors().items() if mirror.probe and not mirror.private}
    assert probed - states().keys() == {"mirror.tpe.example.org"}
    assert states().keys() - probed == set()
    assert all(state.mirror == name for name, state in states().items())


@pytest.mark.parametrize(
    ("name", "status"),
    [
        pytest.param("mirror.fra1.example.net", Status.OK, id="in good health"),
        pytest.param("mirror.waw.example.org", Status.STALE, id="stale"),
        pytest.param("mirror.mad.example.org", Status.UNREACHABLE, id="unreachable"),
        pytest.param("mirror.chi.example.com", Status.BROKEN, id="broken"),
    ],
)
def test_every_status_is_shown(name: str, status: Status) -> None:
    """Status, reason and age of a state agree with each other."""
    state = states()[name]
    assert state.timestamp and state.origin_timestamp
    behind_s = (state.origin_timestamp - state.timestamp).total_seconds()
    assert state.status is status
    assert (state.reason is None) == (status is Status.OK)
    assert (behind_s > config().allowed_outdate_s) == (status in {Status.STALE, Status.UNREACHABLE})


def test_ipv6_only_mirror() -> None:
    """One mirror was reached over IPv6 only."""
    state = states()["mirror.zrh.example.org"]
    assert [ipaddress.ip_address(address).version for address in state.addresses] == [6]
    assert {family for families in state.endpoints.values() for family in families} == {"ipv6"}


def test_origin_state_covers_what_mirrors_hold() -> None:
    """The origin's versions are known for all content that any mirror was seen to have."""
    repos = msgspec.json.decode((DATA / "state/repos.json").read_bytes(), type=dict[str, list[RepomdVersion]])
    assert {key for state in states().values() for key in state.content} == repos.keys()
    msgspec.json.decode((DATA / "state/round.json").read_bytes(), type=ProbeRound)


@pytest.mark.parametrize(
    ("address", "country", "city"),
    [
        pytest.param("127.0.0.1", "DE", "Frankfurt am Main", id="loopback"),
        pytest.param("::1", "DE", "Frankfurt am Main", id="IPv6 loopback"),
        pytest.param("192.0.2.1", "DE", "Frankfurt am Main", id="documentation, Europe"),
        pytest.param("192.0.2.49", "LU", "Luxembourg", id="a small country"),
        pytest.param("198.51.100.1", "US", "New York City", id="documentation, Americas"),
        pytest.param("203.0.113.1", "JP", "Tokyo", id="documentation, rest of the world"),
        pytest.param("198.51.100.136", "AR", "Buenos Aires", id="a cloud's local zone"),
        pytest.param("2001:db8:49::1", "DE", "Frankfurt am Main", id="+49"),
        pytest.param("2001:db8:49:30::1", "DE", "Berlin", id="+49 30"),
        pytest.param("2001:db8:352::1", "LU", "Luxembourg", id="+352"),
        pytest.param("2001:db8:81::1", "JP", "Tokyo", id="+81"),
        pytest.param("2001:db8:55::1", "BR", "São Paulo", id="+55"),
        pytest.param("2001:db8:1:212::1", "US", "New York City", id="+1 212"),
        pytest.param("8.8.8.8", "US", "Mountain View", id="a public resolver"),
        pytest.param("130.83.1.1", "DE", "Darmstadt", id="a university"),
        pytest.param("198.51.100.225", "US", None, id="country only"),
        pytest.param("2001:db8:1:999::1", "US", None, id="country only, IPv6"),
    ],
)
def test_places_to_try(address: str, country: str, city: str | None) -> None:
    """Addresses that the documentation may quote are where it says; a country alone has a wide radius."""
    record: Any = city_database().get(address)
    assert record["country"]["iso_code"] == country
    assert record.get("city", {}).get("names", {}).get("en") == city
    assert record["location"]["accuracy_radius"] == (20 if city else 1000)


def test_vague_and_unknown_addresses() -> None:
    """One record knows the continent only, and some addresses are in none."""
    assert city_database().get("203.0.113.241") == {"continent": {"code": "AF"}}
    assert city_database().get("2001:db8:ffff::1") is None
    assert city_database().get("198.51.100.241") is None


def test_coordinates_are_floats() -> None:
    """A whole number of degrees is a double like any other, as in the vendors' files."""
    locations = [record["location"] for _, record in city_database() if "location" in record]
    assert len(locations) > 150
    assert {type(location[key]) for location in locations for key in ("latitude", "longitude")} == {float}


def test_examples_are_addresses_of_all_sorts() -> None:
    """The examples for the documentation are addresses, most of them with a place."""
    known = [address for address in script().EXAMPLES if city_database().get(address)]
    assert 0 < len(known) == len(script().EXAMPLES) - 1


def test_asn_database() -> None:
    """It is in the layout of GeoLite2-ASN, and holds the number that a mirror declares."""
    with maxminddb.open_database(DATA / "geoip" / "asn.mmdb") as reader:
        assert reader.get("8.8.8.8") == {
            "autonomous_system_number": 15169,
            "autonomous_system_organization": "Google",
        }
        campus: Any = reader.get("2001:db8:49:6151::1")
    assert campus["autonomous_system_number"] in mirrors()["ftp.campus.example.org"].asns


def test_databases_are_small() -> None:
    """They are in everybody's clone."""
    assert sum(path.stat().st_size for path in (DATA / "geoip").iterdir()) < 200_000


def test_procfile_names_the_processes() -> None:
    """honcho can run what the Procfile says: a process for each part."""
    done = subprocess.run(
        [sys.executable, "-m", "honcho", "check"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "(web, worker, probe, history)" in done.stdout + done.stderr
