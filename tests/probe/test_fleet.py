"""Every fault that a mirror can have, judged right in the state files."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from app.model import Content, MirrorState, Status
from tests.probe import fleet as f
from tests.probe.conftest import Probing
from tests.probe.fleet import Behaviour, Fleet, running

X86 = "9.8/baseos/x86_64"
ALL_KEYS = {f"9.8/{repo}/{arch}" for repo in ("baseos", "appstream") for arch in ("x86_64", "s390x")}


def first_rounds(fleet: Fleet, probing: Probing) -> None:
    """Let the origin have had three versions: the oldest out of grace, the middle one within it."""
    name = fleet.add("first.example.org")
    for date, now in (
        (1_794_000_000, f.NOW - dt.timedelta(days=3)),
        (1_794_900_000, f.NOW - dt.timedelta(days=2)),
    ):
        fleet.dates.insert(0, date)
        fleet.now = now
        assert probing(name) in (0, 1)
    fleet.dates.sort(reverse=True)
    fleet.now = f.NOW
    (fleet.folder / "mirrors.d" / f"{name}.yml").unlink()


JUDGED_BROKEN: dict[str, tuple[Behaviour, str]] = {
    "404 for everything": (f.answering(404), "HTTP 404 for the timestamp file"),
    "500 for everything": (f.answering(500), "HTTP 500 for the timestamp file"),
    "every repomd corrupt": (f.damaged(lambda body: b"<html>parked</html>"), "none of the 4 repos"),
    "every repomd truncated": (f.damaged(lambda body: body[:-20]), "none of the 4 repos"),
    "every repomd changed in a byte": (f.damaged(lambda body: body.replace(b"0", b"1", 1)), "none of the 4"),
    "redirect loop": (f.redirecting(lambda fleet, asked: asked.path), "more than 5 redirects"),
    "redirect to metadata": (
        f.redirecting(lambda fleet, asked: "http://169.254.169.254/latest/meta-data/"),
        "it redirects to another host (http://169.254.169.254/latest/meta-data/)",
    ),
    "slow body": (f.slow_body, "its answer was not complete within 1.2 s"),
    "endless body": (f.endless_body, "its answer is larger than 100,000 bytes"),
    "answer shorter than announced": (f.cut_short, "shorter than announced"),
    "invalid UTF-8 for a time": (f.damaged(lambda body: b"\xff\xfe" * 400, part=""), "holds no time"),
    "gzip bomb": (f.compressed, "its answer is compressed (gzip), which nobody asked for"),
}
JUDGED_UNREACHABLE: dict[str, tuple[Behaviour, str]] = {
    "accepts and says nothing": (f.silent, "no answer within 0.6 s"),
    "hangs up": (f.hangs_up, "closed the connection without an answer"),
    "slow headers": (f.slow_headers, "no answer within 1.2 s"),
    "not HTTP": (f.not_http, "not HTTP"),
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, MirrorState]:
    """The states after one round over one mirror of each kind, by the name of the fault."""
    folder = tmp_path_factory.mktemp("faults")
    with running(Fleet(folder=folder, limits=replace(f.LIMITS, first_byte_s=0.6, total_s=1.2))) as fleet:
        fleet.write_config()
        faults = JUDGED_BROKEN | JUDGED_UNREACHABLE
        names = {
            fault: fleet.add(f"fault-{number}.example.org", behaviour)
            for number, (fault, (behaviour, _)) in enumerate(faults.items())
        }
        probing = Probing(fleet)
        assert probing() == 0
        return {fault: probing.state(name) for fault, name in names.items()}


@pytest.mark.parametrize("fault", JUDGED_BROKEN)
def test_a_mirror_that_answers_but_not_as_a_mirror_is_broken(
    judged: Mapping[str, MirrorState], fault: str
) -> None:
    """Broken after a second try, with what came instead in a sentence."""
    state = judged[fault]
    assert state.status is Status.BROKEN
    assert JUDGED_BROKEN[fault][1] in (state.reason or "")


@pytest.mark.parametrize("fault", JUDGED_UNREACHABLE)
def test_a_mirror_that_gives_no_http_answer_is_unreachable(
    judged: Mapping[str, MirrorState], fault: str
) -> None:
    """Unreachable after two failures in a row, with the time it was given in the reason."""
    state = judged[fault]
    assert (state.status, state.failures) == (Status.UNREACHABLE, 2)
    assert JUDGED_UNREACHABLE[fault][1] in (state.reason or "")
    assert "failed 2 times in a row" in (state.reason or "")


@pytest.mark.slow
def test_a_refused_connection_a_black_hole_and_an_unknown_name_are_unreachable(
    fleet: Fleet, probing: Probing
) -> None:
    """Whatever keeps a connection from coming about is told apart in the reason."""
    refused, hole, unknown = (fleet.add(f"{name}.example.org") for name in ("refused", "hole", "unknown"))
    fleet.addresses |= {refused: [f.REFUSED_ADDRESS], hole: [f.BLACK_HOLE_ADDRESS], unknown: []}
    with f.black_hole(fleet.port):
        assert probing() == 0
    reasons = {name: probing.state(name).reason or "" for name in (refused, hole, unknown)}
    assert {probing.state(name).status for name in reasons} == {Status.UNREACHABLE}
    assert "the connection was refused" in reasons[refused]
    assert "no connection within 0.8 s" in reasons[hole]
    assert "does not resolve (Name or service not known)" in reasons[unknown]


def test_contents_are_judged_by_hash_against_the_origin_s_history(fleet: Fleet, probing: Probing) -> None:
    """Current, previous within the grace period, stale beyond it."""
    first_rounds(fleet, probing)
    mirrors = {
        fleet.add("fresh.example.org"): Content.CURRENT,
        fleet.add("behind.example.org", f.one_version_behind): Content.PREVIOUS,
        fleet.add("old.example.org", f.two_versions_behind): Content.STALE,
    }
    assert probing() == 0
    for name, content in mirrors.items():
        state = probing.state(name)
        assert state.status is (Status.OK if content.is_good else Status.DEGRADED)
        assert state.content == dict.fromkeys(ALL_KEYS, content), name


def test_an_old_timestamp_file_makes_a_mirror_stale(fleet: Fleet, probing: Probing) -> None:
    """Behind the origin's own by more than allowed_outdate, with both numbers in the reason."""
    first_rounds(fleet, probing)
    name = fleet.add("a.example.org", f.stale)
    probing()
    state = probing.state(name)
    assert state.status is Status.STALE
    assert state.reason == "its timestamp is 20.0 h behind the origin's, 12 h are allowed"
    assert state.timestamp == fleet.synced_at - dt.timedelta(hours=20)
    assert state.origin_timestamp == fleet.synced_at


def test_an_origin_that_publishes_nothing_makes_nobody_stale(fleet: Fleet, probing: Probing) -> None:
    """Age is judged against the origin's timestamp, not against the clock."""
    name = fleet.add("a.example.org")
    fleet.now += dt.timedelta(days=5)
    probing()
    assert probing.state(name).status is Status.OK


def test_a_partial_mirror_is_a_good_mirror_for_what_it_has(fleet: Fleet, probing: Probing) -> None:
    """Without s390x: its repos and ISO directory are missing, and the mirror is degraded, not down."""
    name = fleet.add("a.example.org", f.without("s390x"))
    probing()
    state = probing.state(name)
    assert state.status is Status.DEGRADED
    assert state.content[X86] is Content.CURRENT
    assert state.content["9.8/baseos/s390x"] is Content.MISSING
    assert state.isos == {"9.8/x86_64": True, "9.8/s390x": False}


def test_one_damaged_repo_does_not_condemn_the_mirror(fleet: Fleet, probing: Probing) -> None:
    """Corrupt is a verdict on that repo; the others are served."""
    damage = f.damaged(lambda body: body[:100], part="appstream/x86_64")
    name = fleet.add("a.example.org", damage)
    probing()
    state = probing.state(name)
    assert state.status is Status.DEGRADED
    assert {k for k, c in state.content.items() if c is Content.CORRUPT} == {"9.8/appstream/x86_64"}


def test_a_mirror_without_timestamp_file_is_judged_by_its_contents(fleet: Fleet, probing: Probing) -> None:
    """Only hashes tell whether contents are right; the file is a convenience."""
    name = fleet.add("a.example.org", f.without("/TIME"))
    probing()
    state = probing.state(name)
    assert (state.status, state.timestamp) == (Status.OK, None)
    assert state.content[X86] is Content.CURRENT
    assert state.endpoints["http"]["ipv4"].ok


def test_a_single_failure_decides_nothing(fleet: Fleet, probing: Probing) -> None:
    """A mirror that fails once and answers at the second try is ok."""
    name = fleet.add("a.example.org", f.failing_first(1))
    probing()
    assert (probing.state(name).status, probing.state(name).failures) == (Status.OK, 0)


def test_a_flapping_mirror_comes_back_by_one_full_success(fleet: Fleet, probing: Probing) -> None:
    """Down after two failures; back only once its contents were asked for again, all of them."""
    name = fleet.add("a.example.org")
    probing()
    fleet.behaviours[name] = f.failing_first(3, then=f.without("s390x"))
    fleet.now += dt.timedelta(minutes=15)
    probing()
    down = probing.state(name)
    assert (down.status, down.failures, down.since) == (Status.UNREACHABLE, 2, fleet.now)
    fleet.now += dt.timedelta(minutes=15)
    probing()
    assert (probing.state(name).failures, probing.state(name).since) == (3, down.since)
    fleet.log.clear()
    fleet.now += dt.timedelta(minutes=15)
    probing()
    back = probing.state(name)
    assert (back.status, back.failures, back.since) == (Status.DEGRADED, 0, fleet.now)
    assert back.content["9.8/baseos/s390x"] is Content.MISSING
    assert len({path for _, path in fleet.requests_to(name) if "repomd" in path}) == 4


def test_a_mirror_that_answers_again_without_its_contents_stays_down(fleet: Fleet, probing: Probing) -> None:
    """A timestamp file alone brings nobody back."""
    name = fleet.add("a.example.org", f.hangs_up)
    probing()

    async def timestamp_only(fleet: Fleet, asked: f.Asked) -> None:
        if asked.path == "/TIME":
            await f.fresh(fleet, asked)
        else:
            asked.send(503, b"later")

    fleet.behaviours[name] = timestamp_only
    probing()
    state = probing.state(name)
    assert state.status in (Status.BROKEN, Status.UNREACHABLE)
    assert "HTTP 503" in (state.reason or "")


def test_endpoints_are_judged_by_protocol_and_family(tls_fleet: Fleet) -> None:
    """IPv4 only, IPv6 only, a dead family beside a living one, rsync by its greeting, and an expired
    certificate as a reason of its own."""
    fleet = tls_fleet
    probing = Probing(fleet)
    both = fleet.add("both.example.org")
    only6 = fleet.add("only6.example.org")
    half = fleet.add("half.example.org")
    expired = fleet.add("expired.example.org", address={"https": fleet.https("expired.example.org")})
    rsync = fleet.add(
        "rsync.example.org",
        address={
            "https": fleet.https("rsync.example.org"),
            "rsync": f"rsync://rsync.example.org:{fleet.rsync_port}/almalinux/",
        },
    )
    fleet.addresses |= {
        both: ["127.0.0.1", "::1"],
        only6: ["::1"],
        half: [f.REFUSED_ADDRESS, "::1"],
        expired: [f.EXPIRED_ADDRESS],
    }
    assert probing() == 0
    found = {
        name: {
            f"{protocol}/{family}": endpoint.ok
            for protocol, families in probing.state(name).endpoints.items()
            for family, endpoint in families.items()
        }
        for name in (both, only6, half, expired, rsync)
    }
    assert found == {
        both: {"http/ipv4": True, "http/ipv6": True},
        only6: {"http/ipv6": True},
        half: {"http/ipv4": False, "http/ipv6": True},
        expired: {"https/ipv4": False},
        rsync: {"https/ipv4": True, "rsync/ipv4": True},
    }
    assert {probing.state(name).status for name in (both, only6, half, rsync)} == {Status.OK}
    assert probing.state(expired).status is Status.UNREACHABLE
    assert "its certificate is not valid (certificate has expired)" in (probing.state(expired).reason or "")
    assert probing.state(both).addresses == ("127.0.0.1", "::1")


def test_a_family_that_this_machine_cannot_reach_is_not_held_against_a_mirror(
    fleet: Fleet, probing: Probing
) -> None:
    """A prober without IPv6 asks over IPv4, and says nothing of IPv6."""
    both, only6 = fleet.add("both.example.org"), fleet.add("only6.example.org")
    fleet.routed = ("ipv4",)
    fleet.addresses |= {both: ["127.0.0.1", "2606:4700::1111"], only6: ["2606:4700::1111"]}
    assert probing(both, only6) == 1
    assert list(probing.state(both).endpoints["http"]) == ["ipv4"]
    assert not probing.has_state(only6)
    assert "nothing is known of it: this machine has no route to IPv6" in probing.output.getvalue()


def test_a_module_is_asked_at_its_own_address(fleet: Fleet, probing: Probing) -> None:
    """An optional module may be on another host, which may be down; that is no fault of the rest."""
    fleet.modules = True
    fleet.releases = ("9.8", "10-kitten")
    fleet.write_config()
    good = fleet.add(
        "good.example.org", address_optional={"kitten": {"http": fleet.http("kitten.example.org")}}
    )
    half = fleet.add(
        "half.example.org", address_optional={"kitten": {"http": fleet.http("dead.example.org")}}
    )
    fleet.addresses["dead.example.org"] = [f.REFUSED_ADDRESS]
    none = fleet.add("none.example.org")
    probing()
    kitten = "10-kitten/baseos/x86_64"
    found = {
        name: (probing.state(name).status, probing.state(name).content.get(kitten))
        for name in (good, half, none)
    }
    assert found == {
        good: (Status.OK, Content.CURRENT),
        half: (Status.DEGRADED, Content.CORRUPT),
        none: (Status.OK, None),
    }
    assert all("kitten" in path for _, path in fleet.requests_to("kitten.example.org"))
    assert not any("kitten" in path for _, path in fleet.requests_to(good))


def test_http_that_leads_to_https_on_the_same_host_is_good(tls_fleet: Fleet) -> None:
    """Such redirects are followed once; contents are then asked for where they lead."""
    probing = Probing(tls_fleet)

    async def upgrade(fleet: Fleet, asked: f.Asked) -> None:
        secure = asked.writer.get_extra_info("sslcontext") is not None
        if secure:
            await f.fresh(fleet, asked)
        else:
            asked.send(301, Location=fleet.https(asked.host).rstrip("/") + asked.path)

    name = tls_fleet.add("a.example.org", upgrade)
    probing()
    assert probing.state(name).status is Status.OK
    # the timestamp twice (with its redirect), four repos and two ISO directories once each
    assert len(tls_fleet.requests_to(name)) == 8


@pytest.mark.slow
def test_a_fleet_of_two_hundred_is_judged_in_one_round(fleet: Fleet, probing: Probing) -> None:
    """Faults of some do not delay or colour the verdict on others; the round is recorded."""
    fleet.limits = replace(fleet.limits, first_byte_s=10.0, total_s=10.0)  # none of these is slow by itself
    first_rounds(fleet, probing)
    kinds: dict[str, tuple[Behaviour, Status]] = {
        "fresh": (f.fresh, Status.OK),
        "behind": (f.one_version_behind, Status.OK),
        "stale": (f.stale, Status.STALE),
        "partial": (f.without("s390x"), Status.DEGRADED),
        "missing": (f.answering(404), Status.BROKEN),
        "failing": (f.answering(500), Status.BROKEN),
        "corrupt": (f.damaged(lambda body: body[:-9]), Status.BROKEN),
        "loop": (f.redirecting(lambda fleet, asked: asked.path), Status.BROKEN),
        "hangs-up": (f.hangs_up, Status.UNREACHABLE),
        "flapping": (f.failing_first(1), Status.OK),
    }
    expected = {}
    for number in range(20):
        for kind, (behaviour, status) in kinds.items():
            expected[fleet.add(f"{kind}-{number}.example.org", behaviour)] = status
    assert probing() == 0
    assert {name: probing.state(name).status for name in expected} == expected
    completed = json.loads((fleet.folder / "state" / "round.json").read_bytes())["completed_at"]
    assert completed == "2026-11-20T10:00:00Z"
