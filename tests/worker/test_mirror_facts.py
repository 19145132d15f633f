"""Which changes of a mirror are events, and in which words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from app.model import Cloud, Content, Coordinates, Event, EventKind, Mirror, MirrorState, Status
from app.snapshot.schema import ServedMirror
from app.worker.mirror_facts import Described, Occasion, events_of, facts_of, price_after
from tests.builders import a_mirror, a_state
from tests.worker.network import NOON

M = "m.example.org"
OCCASION = Occasion(now=NOON, before_s=NOON - 3600, generation="g" * 16, changes=None)
KEY = "9.8/baseos/x86_64"


def described(
    mirror: Mirror, state: MirrorState | None, before: Described | None = None, **more: Any
) -> Described:
    """A mirror as it is known, at a price and held back or not."""
    served = ServedMirror(name=mirror.name, addresses=more.get("urls", mirror.addresses), module_addresses={})
    price_km = price_after(before.facts if before else None, more.get("price_km", 0.0))
    return Described("m.yml", mirror, facts_of(mirror, served, state, more.get("held", False), price_km))


def said(events: list[Event]) -> list[tuple[EventKind, str | None, str | None]]:
    return [(event.kind, event.before, event.after) for event in events]


def state(status: Status = Status.OK, reason: str | None = None, **more: Any) -> MirrorState:
    return a_state("m", status, reason=reason, **more)


DOWN = state(Status.UNREACHABLE, "https over IPv4: no answer within 10 s; failed 2 times in a row")
OLD = state(Status.STALE, "its timestamp is 14.2 h behind the origin's, 12 h are allowed")
LACKING = state(Status.DEGRADED, "it lacks 1 of 8 directories", content={KEY: Content.MISSING})

FOUND = {
    "down": (state(), DOWN, [("status", "ok", "unreachable")]),
    "still down": (DOWN, state(Status.UNREACHABLE, (DOWN.reason or "").replace("failed 2", "failed 31")), []),
    "still old": (OLD, state(Status.STALE, (OLD.reason or "").replace("14.2", "1,014")), []),
    "down for another reason": (
        state(Status.BROKEN, "https over IPv4: HTTP 503 for the timestamp file"),
        state(Status.BROKEN, "https over IPv4: HTTP 404 for the timestamp file"),
        [("status", "broken", "broken")],
    ),
    "the first verdict": (None, state(), [("status", None, "ok")]),
    "no verdict any more": (state(), None, [("status", "ok", None)]),
    "it lacks a repo": (
        state(content={KEY: Content.CURRENT}),
        LACKING,
        [("status", "ok", "degraded"), ("content", None, f"{KEY} (missing)")],
    ),
    "it lacks another one": (
        LACKING,
        state(Status.DEGRADED, "it lacks 2 of 8 directories", content={KEY: Content.CORRUPT}),
        [("content", f"{KEY} (missing)", f"{KEY} (corrupt)")],
    ),
    "a release": (state(content={KEY: Content.CURRENT}), state(content={KEY: Content.PREVIOUS}), []),
    "much of it": (
        state(),
        state(content={f"9.8/r{n}/x86_64": Content.STALE for n in range(5)}, isos={"9.8/x86_64": False}),
        [
            (
                "content",
                None,
                "9.8/r0/x86_64 (stale), 9.8/r1/x86_64 (stale), 9.8/r2/x86_64 (stale) and 3 more",
            )
        ],
    ),
    "a release in its copy of the vault": (
        state(vault={"9.7": True}),
        state(vault={"9.7": False}),
        [("content", None, "9.7 (not in its copy of the vault)")],
    ),
}


@pytest.mark.parametrize("case", FOUND)
def test_what_the_prober_finds(case: str) -> None:
    """One event for each kind of change, and none for a state that goes on."""
    was, now, events = FOUND[case]
    mirror = a_mirror("m", "munich")
    found = events_of(M, described(mirror, was), described(mirror, now), now, OCCASION)
    assert said(found) == events


DECLARED: dict[str, tuple[dict[str, Any], str, str]] = {
    "weight": ({"weight": 2.5}, "weight 1", "weight 2.5"),
    "coordinates": (
        {"coordinates": Coordinates(latitude=1.5, longitude=-2)},
        "coordinates none",
        "coordinates 1.5, -2",
    ),
    "country and city": (
        {"country": "FR", "city": "Paris"},
        "city none; country none",
        "city Paris; country FR",
    ),
    "networks": (
        {"subnets": tuple(f"10.{n}.0.0/16" for n in range(5))},
        "subnets none",
        "subnets 10.0.0.0/16, 10.1.0.0/16, 10.2.0.0/16 and 2 more",
    ),
    "asn": ({"asns": (64500,)}, "asn none", "asn 64500"),
    "disabled": ({"probe": False, "monopoly": True}, "monopoly no; probe yes", "monopoly yes; probe no"),
    "cloud": (
        {"cloud": Cloud(provider="aws", regions=("eu-central-1",))},
        "cloud_type none",
        "cloud_type aws eu-central-1",
    ),
    "vault": (
        {"vault_addresses": {"": {"https": "https://vault.example.org/"}}},
        "address_vault none",
        "address_vault https://vault.example.org/",
    ),
}


@pytest.mark.parametrize("case", DECLARED)
def test_what_people_declare(case: str) -> None:
    """One event for an edit, however many keys it changes, with the values of these keys."""
    changes, before, after = DECLARED[case]
    was, now = a_mirror("m"), a_mirror("m", **changes)
    first, *_ = events_of(M, described(was, None), described(now, None), None, OCCASION)
    assert said([first]) == [("declared", before, after)]
    assert "m.yml has another" in (first.evidence or "")


def test_values_of_a_private_mirror() -> None:
    """Its events, and those of becoming private or public, say which keys were edited, and no more."""
    public, private = a_mirror("m"), a_mirror("m", private=True, subnets=("10.1.0.0/16",))
    other = a_mirror(
        "m", private=True, subnets=("10.2.0.0/16",), addresses={"https": "https://in.example.org/"}
    )
    for was, now in ((public, private), (private, other), (other, public)):
        events = events_of(M, described(was, None), described(now, None), None, OCCASION)
        assert said(events) == [("declared", None, None)]
        assert "subnets" in (events[0].evidence or "")
        assert "10." not in repr(events)
        assert "in.example.org" not in repr(events)


def test_addresses() -> None:
    """The base URLs that are served; the evidence says which went and which came."""
    mirror = a_mirror("m")
    one = {"https": mirror.addresses["https"]}
    before, after = described(mirror, state()), described(mirror, state(), urls=one)
    (event,) = events_of(M, before, after, state(), OCCASION)
    both = "http://m.example.org/alma/, https://m.example.org/alma/"
    assert said([event]) == [("addresses", both, "https://m.example.org/alma/")]
    assert event.evidence == "gone: http://m.example.org/alma/"


def test_prices_add_up() -> None:
    """Small steps are an event as soon as they are more than 50 km together; there is none on the way."""
    mirror = a_mirror("m")
    known, found = described(mirror, None, price_km=10.0), []
    for price_km in (30.0, 50.0, 60.0, 61.0, 80.0, 30.0, 10.0, 0.0):
        now = described(mirror, None, known, price_km=price_km)
        found += said(events_of(M, known, now, None, OCCASION))
        known = now
    assert found == [("price", "10 km", "61 km"), ("price", "61 km", "10 km")]


def test_what_the_guard_holds_back() -> None:
    """That a verdict is held back is a part of the event; that it is so no longer is an event of its own."""
    mirror = a_mirror("m")
    well, held, accepted = (
        described(mirror, state()),
        described(mirror, DOWN, held=True),
        described(mirror, DOWN),
    )
    (first,) = events_of(M, well, held, DOWN, OCCASION)
    (second,) = events_of(M, held, accepted, DOWN, OCCASION)
    assert said([first, second]) == [
        ("status", "ok", "unreachable"),
        ("status", "unreachable", "unreachable"),
    ]
    assert (first.evidence or "").endswith(
        "2 times in a row; the guard holds back what the prober found, so the mirror is served as before"
    )
    assert "the guard" not in (second.evidence or "")


TIMES = {
    "found since the last look": (NOON - 1800, NOON - 1800),
    "found before it, as by another machine": (NOON - 7200, NOON),
    "in the future, by a clock that is wrong": (NOON + 60, NOON),
}


@pytest.mark.parametrize("case", TIMES)
def test_times(case: str) -> None:
    """An event has the prober's time, where that can be."""
    found_s, at_s = TIMES[case]
    mirror = a_mirror("m")
    down = state(Status.UNREACHABLE, since=datetime.fromtimestamp(found_s, UTC))
    (event,) = events_of(M, described(mirror, state()), described(mirror, down), down, OCCASION)
    assert event.at.timestamp() == at_s


def test_comes_and_goes() -> None:
    """A mirror is added with its first status, and removed with its last."""
    here = described(a_mirror("m"), DOWN)
    assert said(events_of(M, None, here, DOWN, OCCASION)) == [("added", None, "unreachable")]
    assert said(events_of(M, here, None, DOWN, OCCASION)) == [("removed", "unreachable", None)]
    assert events_of(M, here, here, DOWN, OCCASION) == []
