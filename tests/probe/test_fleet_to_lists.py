"""From what mirrors do to what clients get: a fleet of two hundred, the prober, the worker, the lists."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from app.model import Status
from app.settings import Settings
from app.store import file_store
from app.web import create_app
from app.worker.loop import STATE_EVERY_S, Worker
from tests.probe import fleet as f
from tests.probe.conftest import Probing
from tests.probe.fleet import Behaviour, Fleet
from tests.probe.test_fleet import first_rounds

IPV4, IPV6 = "127.0.0.1", "::1"
QUARTER = dt.timedelta(minutes=15)
CHANGED = f.damaged(lambda body: body.replace(b"0", b"1", 1))


class Kind(NamedTuple):
    """How so many mirrors behave; the status that the prober gives them; and why they are not listed for
    x86_64 and for s390x (None: they are)."""

    mirrors: int
    behaviour: Behaviour
    status: Status
    x86_64: str | None = None
    s390x: str | None = None
    addresses: tuple[str, ...] = (IPV4,)
    scheme: str = "http"


def down(behaviour: Behaviour, status: Status, *addresses: str, scheme: str = "http") -> Kind:
    """Five mirrors that are not listed for anything."""
    return Kind(5, behaviour, status, str(status), str(status), addresses or (IPV4,), scheme)


def elsewhere(fleet: Fleet, asked: f.Asked) -> str:
    return "http://169.254.169.254/latest/meta-data/"


KINDS = {
    "fresh": Kind(65, f.fresh, Status.OK),
    "one-version-behind": Kind(10, f.one_version_behind, Status.OK),
    "two-versions-behind": Kind(5, f.two_versions_behind, Status.DEGRADED, "stale", "stale"),
    "without-s390x": Kind(20, f.without("s390x"), Status.DEGRADED, None, "not carried"),
    "one-repo-corrupt": Kind(
        5, f.damaged(lambda body: b"<html>", part="baseos/x86_64"), Status.DEGRADED, "broken", None
    ),
    "ipv4-only": Kind(5, f.fresh, Status.OK),
    "ipv6-only": Kind(5, f.fresh, Status.OK, addresses=(IPV6,)),
    "both-families": Kind(5, f.fresh, Status.OK, addresses=(IPV4, IPV6)),
    "https": Kind(5, f.fresh, Status.OK, scheme="https"),
    "flapping": Kind(5, f.failing_first(1), Status.OK),
    "stale": down(f.stale, Status.STALE),
    "corrupt": down(CHANGED, Status.BROKEN),
    "truncated": down(f.damaged(lambda body: body[:-9]), Status.BROKEN),
    "404": down(f.answering(404), Status.BROKEN),
    "500": down(f.answering(500), Status.BROKEN),
    "redirect-loop": down(f.redirecting(lambda fleet, asked: asked.path), Status.BROKEN),
    "redirect-to-metadata": down(f.redirecting(elsewhere), Status.BROKEN),
    "slow-body": down(f.slow_body, Status.BROKEN),
    "endless-body": down(f.endless_body, Status.BROKEN),
    "gzip-bomb": down(f.compressed, Status.BROKEN),
    "hangs-up": down(f.hangs_up, Status.UNREACHABLE),
    "refused": down(f.fresh, Status.UNREACHABLE, f.REFUSED_ADDRESS),
    "black-hole": down(f.fresh, Status.UNREACHABLE, f.BLACK_HOLE_ADDRESS),
    "tls-expired": down(f.fresh, Status.UNREACHABLE, f.EXPIRED_ADDRESS, scheme="https"),
}


@dataclass
class Served:
    """A worker and a web process over the fleet's folder, and what clients get from them."""

    fleet: Fleet
    worker: Worker
    ask: Any

    def refresh(self, later_s: float = 0) -> None:
        self.worker.step(self.fleet.now.timestamp() + later_s)
        self.ask.application.extensions["mirrorwise"].refresh()

    def reasons(self, arch: str, **more: str) -> dict[str, str | None]:
        """Why each mirror is not listed; None for those that are, or would be in a longer list."""
        query = {"release": "9.8", "repo": "baseos", "arch": arch, "format": "json", **more}
        said = self.ask.get("/explain", query_string=query).get_json()
        reasons = {mirror["mirror"]: mirror["reason"] for mirror in said["excluded"]}
        listed: dict[str, str | None] = {mirror["mirror"]: None for mirror in said["served"]}
        return listed | {name: None if reason == "rank" else reason for name, reason in reasons.items()}

    def hosts(self, arch: str, release: str = "9.8") -> set[str]:
        body = self.ask.get(f"/mirrorlist/{release}/baseos?arch={arch}&limit=50").text
        return {line.split("/")[2].partition(":")[0] for line in body.splitlines()}


@contextmanager
def serving(fleet: Fleet, var: Path) -> Iterator[Served]:
    settings = Settings(data_dir=fleet.folder, var_dir=var, geoip_city=())
    worker = Worker(settings, file_store(var))
    try:
        yield Served(fleet, worker, create_app(settings, file_store(var), follow=False).test_client())
    finally:
        worker.stop()


def settle(fleet: Fleet) -> dict[str, Kind]:
    """Add all mirrors of all kinds; their kinds by name."""
    kinds = {}
    for label, kind in KINDS.items():
        for number in range(kind.mirrors):
            name = f"{label}-{number}.example.org"
            url = fleet.https(name) if kind.scheme == "https" else fleet.http(name)
            fleet.add(name, kind.behaviour, address={kind.scheme: url})
            fleet.addresses[name] = list(kind.addresses)
            kinds[name] = kind
    return kinds


def judged(probing: Probing, kinds: dict[str, Kind], black_hole: bool) -> dict[str, Status]:
    with f.black_hole(probing.fleet.port) if black_hole else nullcontext():
        assert probing() == 0
    return {name: probing.state(name).status for name in kinds}


@pytest.mark.slow
def test_every_fault_shows_in_the_lists(tls_fleet: Fleet, tmp_path: Path) -> None:
    """Two hundred mirrors with every scripted fault: each is judged right in its state file, and with the
    refresh after the round clients get those that are well, for what they have, and nobody else. Once
    all are mended, one round and one refresh bring back all of them, for all that they have."""
    fleet, probing = tls_fleet, Probing(tls_fleet)
    first_rounds(fleet, probing)
    kinds = settle(fleet)
    assert len(kinds) == 200
    (fleet.folder / "state" / "round.json").unlink(missing_ok=True)
    with serving(fleet, tmp_path / "var") as served:
        served.refresh()
        assert served.reasons("x86_64") == dict.fromkeys(kinds), "nobody has looked yet"

        expected = {name: kind.status for name, kind in kinds.items()}
        assert judged(probing, kinds, black_hole=True) == expected
        served.refresh(STATE_EVERY_S)
        for arch in ("x86_64", "s390x"):
            reasons = {name: getattr(kind, arch) for name, kind in kinds.items()}
            assert served.reasons(arch) == reasons
            assert served.hosts(arch) <= {name for name, reason in reasons.items() if reason is None}
            assert len(served.hosts(arch)) == 50
        for family, address in (("4", IPV4), ("6", IPV6)):
            of_family = {name for name, why in served.reasons("x86_64", family=family).items() if why is None}
            well = {name for name, kind in kinds.items() if kind.x86_64 is None and address in kind.addresses}
            assert of_family == well

        for name in kinds:
            fleet.behaviours[name], fleet.addresses[name] = f.fresh, [IPV4]
        fleet.limits = replace(
            fleet.limits, connect_s=10.0, first_byte_s=10.0, total_s=10.0
        )  # none is slow now
        fleet.now += QUARTER
        assert judged(probing, kinds, black_hole=False) == dict.fromkeys(kinds, Status.OK)
        served.refresh()
        for arch in ("x86_64", "s390x"):
            assert served.reasons(arch) == dict.fromkeys(kinds)


def test_release_day(fleet: Fleet, probing: Probing, tmp_path: Path) -> None:
    """A release that is new in the config, before any mirror was asked about it: clients get all mirrors,
    in order. With the next round, only those that have it, however few they are."""
    has = {fleet.add(f"has-{number}.example.org") for number in range(2)}
    has_not = {fleet.add(f"has-not-{number}.example.org", f.without("/10.0/")) for number in range(10)}
    probing()
    with serving(fleet, tmp_path / "var") as served:
        served.refresh()
        fleet.releases = ("10.0", "9.8")
        fleet.write_config()
        served.refresh(1)
        assert served.hosts("x86_64", "10.0") == has | has_not
        fleet.now += 2 * QUARTER
        probing()
        served.refresh()
        assert served.hosts("x86_64", "10.0") == has
        assert served.hosts("x86_64", "9.8") == has | has_not


def test_a_prober_cut_off_from_the_network_takes_no_mirror_away(
    fleet: Fleet, probing: Probing, tmp_path: Path
) -> None:
    """With the prober's own network down, every mirror looks unreachable: clients keep their lists, and
    the worker says that it waits, until the prober is back."""
    names = {fleet.add(f"m{number}.example.org") for number in range(10)}
    probing()
    with serving(fleet, tmp_path / "var") as served:
        served.refresh()
        before = served.hosts("x86_64")
        fleet.addresses |= {host: [f.REFUSED_ADDRESS] for host in (*names, f.ORIGIN)}
        for _ in range(3):
            fleet.now += QUARTER
            probing()
            served.refresh()
        assert {probing.state(name).status for name in names} == {Status.UNREACHABLE}
        assert served.hosts("x86_64") == before == names
        assert "would keep 0 of 10 mirrors" in served.worker.faults.current["guard/verdicts"]
        fleet.addresses.clear()
        fleet.now += QUARTER
        probing()
        served.refresh()
        assert served.hosts("x86_64") == names
        assert "guard" not in served.worker.faults.by_source
