"""The walk's account: every mirror once, and each reason true of the network that it is given for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from hypothesis import HealthCheck, given, settings

from app.answer.walk import Standing, Walk, region_of
from app.catalogue.catalogue import bases
from app.model import ClientClass, Content, Fate, Mirror, MirrorState, Pass, Status
from app.model.countries import continent_of
from app.request.question import Question
from app.snapshot.loaded import LoadedSnapshot
from tests.builders import Network, lists_of, question, select
from tests.explain.test_explanation import ASKED, CLIENTS, PLACELESS, hidden_private, networks


@dataclass(frozen=True)
class Told:
    """One mirror's standing, beside all that it can be checked against."""

    network: Network
    snapshot: LoadedSnapshot
    client: ClientClass
    asked: Question
    walk: Walk
    standing: Standing

    @property
    def mirror(self) -> Mirror:
        name = self.snapshot.mirrors[self.standing.mirror].name
        return next(mirror for mirror in self.network.mirrors if mirror.name == name)

    @property
    def state(self) -> MirrorState | None:
        return next((state for state in self.network.states if state.mirror == self.mirror.name), None)

    @property
    def country(self) -> str | None:
        return self.snapshot.letters(self.walk.row)[0]

    def has(self, verdict: Content) -> bool:
        """Whether the prober found this of a repo that the question is about."""
        asked = f"{self.asked.release}/{self.asked.repo}/{self.asked.arch}"
        found = self.state.content if self.state else {}
        return any(key.startswith(asked) and content is verdict for key, content in found.items())

    def lacks(self) -> bool:
        """Whether the prober did not find what the question is about, or in the vault, the release."""
        if self.asked.vault:
            return self.state is not None and self.state.vault.get(self.asked.release) is False
        return self.has(Content.MISSING)

    def carries(self) -> bool:
        mirror, asked = self.mirror, self.asked
        return (
            bool(bases(mirror, self.network.config.modules.get(asked.release)))
            and (not mirror.versions or asked.release in mirror.versions)
            and (not mirror.repos or asked.repo in mirror.repos)
            and (not mirror.arches or not asked.arch or asked.arch in mirror.arches)
        )


def _stale(told: Told) -> bool:
    state = told.state
    if state is None or state.timestamp is None:
        return False
    age_s = ((state.origin_timestamp or state.probed_at) - state.timestamp).total_seconds()
    return state.status is Status.STALE or age_s > told.network.config.allowed_outdate_s


def _base(told: Told, index: int) -> str | None:
    return told.walk.plan.bases.urls[index]


def _in_other_region(told: Told) -> bool:
    cloud, key = told.mirror.cloud, region_of(told.snapshot, told.client, told.asked)
    if cloud is None:
        return False
    if key is None or told.asked.filters.worldwide or key.partition(":")[0] != cloud.provider:
        return True
    region = key.partition(":")[2].partition("/")[0]
    return region not in cloud.regions if cloud.regions else region.startswith("cn-")


def _is_avoided(told: Told) -> bool:
    """By its own name or host, or because it has the URL of a mirror that is."""
    names, url = set(told.asked.filters.avoid), _base(told, told.standing.mirror)
    shared = [m for m in told.network.mirrors if not m.private and url in m.addresses.values()]
    return any(
        mirror.name in names or any(urlsplit(u).hostname in names for u in mirror.addresses.values())
        for mirror in (told.mirror, *shared)
    )


def _is_beyond(told: Told) -> bool:
    """Outside of the client's country or continent, and not the only one that there is."""
    country, fill = told.country, told.asked.filters.fill
    served = [told.snapshot.mirrors[index] for index in told.walk.served]
    if fill is None or told.mirror.private or told.mirror.cloud or not served:
        return False
    if fill == "no" and country is not None:
        return told.mirror.country != country
    continent = told.snapshot.letters(told.walk.row)[1]
    return continent is not None and continent_of(told.mirror.country or "") != continent


def _is_rank(told: Told) -> bool:
    """Where filters and the prober's word give way, there may be more mirrors than the list holds, too."""
    eligible = told.walk.plan.fates[told.standing.mirror] <= Fate.PARTIAL
    gives_way = told.walk.reason is Pass.LAST_RESORT
    return (eligible or gives_way) and (told.standing.place or 0) > len(told.walk.served)


TRUE: dict[Fate, Callable[[Told], bool]] = {
    Fate.DISABLED: lambda told: told.mirror.disabled,
    Fate.NOT_PROBED: lambda told: told.state is None and told.network.last_round is not None,
    Fate.UNREACHABLE: lambda told: told.state is not None and told.state.status is Status.UNREACHABLE,
    Fate.BROKEN: lambda told: told.state is not None and told.state.status is Status.BROKEN,
    Fate.CORRUPT_REPO: lambda told: told.has(Content.CORRUPT),
    Fate.STALE: _stale,
    Fate.STALE_REPO: lambda told: told.has(Content.STALE),
    Fate.MISSING_REPO: lambda told: told.lacks(),
    Fate.UNDECLARED: lambda told: not told.carries(),
    Fate.IN_VAULT: lambda told: told.asked.vault,
    Fate.PROTOCOL: lambda told: _base(told, told.standing.mirror) is None,
    Fate.FAMILY: lambda told: told.asked.filters.family is not None,
    Fate.SERVES_OTHERS: lambda told: told.country not in told.mirror.countries,
    Fate.KEEPS_OUT: lambda told: told.country in told.mirror.exclude_countries,
    Fate.OTHER_COUNTRY: lambda told: told.mirror.country not in told.asked.filters.countries,
    Fate.AVOIDED: _is_avoided,
    Fate.EXCLUDED_COUNTRY: lambda told: told.mirror.country in told.asked.filters.exclude_countries,
    Fate.OTHER_NETWORK: lambda told: told.mirror.name in hidden_private(told.network, told.client),
    Fate.OWNED: lambda told: (
        set(told.walk.passes) == {Pass.EXCLUSIVE} and told.standing.mirror not in told.walk.owners()
    ),
    Fate.OTHER_REGION: _in_other_region,
    Fate.SAME_ADDRESS: lambda told: (
        told.standing.speaker is not None
        and _base(told, told.standing.speaker) == _base(told, told.standing.mirror)
    ),
    Fate.RANK: _is_rank,
    Fate.BEYOND: _is_beyond,
}


def test_every_exclusion_is_checked_here() -> None:
    """There is no fate of a mirror that is left out whose truth no test judges."""
    assert set(TRUE) == {fate for fate in Fate if fate.exclusion is not None}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(network=networks(), client=CLIENTS | PLACELESS, parameters=ASKED)
def test_the_account_agrees_with_the_list(
    network: Network, client: ClientClass, parameters: dict[str, str]
) -> None:
    """A walk that keeps an account serves what a walk without one does, in the same passes and order; it
    tells of every mirror exactly once; and the reason of each that is left out is true of the network."""
    snapshot = network.load()
    asked = question(network.config, **parameters)
    walk = lists_of(snapshot).walk(client, asked)
    standings = list(walk.standings())
    selection = select(snapshot, client, asked)

    assert (walk.served, tuple(walk.passes), walk.reason) == (
        selection.mirrors,
        selection.passes,
        selection.reason,
    )
    assert sorted(standing.mirror for standing in standings) == list(range(len(snapshot.mirrors)))
    served = [standing for standing in standings if standing.pass_ is not None]
    assert [standing.mirror for standing in served] == selection.mirrors
    placed = [standing.place for standing in standings if standing.place is not None]
    assert placed == list(range(1, len(placed) + 1))
    for standing in standings:
        if standing.pass_ is None:
            told = Told(network, snapshot, client, asked, walk, standing)
            assert TRUE[standing.fate](told), (standing, told.mirror, told.state)
