"""A survey as it goes through the store."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from app.model import Content, MirrorState, ProbeRound, RepomdVersion, Status
from app.sources.surveys.survey import Survey, SurveyError, decode, encode
from tests.builders import NOW, a_repomd, a_state, an_image_directory, endpoints

KEY = "9.8/baseos/x86_64"
WHOLE = Survey(
    states={
        "a.example.org": a_state(
            "a",
            since=NOW - timedelta(days=1),
            addresses=("192.0.2.1", "2001:db8::1"),
            endpoints=endpoints(ipv4=True, ipv6=False),
            content={KEY: Content.CURRENT},
            isos={"9.8/x86_64": True},
        ),
        "b.example.org": a_state("b", Status.UNREACHABLE, failures=3, reason="no answer"),
    },
    last_round=ProbeRound(completed_at=NOW, interval_s=900.0),
    repomd={KEY: (a_repomd(2), a_repomd(1))},
    images={"9.8/x86_64": an_image_directory("x.iso", others=("x.iso.torrent",))},
)
NAIVE = datetime(2026, 11, 20)  # noqa: DTZ001 - what no survey may hold


def test_comes_back_as_it_was() -> None:
    """All of it, and equal surveys are equal bytes."""
    assert decode(encode(WHOLE)) == (WHOLE, [])
    assert decode(encode(Survey())) == (Survey(), [])
    turned = msgspec.structs.replace(WHOLE, states=dict(reversed(WHOLE.states.items())))
    assert encode(turned) == encode(WHOLE)


def test_what_a_newer_version_adds_is_left_out() -> None:
    """Unknown keys, protocols and verdicts are no fault, as in the state files."""
    raw: dict[str, Any] = msgspec.json.decode(encode(WHOLE))
    raw["moon"] = "full"
    state = raw["mirrors"]["a.example.org"]
    state["mood"] = "good"
    state["endpoints"]["gopher"] = {"ipv4": {"ok": True}}
    state["content"]["9.8/appstream/x86_64"] = "splendid"
    raw["round"]["weather"] = "rain"
    assert decode(msgspec.json.encode(raw)) == (WHOLE, [])


def without_mirror(name: str) -> Survey:
    states = {other: state for other, state in WHOLE.states.items() if other != name}
    return msgspec.structs.replace(WHOLE, states=states)


def state(**changes: object) -> dict[str, MirrorState]:
    return {
        **WHOLE.states,
        "a.example.org": msgspec.structs.replace(WHOLE.states["a.example.org"], **changes),
    }


DAMAGED: dict[str, tuple[dict[str, Any], Survey]] = {
    "the state of another mirror": (
        {"states": state(mirror="c.example.org")},
        without_mirror("a.example.org"),
    ),
    "an address that is none": ({"states": state(addresses=("moon",))}, without_mirror("a.example.org")),
    "a time without a time zone": ({"states": state(probed_at=NAIVE)}, without_mirror("a.example.org")),
    "fewer failures than none": ({"states": state(failures=-1)}, without_mirror("a.example.org")),
    "a round without a time zone": (
        {"last_round": ProbeRound(completed_at=NAIVE)},
        msgspec.structs.replace(WHOLE, last_round=None),
    ),
    "a checksum that is none": (
        {"repomd": {KEY: (a_repomd(sha256="moon"),)}},
        msgspec.structs.replace(WHOLE, repomd={}),
    ),
    "an image in another directory": (
        {"images": {"9.8/x86_64": an_image_directory("../x.iso")}},
        msgspec.structs.replace(WHOLE, images={}),
    ),
}


@pytest.mark.parametrize(("changes", "left"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_part_costs_itself(changes: dict[str, Any], left: Survey) -> None:
    """What is impossible is left out and named; the rest counts."""
    found, problems = decode(encode(msgspec.structs.replace(WHOLE, **changes)))
    assert found == left
    assert len(problems) == 1


@pytest.mark.parametrize(
    "data",
    [b"", b"junk", b"[]", b"{}", b'{"schema": 2}', b'{"schema": 1, "mirrors": 3}', b"\xff", b"[" * 100_000],
)
def test_what_is_no_survey(data: bytes) -> None:
    """Anything else is refused as a whole."""
    with pytest.raises(SurveyError):
        decode(data)


def test_the_newest_moment() -> None:
    """A survey is as new as the last thing that was found out about any mirror."""
    later = a_state("c", probed_at=NOW + timedelta(minutes=1))
    assert Survey().newest is None
    assert WHOLE.newest == NOW
    assert msgspec.structs.replace(WHOLE, states={"c.example.org": later}).newest == later.probed_at
    assert Survey(repomd={KEY: (a_repomd(),)}).newest is None
    assert not Survey(repomd={KEY: (a_repomd(),)}).is_empty
    assert isinstance(a_repomd(), RepomdVersion)
