"""Copies of the vault are looked at lightly: one request in a round, each release about once a day."""

from __future__ import annotations

import datetime as dt

import pytest
import yaml

from app.model import Status
from tests.probe import fleet as f
from tests.probe.conftest import Probing
from tests.probe.fleet import Asked, Behaviour, Fleet

PAST = ("9.7", "9.6", "9.5")
QUARTER = dt.timedelta(minutes=15)


async def copy(fleet: Fleet, asked: Asked) -> None:
    """A copy of the vault without the release 9.6."""
    release = asked.path.split("/")[1]
    if release == "9.6":
        asked.send(404)
    else:
        asked.send(200, f.repomd(asked.path, fleet.dates[0]))


@pytest.fixture
def with_vault(fleet: Fleet) -> Fleet:
    """A mirror with a copy of the vault on a host of its own."""
    fleet.write_config()
    path = fleet.folder / "config.yml"
    config = yaml.safe_load(path.read_text())
    config["vault_versions"] = list(PAST)
    config["arches"]["9"] = [*config["arches"]["9.8"]]
    path.write_text(yaml.safe_dump(config))
    fleet.behaviours["vault.a.example.org"] = copy
    fleet.add("a.example.org", address_vault={"http": fleet.http("vault.a.example.org")})
    return fleet


def rounds(fleet: Fleet, probing: Probing, number: int) -> list[str]:
    """Goes through rounds with the clock. Returns the paths that the copy of the vault was asked for."""
    asked = []
    for _ in range(number):
        fleet.log.clear()
        assert probing() == 0
        found = dict.fromkeys(
            fleet.requests_to("vault.a.example.org")
        )  # a connection that is lost is tried again
        assert len(found) <= 1 and {method for method, _ in found} <= {"HEAD"}
        asked += [path for _, path in found]
        fleet.now += QUARTER
    return asked


def test_each_release_is_looked_for_once_a_day(with_vault: Fleet, probing: Probing) -> None:
    """A round asks for one release at most, by one repo of it, and without its content. A repo that only the
    vault has stands for the releases that mirrors carry."""
    paths = {f"/{release}/baseos/x86_64/os/repodata/repomd.xml" for release in PAST}
    paths.add("/9.8/baseos/Source/repodata/repomd.xml")
    found = rounds(with_vault, probing, 4)
    assert set(found) == paths and len(found) == 4
    assert probing.state("a.example.org").vault == {"9.7": True, "9.6": False, "9.5": True, "9.8": True}
    assert rounds(with_vault, probing, 3) == []
    with_vault.now += dt.timedelta(hours=24)
    assert len(rounds(with_vault, probing, 1)) == 1


def test_what_a_copy_lacks_is_no_fault_of_the_mirror(with_vault: Fleet, probing: Probing) -> None:
    """The mirror is ok: it has all that mirrors are meant to have."""
    rounds(with_vault, probing, 4)
    assert probing.state("a.example.org").status is Status.OK


@pytest.mark.parametrize(
    "behaviour",
    [pytest.param(f.answering(503), id="errors"), pytest.param(f.hangs_up, id="no answer")],
)
def test_a_copy_that_does_not_answer_stays_as_it_is_known(
    with_vault: Fleet, probing: Probing, behaviour: Behaviour
) -> None:
    """It takes nothing from what is known of it, or of the mirror, and is asked again in the next round."""
    rounds(with_vault, probing, 4)
    before = probing.state("a.example.org").vault
    with_vault.behaviours["vault.a.example.org"] = behaviour
    with_vault.now += dt.timedelta(hours=24)
    assert len(rounds(with_vault, probing, 2)) == 2
    assert (probing.state("a.example.org").vault, probing.state("a.example.org").status) == (
        before,
        Status.OK,
    )


def test_a_full_round_looks_for_all_releases(with_vault: Fleet, probing: Probing) -> None:
    """`probe --full` asks anew for everything."""
    with_vault.log.clear()
    assert probing(full=True) == 0
    assert len(with_vault.requests_to("vault.a.example.org")) == 4
