"""A fortnight of trouble: what is served obeys the contract's two sentences at every step.

No edit of people waits for the prober, and no list is emptied by one. Time is simulated; the worker, its
files and its store are real.
"""

from __future__ import annotations

import logging
import random

import pytest

from app.model import Content, Fate, Status
from app.store import FileStore
from tests.worker.conftest import StartWorker
from tests.worker.network import CONFIG, NOON, QUESTION, Network, address, listed, loaded

MINUTE = 60.0
HOUR = 3600.0
DAY = 24 * HOUR
ROUND_S = 3 * HOUR  # each step is a round of the prober

FLEET, RARE_FLEET = 30, 4
RARE = "9.8/baseos/aarch64"
NEW = "9.9/baseos/x86_64"


class Fortnight:
    """People, a prober and a worker. Each step is a round of the prober."""

    def __init__(self, network: Network, store: FileStore, start: StartWorker) -> None:
        self.network, self.store, self._start = network, store, start
        self.worker = start()
        self.draw = random.Random(17)
        self.names = network.several(FLEET)
        self.now = NOON
        self.down: set[str] = set()
        self.questions = [QUESTION, RARE]
        self.released = False
        self.declared = set(self.names)
        self.edits = 0
        self.step()

    def state(self, name: str) -> None:
        number = self.names.index(name) if name in self.names else FLEET
        rare = Content.CURRENT if number < RARE_FLEET else Content.MISSING
        new = Content.CURRENT if number % 3 == 0 else Content.MISSING
        content = {QUESTION: Content.CURRENT, RARE: rare}
        if self.released:
            content[NEW] = new
        status = Status.UNREACHABLE if name in self.down else Status.OK
        self.network.state(name, status, self.now, content={} if name in self.down else content)

    def step(self) -> None:
        """A round of the prober, which the worker sees in two halves."""
        self.now += ROUND_S
        present = sorted(self.declared)
        self.probe(present[::2])
        self.probe(present[1::2])

    def probe(self, names: list[str]) -> None:
        """The prober asks some mirrors, and the worker looks."""
        for name in names:
            self.state(name)
        self.network.round(self.now)
        self.now += 2 * MINUTE
        before = self.served()
        self.worker.step(self.now)
        self.check(before)

    def restart(self) -> None:
        self.worker.stop()
        self.worker = self._start()

    def served_of_fleet(self) -> dict[str, set[str]]:
        return {question: names & self.declared for question, names in self.served().items()}

    def served(self) -> dict[str, set[str]]:
        if self.store.pointer() is None:
            return {}
        snapshot = loaded(self.store)
        table = {question: snapshot.fates[question] for question in self.questions}
        return {
            question: {m.name for m, fate in zip(snapshot.mirrors, row, strict=True) if fate <= Fate.PARTIAL}
            for question, row in table.items()
        }

    def check(self, before: dict[str, set[str]]) -> None:
        """Of the mirrors that people still declare, the prober takes neither all nor most at once."""
        now = self.served()
        for question, served in before.items():
            has, had = now[question], served & self.declared
            assert has or not had, f"{question} was emptied at {self.now - NOON:.0f} s"
            lost = had - has
            assert 2 * len(has) >= len(had) or len(lost) <= 2, f"{question} was halved"

    def edit(self) -> None:
        """People edit something harmless: it is out at the next step."""
        self.edits += 1
        self.now += MINUTE
        name = self.draw.choice(self.names)
        match self.edits % 3:
            case 0:
                path = self.network.mirror(name)
                path.write_text(path.read_text().replace("examplelinux", f"edit{self.edits}"))
                self.worker.step(self.now)
                assert address(self.store, name) == f"https://{name}/edit{self.edits}/"
            case 1:
                new = f"trusted{self.edits}.example.org"
                self.network.mirror(new, more="probe: false\narches: [x86_64]\n")
                self.worker.step(self.now)
                assert new in listed(self.store)
                self.network.remove(new)
            case _:
                new = f"private{self.edits}.example.org"
                self.network.mirror(new, more="private: true\nsubnets: [10.0.0.0/8]\n")
                self.worker.step(self.now)
                assert new in loaded(self.store).number
                self.network.remove(new)


@pytest.fixture
def fortnight(
    network: Network, store: FileStore, start: StartWorker, caplog: pytest.LogCaptureFixture
) -> Fortnight:
    caplog.set_level(logging.WARNING, "mirrorwise.worker")
    return Fortnight(network, store, start)


def rounds(days: float) -> range:
    return range(int(days * DAY / ROUND_S))


@pytest.mark.slow
def test_a_fortnight_of_trouble(fortnight: Fortnight) -> None:
    """Trouble of each kind, one after the other, with edits at each step, restarts, and recovery between."""
    quiet(fortnight, 2)
    without_a_network(fortnight)
    half_of_the_fleet_flaps(fortnight)
    a_slow_loss(fortnight)
    release_day(fortnight)
    a_mass_removal(fortnight)
    assert fortnight.now - NOON > 14 * DAY


def quiet(one: Fortnight, days: float) -> None:
    for _ in rounds(days):
        one.step()
        one.edit()
    assert one.worker.faults.current == {}


def recovered(one: Fortnight, before: dict[str, set[str]]) -> None:
    """All mirrors are well again, and so is every list at the next round."""
    one.down = set()
    one.step()
    now = one.served()
    assert {question: names & one.declared for question, names in now.items()} == before
    assert one.worker.faults.current == {}


def without_a_network(one: Fortnight) -> None:
    """For two days the prober finds nobody."""
    before = one.served_of_fleet()
    one.down = set(one.names)
    for number in rounds(2):
        one.step()
        one.edit()
        if number % 8 == 5:
            one.restart()
        assert len(one.served()[QUESTION]) >= FLEET / 2
    recovered(one, before)


def half_of_the_fleet_flaps(one: Fortnight) -> None:
    """For four days about half of the fleet is down, another half each time."""
    before = one.served_of_fleet()
    for _ in rounds(4):
        one.down = set(one.draw.sample(one.names, FLEET // 2 + one.draw.randint(-2, 2)))
        one.step()
        one.edit()
    recovered(one, before)


def a_slow_loss(one: Fortnight) -> None:
    """Two percent an hour, until the prober finds none at all."""
    before = one.served_of_fleet()
    order = one.draw.sample(one.names, FLEET)
    for number in range(FLEET // 2):
        one.down = set(order[: 2 * number + 2])
        one.step()
        one.edit()
        if number % 8 == 5:
            one.restart()
    assert one.served()[QUESTION] & one.declared, "the last ones stay"
    recovered(one, before)


def release_day(one: Fortnight) -> None:
    """A release that a third of the mirrors have: all are asked for it until the prober has looked."""
    release = CONFIG.replace('"9.8"]', '"9.8", "9.9"]').replace('"9": "9.8"', '"9": "9.9"')
    one.network.config.write_text(release)
    one.now += MINUTE
    one.worker.step(one.now)
    assert sorted(listed(one.store, question=NEW)) == one.names
    one.released = True
    one.probe(one.names)
    one.questions.append(NEW)
    assert one.served_of_fleet()[NEW] == set(one.names[::3])
    quiet(one, 1)


def a_mass_removal(one: Fortnight) -> None:
    """Five sixths of the files are removed in git, by mistake or not, while a third of the mirrors have been
    unreachable. Those that are left are unreachable, so it waits for one to come back, or for a person."""
    one.down = set(one.names[:10])
    one.step()
    left, gone = one.names[:5], one.names[5:]
    one.network.remove(*gone)
    one.now += MINUTE
    one.worker.step(one.now)
    assert len(one.served()[QUESTION]) >= 20, "a mistake may be taken back"
    one.names = left
    one.edit()
    one.now += 31 * MINUTE
    one.worker.step(one.now)
    assert "with the origin alone" in one.worker.faults.current["guard/files"]
    one.down, one.declared = set(), set(left)
    one.step()
    quiet(one, 2)
    assert one.served_of_fleet()[QUESTION] == set(left)
