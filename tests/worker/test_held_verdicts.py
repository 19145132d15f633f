"""What the prober cannot do: empty lists, and keep people's edits waiting."""

from __future__ import annotations

import logging
import shutil

import pytest

from app.model import FAMILIES, Content, Endpoint, Family, Fate, MirrorState, Protocol, Status
from app.settings import SecretUrl
from app.snapshot.status import decode_heartbeat
from app.store import FileStore, Publication
from app.store.redis import RedisStore
from app.worker.losses import Force
from tests.conftest import RedisServer
from tests.worker.conftest import StartWorker
from tests.worker.network import NOON, QUESTION, Network, address, generation, listed, loaded, status

HOUR = 3600.0
MINUTE = 60.0
DAY = 24 * HOUR

RARE = "9.8/baseos/aarch64"


def with_rare(has: bool) -> dict[str, Content]:
    return {QUESTION: Content.CURRENT, RARE: Content.CURRENT if has else Content.MISSING}


@pytest.fixture
def names(network: Network, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Ten mirrors, all probed and well."""
    caplog.set_level(logging.INFO, "mirrorwise.worker")
    names = network.several(10)
    network.probed(names)
    return names


def guard_says(store: FileStore) -> str:
    beat = store.heartbeat()
    assert beat is not None
    return decode_heartbeat(beat).guard or ""


def fate(store: FileStore, name: str, question: str) -> Fate:
    snapshot = loaded(store)
    return Fate(snapshot.fates[question][snapshot.number[name]])


# --- edits go out ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_edits_go_out_while_verdicts_are_held(
    network: Network, store: FileStore, start: StartWorker, names: list[str]
) -> None:
    """The prober has lost its network: all mirrors stay, and whatever people edit is out at the next step,
    for as long as it takes."""
    worker = start()
    worker.step(NOON)
    network.probed(names, Status.UNREACHABLE, NOON + 10)
    worker.step(NOON + MINUTE)
    assert sorted(listed(store)) == names
    for day in (0, 1, 2):
        at_s = NOON + HOUR + day * DAY
        network.mirror(names[day], more="disabled: true\n")
        worker.step(at_s)
        network.mirror(f"new{day}.example.org", more="probe: false\n")
        worker.step(at_s + 1)
        path = network.mirror(names[9])
        path.write_text(path.read_text().replace("examplelinux", f"day{day}"))
        worker.step(at_s + 2)
        expected = [*names[day + 1 :], *(f"new{n}.example.org" for n in range(day + 1))]
        assert sorted(listed(store)) == expected
        assert address(store, names[9]) == f"https://{names[9]}/day{day}/"
    assert set(worker.faults.current) == {"guard/verdicts"}


def test_a_rare_list_blocks_nothing(network: Network, store: FileStore, start: StartWorker) -> None:
    """One rare list that would be halved is held alone: verdicts on other lists are accepted, edits too."""
    names = network.several(60)
    for number, name in enumerate(names):
        network.state(name, content=with_rare(number < 6))
    network.round()
    worker = start()
    worker.step(NOON)
    assert sorted(listed(store, question=RARE)) == names[:6]
    for name in names[:4]:
        network.state(name, at_s=NOON + 10, content=with_rare(False))
    for name in names[50:]:
        network.state(name, Status.UNREACHABLE, NOON + 10)
    worker.step(NOON + MINUTE)
    assert sorted(listed(store, question=RARE)) == names[:6]
    assert len(loaded(store).fates[QUESTION]) == 60
    assert [fate(store, name, QUESTION) for name in names[50:]] == [Fate.UNREACHABLE] * 10
    assert "1 list would keep less than half of its mirrors: 9.8/baseos/aarch64 would keep 2 of 6" in (
        guard_says(store)
    )
    network.mirror(names[20], more="disabled: true\n")
    worker.step(NOON + 2 * MINUTE)
    assert names[20] not in listed(store)
    assert sorted(listed(store, question="9.8/baseos/")) != []


@pytest.mark.parametrize("count", [1, 2, 3])
def test_no_list_is_emptied(network: Network, store: FileStore, start: StartWorker, count: int) -> None:
    """However few mirrors a list has, verdicts do not leave it with the origin alone. One that comes back
    ends it."""
    names = network.several(count)
    network.probed(names)
    worker = start()
    worker.step(NOON)
    network.probed(names, Status.UNREACHABLE, NOON + 10)
    for at_s in (MINUTE, HOUR, 2 * DAY):
        worker.step(NOON + at_s)
        assert sorted(listed(store)) == names
    network.state(names[0], Status.OK, NOON + 3 * DAY)
    worker.step(NOON + 3 * DAY)
    assert listed(store) == names[:1]
    assert worker.faults.current == {}


def test_the_same_lists_as_before(
    network: Network, store: FileStore, start: StartWorker, names: list[str]
) -> None:
    """While verdicts are held, every list is byte for byte as it was, those without an arch included."""
    network.probed(names[:5], content=with_rare(True))
    worker = start()
    worker.step(NOON)
    before = loaded(store)
    network.probed(names, Status.UNREACHABLE, NOON + 10)
    worker.step(NOON + MINUTE)
    assert loaded(store).fates == before.fates
    assert loaded(store).mirrors == before.mirrors
    assert generation(store) == before.generation


# --- what the guard measures -------------------------------------------------------------------------


def test_a_removal_is_not_the_probers_fault(
    network: Network, store: FileStore, start: StartWorker, names: list[str]
) -> None:
    """People take four of ten mirrors out, then the prober loses two of the six that are left: neither is
    half of what there was, and nothing is held."""
    worker = start()
    worker.step(NOON)
    network.remove(*names[6:])
    worker.step(NOON + 1)
    network.probed(names[4:6], Status.UNREACHABLE, NOON + 10)
    worker.step(NOON + 2 * MINUTE)
    assert sorted(listed(store)) == names[:4]
    assert worker.faults.current == {}


@pytest.mark.slow
def test_a_round_goes_file_by_file(
    network: Network, store: FileStore, start: StartWorker, names: list[str]
) -> None:
    """A round that loses mirror after mirror is measured by the largest number of the day."""
    worker = start()
    worker.step(NOON)
    for minute, name in enumerate(names, 1):
        network.state(name, Status.UNREACHABLE, NOON + minute * MINUTE)
        worker.step(NOON + minute * MINUTE)
    assert sorted(listed(store)) == names[5:]
    worker.stop()
    restarted = start()
    restarted.step(NOON + HOUR)
    assert sorted(listed(store)) == names[5:]


def test_what_nobody_had_looked_at(network: Network, store: FileStore, start: StartWorker) -> None:
    """A repo that is new in the config is served by all until it is known who has it. That most turn out not
    to have it is no loss."""
    names = network.several(10)
    network.probed(names, content={QUESTION: Content.CURRENT})
    worker = start()
    worker.step(NOON)
    new = "9.8/appstream/x86_64"
    assert len(listed(store, question=new)) == 10
    for number, name in enumerate(names):
        content = Content.CURRENT if number < 2 else Content.MISSING
        network.state(name, at_s=NOON + 10, content={QUESTION: Content.CURRENT, new: content})
    worker.step(NOON + MINUTE)
    assert sorted(listed(store, question=new)) == names[:2]
    assert worker.faults.current == {}


def test_unexpected_repos_are_guarded_too(network: Network, store: FileStore, start: StartWorker) -> None:
    """A list of a repo that the config does not expect there is not emptied either."""
    config = network.config.read_text()
    network.config.write_text(
        config.replace("AppStream/$basearch/os/", "AppStream/$basearch/os/, arches: [x86_64]")
    )
    names = network.several(10)
    network.probed(names)
    worker = start()
    worker.step(NOON)
    network.probed(names, Status.UNREACHABLE, NOON + 10)
    worker.step(NOON + MINUTE)
    assert sorted(listed(store, question="9.8/appstream/aarch64")) == names


# --- what mirrors offer ------------------------------------------------------------------------------


def reached(lost: str = "") -> dict[Protocol, dict[Family, Endpoint]]:
    """All endpoints of a mirror work, but for those of the protocol or family that is lost."""
    protocols: tuple[Protocol, ...] = ("https", "http")
    return {p: {family: Endpoint(ok=lost not in (p, family)) for family in FAMILIES} for p in protocols}


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["ipv6", "https"])
def test_a_prober_that_has_lost_a_part(
    network: Network, store: FileStore, start: StartWorker, names: list[str], lost: str
) -> None:
    """A prober without IPv6, or without a way out for HTTPS, takes neither from the mirrors; one mirror alone
    that loses it is believed."""
    for name in names:
        path = network.mirror(name)
        both = f'{{https: "https://{name}/examplelinux/", http: "http://{name}/examplelinux/"}}'
        path.write_text(path.read_text().replace(f'{{https: "https://{name}/examplelinux/"}}', both))
    well, failing = reached(), reached(lost)
    network.probed(names, endpoints=well, addresses=("192.0.2.1", "2001:db8::1"))
    worker = start()
    worker.step(NOON)

    def offer() -> list[str]:
        mirrors = loaded(store).mirrors
        return [m.name for m in mirrors if (m.ipv6 if lost == "ipv6" else "https" in m.addresses)]

    network.state(names[0], at_s=NOON + 10, endpoints=failing)
    worker.step(NOON + MINUTE)
    assert offer() == names[1:]
    network.probed(names, at_s=NOON + 70, endpoints=failing)
    worker.step(NOON + 2 * MINUTE)
    assert offer() == names[1:]
    facet = "family=6" if lost == "ipv6" else "protocol=https"
    assert f"{facet} would keep 0 of 10 mirrors" in guard_says(store)
    network.probed(names, at_s=NOON + 130, endpoints=well)
    worker.step(NOON + 3 * MINUTE)
    assert offer() == names
    assert worker.faults.current == {}


# --- restarts, takeovers, lost stores ----------------------------------------------------------------


def test_restarts_change_nothing(
    network: Network, store: FileStore, start: StartWorker, names: list[str]
) -> None:
    """The next worker goes on with the verdicts that were accepted, and says since when others are held."""
    worker = start()
    worker.step(NOON)
    first = generation(store)
    network.probed(names, Status.UNREACHABLE, NOON + 10)
    worker.step(NOON + MINUTE)
    said = worker.faults.current
    for restart in range(1, 4):
        worker.stop()
        worker = start()
        worker.step(NOON + restart * 20 * MINUTE)
        assert generation(store) == first
        assert worker.faults.current == said


def test_a_lost_store_is_filled_with_what_is_accepted(
    network: Network, store: FileStore, start: StartWorker, names: list[str]
) -> None:
    """A store that is emptied while verdicts are held gets the lists as they were, with what people have
    edited, whichever worker is first to fill it."""
    leader, standby = start(network.store()), start()
    leader.step(NOON)
    standby.step(NOON)
    network.probed(names, Status.UNREACHABLE, NOON + 10)
    leader.step(NOON + MINUTE)
    shutil.rmtree(store.directory)
    network.mirror(names[0], more="disabled: true\n")
    leader.step(NOON + MINUTE + 1)
    assert sorted(listed(store)) == names[1:]
    standby.step(NOON + MINUTE + 2)
    leader.stop()
    shutil.rmtree(store.directory)
    standby.step(NOON + MINUTE + 3)
    assert sorted(listed(store)) == names[1:]
    assert set(standby.faults.current) == {"guard/verdicts"}


@pytest.mark.parametrize("memory", [b"", b"junk"])
def test_what_web_has_kept_counts(
    network: Network, start: StartWorker, names: list[str], redis_server: RedisServer, memory: bytes
) -> None:
    """Redis has lost everything while no worker ran (the machine was restarted), and the prober finds nobody:
    the lists are as web has kept them, although the memory is lost."""
    store = RedisStore.at(SecretUrl(redis_server.url))
    worker = start(store)
    worker.step(NOON)
    pointer = store.pointer()
    assert pointer is not None
    snapshot = store.snapshot(pointer.generation) or b""
    kept = Publication(
        generation=pointer.generation, snapshot=snapshot, memory=memory, blobs=(), published_at_s=NOON
    )
    network.store().publish(kept, None)
    worker.stop()
    redis_server.stop()
    redis_server.start()
    network.probed(names, Status.UNREACHABLE, NOON + 10)
    network.mirror(names[0], more="disabled: true\n")
    start(store).step(NOON + MINUTE)
    assert sorted(listed(store)) == names[1:]
    store.close()


# --- force -------------------------------------------------------------------------------------------


def test_force_empties_nothing(
    network: Network, store: FileStore, start: StartWorker, names: list[str]
) -> None:
    """`--force` accepts the verdicts, but leaves no list with the origin alone; `--to-origin` does."""
    worker = start()
    worker.step(NOON)
    network.probed(names, Status.UNREACHABLE, NOON + 10)
    worker.step(NOON + MINUTE)
    worker.step(NOON + 2 * MINUTE, Force.PAST_GUARD)
    assert sorted(listed(store)) == names
    assert set(worker.faults.current) == {"guard/verdicts"}
    worker.step(NOON + 3 * MINUTE, Force.TO_ORIGIN)
    assert listed(store) == []
    assert worker.faults.current == {}


# --- what people are told ----------------------------------------------------------------------------


def test_what_is_said(
    network: Network,
    store: FileStore,
    start: StartWorker,
    names: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The heartbeat and the log say once what is held, since when, and what to do; the status document names
    the mirrors."""
    worker = start()
    worker.step(NOON)
    assert guard_says(store) == ""
    network.probed(names, Status.UNREACHABLE, NOON + 10)
    worker.step(NOON + MINUTE)
    worker.step(NOON + HOUR)
    said = guard_says(store)
    assert said.startswith("the prober's verdicts on 10 mirrors are held back since 2027-01-15 08:01 UTC, ")
    assert "9.8/baseos/x86_64 would keep 0 of 10 mirrors" in said
    assert "`mirrorwise worker --force`" in said
    assert len([m for m in caplog.messages if m.startswith("guard/verdicts: ")]) == 1
    assert status(store).held == tuple(names)
    network.probed(names, Status.OK, NOON + 2 * HOUR)
    worker.step(NOON + 2 * HOUR)
    assert guard_says(store) == ""
    assert status(store).held == ()


def test_states_stay_the_probers(
    network: Network, store: FileStore, start: StartWorker, names: list[str]
) -> None:
    """What is published of mirrors' states is what the prober found, held or not."""
    worker = start()
    worker.step(NOON)
    network.probed(names, Status.UNREACHABLE, NOON + 10)
    worker.step(NOON + MINUTE)
    states: list[MirrorState] = list(status(store).states.values())
    assert {state.status for state in states} == {Status.UNREACHABLE}
