"""The guard of the prober's verdicts: which are accepted, and where the last accepted ones stay.

A broken prober must not empty the network. If new verdicts would take too many mirrors from a list
(`losses`), these mirrors keep the fate that they were published with, for this list alone; all other lists
follow the prober. That ends when the prober finds enough of them well again, or with `worker --force`.
What mirrors offer (IPv4, IPv6, a protocol) is guarded in the same way, as if it were a list of all mirrors.

Mirrors that have not been probed yet are served too. It is no loss if such a mirror is well but does not
have what it was served for: this happens to many in the first round, and on the day of a release.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from app.model import PROTOCOLS, Fate, Mirror, Protocol
from app.snapshot.compile import Decision
from app.snapshot.eligibility import (
    Fates,
    Marked,
    is_allowed,
    is_served,
    is_well,
    leave_arches_open,
)
from app.snapshot.schema import ServedMirror
from app.worker.accepted import Accepted, Baseline, keys_with_arch
from app.worker.comparison import TakenAway
from app.worker.losses import Force, Loss, is_grave, sums
from app.worker.numbers import Counts

_FAMILY_4, _FAMILY_6 = "family=4", "family=6"
_FACETS = (_FAMILY_4, _FAMILY_6, *(f"protocol={protocol}" for protocol in PROTOCOLS))


@dataclass(frozen=True)
class Judgement:
    """What the guard makes of a decision."""

    #: With the accepted fates where they stay.
    decision: Decision
    #: The numbers of mirrors by list, and by what mirrors offer.
    counts: Mapping[str, Counts]
    #: The mirrors of which something stays as it was accepted.
    held: frozenset[str] = frozenset()
    #: Why.
    losses: tuple[Loss, ...] = ()


def judge(
    decision: Decision,
    mirrors: Sequence[Mirror],
    taken: TakenAway | None,
    baseline: Baseline | None,
    force: Force,
) -> Judgement:
    """Decides which verdicts are accepted. `mirrors` are those of the decision, as their files have them;
    `taken` is what people's edits take, which no verdict did."""
    if baseline is None or not mirrors:
        return Judgement(decision, _counts(decision))
    lists, in_lists = _guarded_lists(decision, taken, baseline, force)
    decision = _with_accepted(decision, baseline.accepted, in_lists)
    offers, in_offers = _guarded_offers(decision, mirrors, baseline, force)
    held: Marked = np.any(in_lists, axis=0)
    kept = in_offers | (held & _lost_offers(decision, mirrors, baseline.accepted))
    decision = replace(decision, mirrors=tuple(_offering(decision, mirrors, baseline.accepted, kept)))
    columns = np.flatnonzero(held | in_offers.any(axis=0))
    names = frozenset(decision.mirrors[column].name for column in columns)
    return Judgement(decision, _counts(decision), names, (*lists, *offers))


# --- lists -------------------------------------------------------------------------------------------


def _guarded_lists(
    decision: Decision, taken: TakenAway | None, baseline: Baseline, force: Force
) -> tuple[list[Loss], Marked]:
    """Returns the lists that would lose too many mirrors, and where mirrors keep their accepted fates, shape
    (questions with an arch, mirrors)."""
    keys, names = keys_with_arch(decision.questions), [mirror.name for mirror in decision.mirrors]
    was, new = baseline.accepted.fates(keys, names), decision.fates[: len(keys)]
    stays = is_allowed(new)
    if taken is not None:
        stays &= ~taken.among(names)
    lost = stays & is_served(was) & ~is_served(new)
    if not lost.any():
        return [], lost
    public = _public(decision)
    known = np.maximum(baseline.at_most(keys, "known"), sums(stays & public & (was == Fate.GOOD)))
    well = np.maximum(baseline.at_most(keys, "well"), sums(stays & public & is_well(was)))
    keeps, keeps_well = sums(is_served(new) & public), sums(is_well(new) & public)
    of_known = lost & (was == Fate.GOOD) & is_grave(known, keeps, force)[:, np.newaxis]
    unknown = lost & (was != Fate.GOOD) & ~is_well(new)
    of_well = unknown & is_grave(well, keeps_well, force)[:, np.newaxis]
    losses = [Loss(keys[row], int(known[row]), int(keeps[row])) for row in _rows(of_known)]
    others = set(_rows(of_well)).difference(_rows(of_known))
    losses += [Loss(keys[row], int(well[row]), int(keeps_well[row])) for row in sorted(others)]
    held: Marked = of_known | of_well
    return losses, held


def _rows(marked: Marked) -> list[int]:
    """Returns the rows in which anything is marked."""
    rows: list[int] = np.flatnonzero(marked.any(axis=1)).tolist()
    return rows


def _with_accepted(decision: Decision, accepted: Accepted, held: Marked) -> Decision:
    """Returns the decision with the accepted fates where `held` says so."""
    if not held.any():
        return decision
    keys, names = keys_with_arch(decision.questions), [mirror.name for mirror in decision.mirrors]
    fates: Fates = decision.fates.copy()
    fates[: len(keys)] = np.where(held, accepted.fates(keys, names), fates[: len(keys)])
    leave_arches_open(decision.questions, fates)
    return replace(decision, fates=fates)


# --- what mirrors offer --------------------------------------------------------------------------------


def _protocols(mirror: ServedMirror | Mirror) -> set[Protocol]:
    others = (*mirror.module_addresses.values(), *mirror.vault_addresses.values())
    return {*mirror.addresses, *(p for urls in others for p in urls)}


def _offers(mirror: ServedMirror | None) -> list[bool]:
    """Returns which of _FACETS a mirror offers. A family that was not tried counts as it does for clients."""
    if mirror is None:
        return [False] * len(_FACETS)
    protocols = _protocols(mirror)
    return [mirror.ipv4 is not False, mirror.ipv6 is True, *(p in protocols for p in PROTOCOLS)]


def _may_offer(mirror: Mirror) -> list[bool]:
    """Returns which of _FACETS its file lets a mirror offer."""
    protocols = _protocols(mirror)
    return [True, True, *(p in protocols for p in PROTOCOLS)]


def _lost_offers(decision: Decision, mirrors: Sequence[Mirror], accepted: Accepted) -> Marked:
    """Returns what mirrors were published with and would not offer any more, shape (_FACETS, mirrors)."""
    was = np.array([_offers(accepted.mirrors.get(mirror.name)) for mirror in mirrors])
    allowed = np.array([_may_offer(mirror) for mirror in mirrors])
    lost: Marked = (was & allowed & ~np.array([_offers(mirror) for mirror in decision.mirrors])).T
    return lost


def _guarded_offers(
    decision: Decision, mirrors: Sequence[Mirror], baseline: Baseline, force: Force
) -> tuple[list[Loss], Marked]:
    """Returns what too few mirrors would offer, and which go on offering what, shape (_FACETS, mirrors)."""
    lost = _lost_offers(decision, mirrors, baseline.accepted)
    public = _public(decision)
    keeps = sums(np.array([_offers(mirror) for mirror in decision.mirrors]).T & public)
    had = np.maximum(baseline.at_most(_FACETS, "known"), keeps + sums(lost & public))
    held: Marked = lost & is_grave(had, keeps, force)[:, np.newaxis]
    losses = [Loss(_FACETS[row], int(had[row]), int(keeps[row])) for row in _rows(held)]
    return losses, held


def _offering(
    decision: Decision, mirrors: Sequence[Mirror], accepted: Accepted, kept: Marked
) -> Iterator[ServedMirror]:
    """Yields the mirrors of the decision, with what they go on offering."""
    for served, mirror, facets in zip(decision.mirrors, mirrors, kept.T.tolist(), strict=True):
        if not any(facets):
            yield served
            continue
        former, stays = accepted.mirrors[mirror.name], dict(zip(_FACETS, facets, strict=True))
        keeps = frozenset(protocol for protocol in PROTOCOLS if stays[f"protocol={protocol}"])
        modules = {
            module: _addresses(urls, served.module_addresses.get(module, {}), keeps)
            for module, urls in mirror.module_addresses.items()
        }
        yield msgspec.structs.replace(
            served,
            ipv4=former.ipv4 if stays[_FAMILY_4] else served.ipv4,
            ipv6=former.ipv6 if stays[_FAMILY_6] else served.ipv6,
            addresses=_addresses(mirror.addresses, served.addresses, keeps),
            module_addresses=modules,
            vault_addresses={
                product: _addresses(urls, served.vault_addresses.get(product, {}), keeps)
                for product, urls in mirror.vault_addresses.items()
            },
        )


def _addresses(
    urls: Mapping[Protocol, str], working: Mapping[Protocol, str], keeps: frozenset[Protocol]
) -> dict[Protocol, str]:
    return {protocol: url for protocol, url in urls.items() if protocol in working or protocol in keeps}


# --- numbers -------------------------------------------------------------------------------------------


def _counts(decision: Decision) -> dict[str, Counts]:
    keys, public = keys_with_arch(decision.questions), _public(decision)
    table = decision.fates[: len(keys)]
    columns = [
        sums(found & public).tolist() for found in (is_allowed(table), is_well(table), table == Fate.GOOD)
    ]
    counts = {
        key: Counts(declared=declared, well=well, known=known)
        for key, declared, well, known in zip(keys, *columns, strict=True)
    }
    offers = [_offers(mirror) for mirror in decision.mirrors if mirror.public]
    for facet, offered in zip(_FACETS, zip(*offers, strict=True), strict=False):
        counts[facet] = Counts(declared=sum(offered), well=sum(offered), known=sum(offered))
    return counts


def taken_offers(accepted: Accepted, mirrors: Sequence[Mirror]) -> dict[str, Counts]:
    """Returns how many public mirrors offered something, and do not because people's files say so."""
    may = {m.name: _may_offer(m) for m in mirrors if not m.private and m.cloud is None}
    nothing = [False] * len(_FACETS)
    former = {name: mirror for name, mirror in accepted.mirrors.items() if mirror.public}
    gone = [
        [was and not allowed for was, allowed in zip(_offers(mirror), may.get(name, nothing), strict=True)]
        for name, mirror in former.items()
    ]
    return {
        facet: Counts(declared=0, well=sum(lost), known=sum(lost))
        for facet, lost in zip(_FACETS, zip(*gone, strict=True), strict=False)
        if any(lost)
    }


def _public(decision: Decision) -> Marked:
    return np.array([mirror.public for mirror in decision.mirrors], np.bool_)
