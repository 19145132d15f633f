"""Who may see a private mirror: the clients inside its own networks, and no other.

For all others it is neither served nor named nor counted. A client that asks as for another address
(`ip=`) counts as one of the others, or anyone could ask which networks have mirrors of their own.

The passes that come from a client's network ask here for each mirror. Geography and the last resort take
public mirrors only (`ServedMirror.public`), and pages those of `shown_to_all`.
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
    """Whether everyone may know of the mirror."""
    return not mirror.private


def shown_to_all(snapshot: LoadedSnapshot) -> list[int]:
    """The mirrors that pages and numbers about the network speak of, by index."""
    return [index for index, mirror in enumerate(snapshot.mirrors) if is_for_all(mirror)]


def servable(snapshot: LoadedSnapshot, own: frozenset[int], indexes: Iterable[int]) -> list[int]:
    """Of mirrors, by index, those that a client with these `own_mirrors` may be served; in the same order."""
    mirrors = snapshot.mirrors
    return [index for index in indexes if is_for_all(mirrors[index]) or index in own]


def own_mirrors(client: ClientClass, overlay: Overlay) -> frozenset[int]:
    """The mirrors whose own network the client is in, by declaration: it may see the private ones."""
    if not client.private:
        return frozenset()
    declared = (group for group in overlay.asns if group.within_km is None)
    groups = (*overlay.exclusive, *overlay.netblocks, *declared)
    return frozenset(index for group in groups for index in group.mirrors)
