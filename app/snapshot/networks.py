"""Compiles which mirrors a client gets because of its network: by netblocks, cloud regions and ASNs.

The networks database gives each address the name of an *overlay*, which stands for all networks that the
address is in. For each overlay, and for every known cloud region, this module makes the groups of mirrors
that the passes before geography go through.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from app.clouds import PROVIDERS, regions
from app.geo import networks
from app.model import Coordinates, Pass
from app.model.network import CloudRegion
from app.model.place import Place, region_place
from app.snapshot.schema import NetworkGroup, Overlay, Region, ServedMirror

MEASURED_ASN_KM = 1000.0
"""The farthest that a client may be from a mirror in its ASN that does not declare this ASN. Clients in the
mirror's country may be farther away. The limit is there because an ASN can span the world."""


@dataclass(frozen=True)
class ClientNetworks:
    """The networks that clients can be in, which `compile` combines with the mirrors."""

    #: The digest under which the store has the networks database; None if there is no such database.
    digest: str | None = None
    #: The overlays that the networks database names.
    overlays: Sequence[networks.KnownNetwork] = ()
    #: The ASNs of the addresses that the prober found for a mirror, by mirror name.
    measured_asns: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def compile(self, mirrors: Sequence[ServedMirror]) -> tuple[dict[str, Overlay], dict[str, Region]]:
        """Returns the snapshot's overlays by name, and its cloud regions by key."""
        number = {mirror.name: i for i, mirror in enumerate(mirrors)}
        overlays = {o.name: self._overlay(o, mirrors, number) for o in self.overlays}
        return overlays, self._regions(mirrors)

    def region_places(self) -> dict[Place, tuple[str, Coordinates]]:
        """Returns the country and coordinates of each cloud region whose location is known, by its place."""
        places = {}
        for known in _known_regions():
            location = regions.region_location(known.provider, known.border_group or known.region or "")
            if location is not None:
                places[region_place(known)] = (location.country, location.coordinates)
        return places

    def _overlay(
        self, overlay: networks.KnownNetwork, mirrors: Sequence[ServedMirror], number: Mapping[str, int]
    ) -> Overlay:
        blocks = [[number[name] for name in block.mirrors if name in number] for block in overlay.netblocks]
        declared = [i for i, mirror in enumerate(mirrors) if overlay.asn in mirror.asns]
        groups = [*blocks, declared]
        monopolies = ([i for i in group if mirrors[i].monopoly] for group in groups)
        return Overlay(
            exclusive=_groups(Pass.EXCLUSIVE, monopolies),
            netblocks=_groups(Pass.NETBLOCK, blocks),
            region=str(overlay.cloud) if overlay.cloud else None,
            asn=overlay.asn,
            asns=self._asn_groups(overlay.asn, declared, mirrors),
        )

    def _asn_groups(
        self, asn: int | None, declared: Iterable[int], mirrors: Sequence[ServedMirror]
    ) -> tuple[NetworkGroup, ...]:
        if asn is None:
            return ()
        declaring = _groups(Pass.ASN, [[i for i in declared if mirrors[i].cloud_provider is None]])
        measured = tuple(
            i
            for i, mirror in enumerate(mirrors)
            if mirror.public and asn not in mirror.asns and asn in self.measured_asns.get(mirror.name, ())
        )
        if not measured:
            return declaring
        return (*declaring, NetworkGroup(pass_=Pass.ASN, mirrors=measured, within_km=MEASURED_ASN_KM))

    def _regions(self, mirrors: Sequence[ServedMirror]) -> dict[str, Region]:
        published = {overlay.cloud for overlay in self.overlays if overlay.cloud}
        placed = self.region_places()
        compiled = {}
        for region in sorted(published | set(_known_regions()), key=str):
            places = (region_place(region), region_place(region._replace(border_group=None)))
            compiled[str(region)] = Region(
                groups=_region_groups(region, mirrors),
                place=next((place for place in places if place in placed), None),
            )
        return compiled


def _known_regions() -> list[CloudRegion]:
    """Returns all cloud regions in the tables of the providers."""
    return [known for provider in PROVIDERS for known in regions.known_regions(provider)]


def _groups(pass_: Pass, groups: Iterable[Sequence[int]]) -> tuple[NetworkGroup, ...]:
    return tuple(NetworkGroup(pass_=pass_, mirrors=tuple(group)) for group in groups if group)


def _region_groups(client: CloudRegion, mirrors: Sequence[ServedMirror]) -> tuple[NetworkGroup, ...]:
    """Returns the groups of mirrors for clients in a cloud region: the mirrors in the region, those that
    serve all ordinary regions, then those in each other region of the continent, nearest first. No group has
    private mirrors."""
    provider, region, _ = client
    mine = [i for i, m in enumerate(mirrors) if m.cloud_provider == provider and not m.private]
    apart = regions.partition_of(provider, region)
    everywhere = [i for i in mine if not mirrors[i].cloud_regions and apart is None]
    if region is None:
        return _groups(Pass.REGION, [everywhere])
    here = [i for i in mine if region in mirrors[i].cloud_regions]
    near = []
    for other in regions.regions_by_distance(provider, region) if mine else ():
        there = tuple(i for i in mine if other in mirrors[i].cloud_regions and i not in here)
        if there:
            near.append(NetworkGroup(pass_=Pass.REGION, mirrors=there, nearby=True))
    return (*_groups(Pass.REGION, [here, everywhere]), *near)
