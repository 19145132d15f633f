"""Compiles what a client's network means for its list: the mirrors for netblocks, cloud regions and ASNs.

The networks database gives an address the name of an overlay. Here each overlay, and every known cloud
region, becomes the groups of mirrors that the passes before geography go through.
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
"""How near a client must be to a mirror that is in its ASN without declaring it, unless it is in the
mirror's country. An ASN can span the world."""


@dataclass(frozen=True)
class ClientNetworks:
    """The networks that clients can be in, as far as they are known apart from the mirrors' files."""

    #: The digest under which the store has the networks database.
    digest: str | None = None
    #: The overlays that the database names.
    overlays: Sequence[networks.KnownNetwork] = ()
    #: The ASNs that the measured addresses of a mirror are in, by its name.
    measured_asns: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def compile(self, mirrors: Sequence[ServedMirror]) -> tuple[dict[str, Overlay], dict[str, Region]]:
        """Returns the snapshot's overlays by name, and its cloud regions by key."""
        number = {mirror.name: i for i, mirror in enumerate(mirrors)}
        overlays = {o.name: self._overlay(o, mirrors, number) for o in self.overlays}
        return overlays, self._regions(mirrors)

    def region_places(self) -> dict[Place, tuple[str, Coordinates]]:
        """The country and coordinates of each cloud region whose location is known, by its place."""
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
    """All cloud regions in the tables of the providers."""
    return [known for provider in PROVIDERS for known in regions.known_regions(provider)]


def _groups(pass_: Pass, groups: Iterable[Sequence[int]]) -> tuple[NetworkGroup, ...]:
    return tuple(NetworkGroup(pass_=pass_, mirrors=tuple(group)) for group in groups if group)


def _region_groups(client: CloudRegion, mirrors: Sequence[ServedMirror]) -> tuple[NetworkGroup, ...]:
    """The groups of mirrors for clients in a cloud region: those in the region, those that serve all regions,
    then those in each other region of the continent, nearest first. No group has private mirrors."""
    provider, region, _ = client
    mine = [i for i, m in enumerate(mirrors) if m.cloud_provider == provider and not m.private]
    everywhere = [i for i in mine if not mirrors[i].cloud_regions]
    if region is None:
        return _groups(Pass.REGION, [everywhere])
    here = [i for i in mine if region in mirrors[i].cloud_regions]
    near = []
    for other in regions.regions_by_distance(provider, region) if mine else ():
        there = tuple(i for i in mine if other in mirrors[i].cloud_regions and i not in here)
        if there:
            near.append(NetworkGroup(pass_=Pass.REGION, mirrors=there, nearby=True))
    return (*_groups(Pass.REGION, [here, everywhere]), *near)
