"""What a client's network means for its list: netblocks, cloud regions, ASNs → groups of mirrors.

The networks database names an overlay for an address; this compiles each of them, and every known
cloud region, to the groups of mirrors that the passes before geography go through.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from app.clouds import regions
from app.geo import networks
from app.model import Coordinates, Pass
from app.snapshot.schema import NetworkGroup, Overlay, Region, ServedMirror, region_key

MEASURED_ASN_KM = 1000.0
"""An ASN can span the world: a mirror that does not declare it serves it only in its own country
and this near."""


@dataclass(frozen=True)
class ClientNetworks:
    """The networks database as the store knows it (by digest), its overlays, and the ASNs that the
    mirrors' measured addresses are in, by mirror name."""

    digest: str | None = None
    overlays: Sequence[networks.Overlay] = ()
    measured_asns: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def compile(self, mirrors: Sequence[ServedMirror]) -> tuple[dict[str, Overlay], dict[str, Region]]:
        """The snapshot's overlays by name, and its cloud regions by `region_key`."""
        number = {mirror.name: i for i, mirror in enumerate(mirrors)}
        overlays = {o.name: self._overlay(o, mirrors, number) for o in self.overlays}
        return overlays, self._regions(mirrors)

    def region_places(self) -> dict[str, tuple[str, Coordinates]]:
        """Country and coordinates of every cloud region whose place is known, by place name."""
        places = {}
        for provider, region, border_group in _known_regions():
            location = regions.region_location(provider, border_group or region or "")
            if location is not None:
                name = _place_name(region_key(provider, region, border_group))
                places[name] = (location.country, location.coordinates)
        return places

    def _overlay(
        self, overlay: networks.Overlay, mirrors: Sequence[ServedMirror], number: Mapping[str, int]
    ) -> Overlay:
        blocks = [[number[name] for name in block.mirrors if name in number] for block in overlay.netblocks]
        declared = [i for i, mirror in enumerate(mirrors) if overlay.asn in mirror.asns]
        groups = [*blocks, declared]
        monopolies = ([i for i in group if mirrors[i].monopoly] for group in groups)
        return Overlay(
            exclusive=_groups(Pass.EXCLUSIVE, monopolies),
            netblocks=_groups(Pass.NETBLOCK, blocks),
            region=region_key(overlay.provider, overlay.region, overlay.border_group)
            if overlay.provider
            else None,
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
        keys = {(o.provider, o.region, o.border_group) for o in self.overlays if o.provider}
        placed = self.region_places()
        compiled = {}
        for provider, region, border_group in sorted(
            keys | set(_known_regions()), key=lambda parts: region_key(*parts)
        ):
            key = region_key(provider, region, border_group)
            names = (_place_name(key), _place_name(region_key(provider, region)))
            compiled[key] = Region(
                groups=_region_groups(provider, region, mirrors),
                place=next((name for name in names if name in placed), None),
            )
        return compiled


def _known_regions() -> list[tuple[str, str | None, str | None]]:
    """(provider, region, border group) of everything in the table of regions."""
    return [
        (known.provider, known.region, known.border_group)
        for provider in regions.providers()
        for known in regions.known_regions(provider)
    ]


def _place_name(key: str) -> str:
    """Like a cell's name in that it has a slash: the place is known exactly."""
    return f"@/{key}"


def _groups(pass_: Pass, groups: Iterable[Sequence[int]]) -> tuple[NetworkGroup, ...]:
    return tuple(NetworkGroup(pass_=pass_, mirrors=tuple(group)) for group in groups if group)


def _region_groups(
    provider: str, region: str | None, mirrors: Sequence[ServedMirror]
) -> tuple[NetworkGroup, ...]:
    """In the region; serving all regions; then the other regions of the continent, nearest first. A
    private mirror is for its own networks only, cloud or not."""
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
