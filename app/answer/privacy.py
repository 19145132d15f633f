"""Decides who may see a private mirror: the clients inside its own networks, and no others.

Every other client is neither served the mirror nor told its name nor counted for it. A client that asks
about another address (`ip=`) is such a client: otherwise anyone could find out which networks have
mirrors of their own.

The passes that come from a client's network ask here for each mirror. Geography and the last resort take
only public mirrors (`ServedMirror.public`), and pages show those of `shown_to_all`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from app.model import ClientClass
from app.snapshot.loaded import LoadedSnapshot
from app.snapshot.schema import Overlay


class _HasPrivacy(Protocol):
    @property
    def private(self) -> bool: ...


def is_for_all(mirror: _HasPrivacy) -> bool:
    """Returns whether every client may know of the mirror."""
    return not mirror.private


def shown_to_all(snapshot: LoadedSnapshot) -> list[int]:
    """The indexes of the mirrors that pages and metrics may speak of."""
    return [index for index, mirror in enumerate(snapshot.mirrors) if is_for_all(mirror)]


def servable(snapshot: LoadedSnapshot, own: frozenset[int], indexes: Iterable[int]) -> list[int]:
    """Those of `indexes`, in order, that a client may be served whose `own_mirrors` are `own`."""
    mirrors = snapshot.mirrors
    return [index for index in indexes if is_for_all(mirrors[index]) or index in own]


def own_mirrors(client: ClientClass, overlay: Overlay) -> frozenset[int]:
    """The mirrors whose declared netblocks or ASNs contain the client, which it may see even if private."""
    if not client.private:
        return frozenset()
    declared = (group for group in overlay.asns if group.within_km is None)
    groups = (*overlay.exclusive, *overlay.netblocks, *declared)
    return frozenset(index for group in groups for index in group.mirrors)
