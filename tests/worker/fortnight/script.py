"""What happens in the fortnight, hour by hour: trouble of more than twenty kinds, and two new versions of all
repos.

Each part returns what happens at which hour after the beginning. At each of these hours the prober has just
looked, unless it is no whole hour. An hour in which nothing happens is left out. What is done through `World`
also says which events must be there afterwards.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from app.model import Content, Endpoint, EventKind, Status
from app.ranking.prices import KM_PER_HOUR
from tests.worker.fortnight.world import CLIENTS, HOURS, MIRRORS, REPOS, World
from tests.worker.network import CONFIG

Action = Callable[[World], object]
Happenings = Iterator[tuple[float, Action]]

OK, STALE, BROKEN, UNREACHABLE = Status.OK, Status.STALE, Status.BROKEN, Status.UNREACHABLE
MISSING, CORRUPT = Content.MISSING, Content.CORRUPT

NO_ANSWER = "https over IPv4: no answer within 10 s; failed {n} times in a row"
REFUSED = "https over IPv4: the connection was refused; failed {n} times in a row"
TOO_SLOW = "https over IPv4: its answer was not complete within 60 s; failed {n} times in a row"
TOO_OLD = "its timestamp is {n}.5 h behind the origin's, 12 h are allowed"

ALL_STALE = (
    "9.8/appstream/aarch64 (stale), 9.8/appstream/x86_64 (stale), 9.8/baseos/aarch64 (stale) and 1 more"
)
BASEOS, APPSTREAM, DAMAGED = "9.8/baseos/aarch64", "9.8/appstream/aarch64", "9.8/appstream/x86_64"


def m(number: int) -> str:
    return f"m{number:02}.example.org"


def find(number: int, status: Status, why: str | None = None, changes: bool = True) -> Action:
    return lambda world: world.find(m(number), status, why, changes)


def lack(
    number: int, before: str | None, after: str | None, lacking: Mapping[str, Content] = {}, isos: bool = True
) -> Action:
    return lambda world: world.lack(m(number), before, after, lacking, isos)


def edit(number: int, more: str, before: str | None, after: str | None, **others: object) -> Action:
    return lambda world: world.edit(m(number), more, before, after, **others)


# --- what the prober finds -------------------------------------------------------------------------------


def one_is_down() -> Happenings:
    """A reason that only counts on is no news; another reason is."""
    yield 2, find(1, UNREACHABLE, NO_ANSWER)
    yield 8, find(1, UNREACHABLE, REFUSED, changes=False)
    yield 20, find(1, OK)
    yield 290, find(34, UNREACHABLE, NO_ANSWER)


def one_flaps() -> Happenings:
    for hour in range(4, 14):
        yield hour, find(2, UNREACHABLE, NO_ANSWER) if hour % 2 == 0 else find(2, OK)


def one_is_slow() -> Happenings:
    """From bad to worse, and back."""
    yield 5, find(3, BROKEN, TOO_SLOW)
    yield 9, find(3, UNREACHABLE, NO_ANSWER, changes=False)
    yield 15, find(3, OK)


def one_is_old() -> Happenings:
    """Its age, which the reason names, is another one at each round."""
    yield 6, find(4, STALE, TOO_OLD)
    yield 30, find(4, OK)
    yield 195, find(36, UNREACHABLE, NO_ANSWER)
    yield 197, find(36, STALE, TOO_OLD, changes=False)
    yield 199, find(36, OK)


def some_lack_something() -> Happenings:
    one = "9.8/baseos/aarch64 (missing)"
    two = "9.8/appstream/aarch64 (missing), 9.8/baseos/aarch64 (missing)"
    yield 7, lack(5, None, one, {BASEOS: MISSING})
    yield 10, lack(5, one, two, {BASEOS: MISSING, APPSTREAM: MISSING})
    yield 25, lack(5, two, None)
    damaged = "9.8/appstream/x86_64 (corrupt)"
    yield 11, lack(6, None, damaged, {DAMAGED: CORRUPT})
    with_isos = f"{damaged}, 9.8/x86_64 (no ISOs)"
    yield 12, lack(6, damaged, with_isos, {DAMAGED: CORRUPT}, isos=False)
    yield 26, lack(6, with_isos, None)
    yield 185, lack(35, None, "9.8/x86_64 (no ISOs)", isos=False)
    yield 190, lack(35, "9.8/x86_64 (no ISOs)", None)


def one_loses_an_address() -> Happenings:
    https, http = (f"{protocol}://{m(7)}/examplelinux/" for protocol in ("https", "http"))

    def works(world: World, before: str, after: str) -> None:
        there = Endpoint(ok=after != https, detail=None if after != https else "the connection was refused")
        world.found[m(7)].endpoints = {"https": {"ipv4": Endpoint(ok=True)}, "http": {"ipv4": there}}
        world.expect(EventKind.ADDRESSES, m(7), before, after)

    yield 12, lambda world: works(world, f"{http}, {https}", https)
    yield 18, lambda world: works(world, https, f"{http}, {https}")


def two_releases() -> Happenings:
    """Most mirrors have a new version within a day. The late ones are not served for it meanwhile."""
    for begin, late in ((60, {"m40": 30, "m41": 36, "m42": 50}), (220, {"m43": 40, "m44": 28})):
        yield begin, partial(World.release, late=late)
        for hour in range(1, 21):
            yield begin + hour, lambda world: None
        for name, hours in late.items():
            yield begin + 25, lack(int(name[1:]), None, ALL_STALE, dict.fromkeys(REPOS, Content.STALE))
            yield begin + hours, lack(int(name[1:]), ALL_STALE, None)


def the_prober_loses_its_network() -> Happenings:
    """It finds two thirds unreachable, which the guard holds back: no list changes."""
    for number in range(20, 60):
        yield 130, find(number, UNREACHABLE, NO_ANSWER, changes=False)
        yield 133, find(number, OK, changes=False)


# --- what people write -----------------------------------------------------------------------------------


def edits() -> Happenings:
    yield 31, edit(8, "weight: 3\n", "weight 1", "weight 3")
    yield 32, edit(8, "", "weight 3", "weight 1")
    yield 33, edit(10, "subnets: [10.20.0.0/16]\n", "subnets none", "subnets 10.20.0.0/16")
    yield 34, edit(9, "", "country US", "country FR", country="FR")
    yield 35, edit(14, "sponsor: Example\n", "sponsor none", "sponsor Example", changes=False)
    yield 36, edit(11, "private: true\nsubnets: [10.30.0.0/16]\n", None, None)
    yield 40, edit(11, "", None, None)
    yield 37, edit(12, "disabled: true\n", "disabled no", "disabled yes")
    yield 43, edit(12, "", "disabled yes", "disabled no")
    both = edit(33, "weight: 2\nasn: 64500\n", "asn none; weight 1", "asn 64500; weight 2")
    yield 180, both
    yield 180, find(33, UNREACHABLE, NO_ANSWER)
    yield 181, find(33, OK)


def some_come_and_go() -> Happenings:
    yield 38, lambda world: world.remove(m(13))
    yield 42, lambda world: world.add(m(13))
    yield 39, lambda world: world.add(m(60), probed=False)
    yield 41, find(60, OK)
    yield 200, lambda world: world.remove(m(37))  # it has another name now
    yield 200, lambda world: world.add("n37.example.org", probed=False)
    yield 201, lambda world: world.find("n37.example.org", OK)


def broken_files() -> Happenings:
    """A mirror whose file has a fault stays as it was; a fault is no event."""
    yield 40, lambda world: (world.network.mirrors / f"{m(15)}.yml").write_text("name: [")
    yield 41, lambda world: world.declare(m(15))


def another_repo() -> Happenings:
    changed = CONFIG.replace("origin:", "  - {name: crb, path: CRB/$basearch/os/}\norigin:")
    yield 160, lambda world: world.network.config.write_text(changed)


# --- load prices -----------------------------------------------------------------------------------------


def prices() -> Happenings:
    """One price goes up as fast as it may: each time that it is more than 50 km away, that is an event. One
    creeps and stays below that."""

    def aim(world: World) -> None:
        world.target_km = {m(30): 900.0, m(31): 45.0}

    def stay(world: World) -> None:
        world.target_km[m(30)] = 6 * KM_PER_HOUR

    yield 140, aim
    for hour in range(141, 146):
        yield hour, lambda world: None
    yield 146, stay
    yield 142, lambda world: world.expect(EventKind.PRICE, m(30), "0 km", "60 km")
    yield 145, lambda world: world.expect(EventKind.PRICE, m(30), "60 km", "120 km")


# --- workers, stores and databases -----------------------------------------------------------------------


def workers_take_over() -> Happenings:
    yield 44, World.start_worker
    yield 45, World.stop_worker
    yield 45, find(16, UNREACHABLE, NO_ANSWER)
    yield 46, World.start_worker
    yield 47, World.kill_worker
    yield 47, find(16, OK)
    for hour in range(170, 176):  # from one to the other and back
        yield hour, World.start_worker
        yield hour, World.stop_worker if hour % 2 else World.kill_worker
        yield hour, find(32, OK if hour % 2 else UNREACHABLE, None if hour % 2 else NO_ANSWER)


def workers_are_killed() -> Happenings:
    """Between publishing and the database, and before what they have found is published."""
    yield 48, World.let_write_nothing
    yield 48, find(17, UNREACHABLE, NO_ANSWER)
    yield 48.5, World.kill_worker
    yield 48.5, World.start_worker
    yield 50, World.let_store_nothing
    yield 50, find(18, UNREACHABLE, NO_ANSWER)
    yield 50.5, World.kill_worker
    yield 50.5, World.start_worker
    yield 59, find(17, OK)
    yield 59, find(18, OK)


def no_worker() -> Happenings:
    """Hours without any: what still holds afterwards is known then."""
    yield 52, World.stop_worker
    yield 53, find(20, UNREACHABLE, NO_ANSWER)
    yield 54, lambda world: world.declare(m(21), "weight: 2\n")
    yield 58, World.start_worker
    yield 58, lambda world: world.expect(EventKind.DECLARED, m(21), "weight 1", "weight 2")
    yield 59, find(20, OK)


def databases() -> Happenings:
    """Away, read-only and locked: what happens meanwhile is written later."""
    weight = partial(edit, more="weight: 2\n", before="weight 1", after="weight 2")
    yield 62, lambda world: world.begin(world.database.away())
    yield 63, weight(22)
    yield 64, World.end
    yield 66, lambda world: world.begin(world.database.read_only())
    yield 66.5, weight(23)
    yield 67, World.end
    yield 68, lambda world: world.begin(world.database.locked())
    yield 68.5, weight(24)
    yield 69, World.end


def stores() -> Happenings:
    """One loses all that it has while a worker leads, and again while none does."""
    yield 115, World.empty_store
    yield 115, find(25, UNREACHABLE, NO_ANSWER)
    yield 118, find(25, OK)
    yield 120, World.stop_worker
    yield 121, find(26, UNREACHABLE, NO_ANSWER, changes=False)  # what was published before is not known
    yield 121, World.empty_store
    yield 121, World.start_worker
    yield 124, find(26, OK)


PARTS = (
    *(one_is_down, one_flaps, one_is_slow, one_is_old, some_lack_something, one_loses_an_address),
    *(two_releases, the_prober_loses_its_network, edits, some_come_and_go, broken_files, another_repo),
    *(prices, workers_take_over, workers_are_killed, no_worker, databases, stores),
)


def play(world: World) -> None:
    """Plays the fortnight to its end."""
    happenings: dict[float, list[Action]] = defaultdict(list)
    for part in PARTS:
        for hour, action in part():
            happenings[hour].append(action)
    begin(world)
    for hour, actions in sorted(happenings.items()):
        world.at(hour)
        for action in actions:
            action(world)
        if hour == int(hour):
            world.probe()
        else:
            world.look()
        for _ in range(2):
            world.ask(world.draw.choice(CLIENTS))
    world.at(HOURS)
    world.look()


def begin(world: World) -> None:
    """All mirrors are new, and the prober has looked once."""
    world.release()
    for number in range(MIRRORS):
        world.had[world.origin[0].timestamp][m(number)] = world.now
        world.add(m(number))
    for number in (7, *range(45, 50)):
        world.declare(m(number), http=True)
    world.start_worker()
    world.probe()
