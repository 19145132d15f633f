"""When mirrors came to have a new version, as the prober sees it."""

from __future__ import annotations

import datetime as dt

import pytest

from app.model import Arrival, version_name
from app.probe.records import Seen
from tests.probe import fleet as f
from tests.probe.conftest import Probing
from tests.probe.fleet import Asked, Behaviour, Fleet

KEYS = {f"9.8/{repo}/{arch}" for repo in ("baseos", "appstream") for arch in ("x86_64", "s390x")}
INTERVAL = dt.timedelta(minutes=15)
NEW = f.NOW + dt.timedelta(minutes=20)
"""When the origin has a new version."""


def seen(sha256: str | None, at_s: float, arrival: Arrival | None = None) -> Seen:
    return Seen(asked_at=at_s, sha256=sha256, timestamp=1, arrival=arrival)


A, B = "a" * 64, "b" * 64
ARRIVAL = Arrival(version=version_name(A), at_s=10, is_exact=True)


@pytest.mark.parametrize(
    ("now", "last", "expected"),
    [
        pytest.param(seen(A, 20), None, (A, 20, False), id="the first round"),
        pytest.param(seen(A, 20), seen(None, 10), (A, 20, True), id="it had none"),
        pytest.param(seen(B, 20), seen(A, 10, ARRIVAL), (B, 20, True), id="it had another one"),
        pytest.param(seen(A, 20), seen(A, 15, ARRIVAL), (A, 10, True), id="it had the same"),
        pytest.param(seen(A, 20), seen(A, 15), (A, 20, False), id="notes of an older program"),
        pytest.param(seen(None, 20), seen(A, 15, ARRIVAL), None, id="it has none any more"),
    ],
)
def test_since_when(now: Seen, last: Seen | None, expected: tuple[str, int, bool] | None) -> None:
    """A version is new at a mirror when another one, or none, was there in the round before."""
    found = now.after(last).arrival
    assert (found and (found.version, found.at_s, found.is_exact)) == (
        expected and (version_name(expected[0]), *expected[1:])
    )


def syncing_at(fleet: Fleet, minutes: float, timestamp: bool = True) -> Behaviour:
    """A mirror that has the new version from then on: its repos within three minutes, and its timestamp file
    last, if it has one."""
    at = f.NOW + dt.timedelta(minutes=minutes)

    async def behave(fleet: Fleet, asked: Asked) -> None:
        late = dt.timedelta(minutes=3) if "appstream" in asked.path else dt.timedelta(0)
        has = fleet.now >= at + late
        if asked.path == "/TIME":
            synced_at = at if fleet.now >= at + dt.timedelta(minutes=4) else f.NOW - dt.timedelta(minutes=30)
            asked.send(200, b"%d\n" % synced_at.timestamp()) if timestamp else asked.send(404)
        else:
            f.send_file(asked, fleet.body(asked.path, version=0 if has or fleet.now < NEW else 1))

    return behave


@pytest.mark.slow
def test_rounds_find_each_mirror_within_one_interval(fleet: Fleet, probing: Probing) -> None:
    """A new version is seen at each mirror in the first round after it has synced at the latest, whether it
    has a timestamp file or not; and the moment stays as it is."""
    fleet.write_config()
    truth = {"quick": 21.0, "slow": 100.0, "cut": 118.0, "timeless": 140.0}
    for name, minutes in truth.items():
        fleet.add(f"{name}.example.org", syncing_at(fleet, minutes, timestamp=name != "timeless"))
    for number in range(14):
        fleet.now = f.NOW + number * INTERVAL
        if fleet.now >= NEW and len(fleet.dates) == 1:
            fleet.dates.insert(0, 1_795_000_600)
        assert probing() == 0
    for name, minutes in truth.items():
        state = probing.state(f"{name}.example.org")
        assert state.arrivals.keys() == KEYS
        for key, arrival in state.arrivals.items():
            came = minutes + (3 if "appstream" in key else 0)
            found = (arrival.at_s - f.NOW.timestamp()) / 60
            assert came <= found <= minutes + 3 + 15, (name, key)
            assert arrival.is_exact
