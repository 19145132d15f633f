"""Decides who may see a private mirror: the clients inside its own networks, and no others.

For every other client, the mirror is neither served nor named nor included in any count. A client that asks
about another address (`ip=`) is treated as such an outsider: otherwise anyone could find out which networks
have mirrors of their own.

The passes that depend on a client's network call `servable` on their mirrors. Geography and the last resort
take only public mirrors (`ServedMirror.public`), and pages show the mirrors of `shown_to_all`.
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
    """Returns the indexes of the mirrors that pages and metrics may speak of: all that are not private."""
    return [index for index, mirror in enumerate(snapshot.mirrors) if is_for_all(mirror)]


def names_for_all(snapshot: LoadedSnapshot) -> list[str]:
    """Returns the names of the mirrors of `shown_to_all`."""
    return [snapshot.mirrors[index].name for index in shown_to_all(snapshot)]


def servable(snapshot: LoadedSnapshot, own: frozenset[int], indexes: Iterable[int]) -> list[int]:
    """Returns, in the same order, those of `indexes` whose mirrors a client may be served: all that are not
    private, and the private ones in `own`, the client's `own_mirrors`."""
    mirrors = snapshot.mirrors
    return [index for index in indexes if is_for_all(mirrors[index]) or index in own]


def own_mirrors(client: ClientClass, overlay: Overlay) -> frozenset[int]:
    """Returns the indexes of the mirrors whose declared netblocks or ASNs contain the client, which may see
    them even if they are private. `overlay` is that of the client's network. The set is empty for a client
    that asks about another address (`ip=`)."""
    if not client.private:
        return frozenset()
    declared = (group for group in overlay.asns if group.within_km is None)
    groups = (*overlay.exclusive, *overlay.netblocks, *declared)
    return frozenset(index for group in groups for index in group.mirrors)
