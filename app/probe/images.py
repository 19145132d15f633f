"""Reads the ISO directories of the origin: which images there are, with checksums, sizes and torrents.

The file of checksums says which images there are. More is asked for only when it has changed, and every six
hours: the index of the directory, for torrents and other files, and the sizes that the file does not say. As
all files of the origin, it counts only if two reads a few seconds apart were equal. A directory without such
a file is not known. An origin that does not answer changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from msgspec.structs import replace

from app.catalogue.catalogue import ISO_CHECKSUMS, Directory
from app.model import Image, ImageDirectory, Record, digest_of
from app.model.images import MAX_NAMES
from app.probe.checksums import images_in, names_in
from app.probe.fetch import Failure, Fault, Fetched
from app.probe.records import Seen

_GONE = (403, 404, 410)
_SIZES_ASKED = 100
"""The greatest number of images of one directory whose size is asked for."""
_ANEW_S = 6 * 3600.0
"""After this time, a directory is read anew although its file of checksums has not changed, because torrents
may have come later, and a size may have been missing."""


class Asking(Record, frozen=True, kw_only=True):
    """A request for a file of the origin."""

    path: str
    method: str = "GET"
    #: The result of the last request for it; None if it is to be sent in any case.
    seen: Seen | None = None


Ask = Callable[[Directory, Asking], Awaitable[Fetched | Failure]]
"""Sends a request to the origin that a directory belongs to."""


class FoundImages(NamedTuple):
    """What is known of an ISO directory after a look at it; both are None if nothing is known of it now."""

    directory: ImageDirectory | None
    seen: Seen | None


class ImageVisit:
    """A look at the ISO directories of the origin. `ask` sends the requests. `unread` says of the directories
    that could not be read why, by key."""

    def __init__(self, ask: Ask, now: datetime, reread_after_s: float) -> None:
        self.unread: dict[str, str] = {}
        self._ask = ask
        self._now = now
        self._reread_after_s = reread_after_s

    async def look(
        self,
        targets: Iterable[Directory],
        known: Mapping[str, ImageDirectory],
        seen: Mapping[str, Seen],
    ) -> dict[str, FoundImages]:
        """Looks at these directories, of which this much is known. Returns what is known now, by key."""
        targets = list(targets)
        found = await asyncio.gather(
            *(self._look_at(t, FoundImages(known.get(t.key), seen.get(t.key))) for t in targets)
        )
        return {target.key: one for target, one in zip(targets, found, strict=True)}

    async def _look_at(self, target: Directory, before: FoundImages) -> FoundImages:
        known, seen = before
        now_s = round(self._now.timestamp(), 3)
        if seen is not None and now_s - seen.asked_at >= _ANEW_S:
            seen = None
        answer, name = await self._checksums(target, known, seen)
        if isinstance(answer, Failure) or answer.status not in (200, *_GONE):
            self._note(target, answer)
            return before
        if answer.status != 200 or not (images := images_in(answer.body)):
            return FoundImages(None, None)
        digest = digest_of(answer.body)
        if known is not None and seen is not None and (known.checksums, seen.sha256) == (name, digest):
            return before
        directory = ImageDirectory(
            checksums=name,
            seen_at=self._now,
            images=await self._with_sizes(target, images, known.images if known else {}),
            others=await self._others(target, name, images),
        )
        await asyncio.sleep(self._reread_after_s)
        again = await self._ask(target, Asking(path=target.path + name))
        if isinstance(again, Failure) or again.status != 200 or again.body != answer.body:
            self.unread[target.key] = "its checksums changed while they were read"
            return before
        seen = Seen(asked_at=now_s, sha256=digest, etag=answer.etag, modified=answer.modified)
        return FoundImages(_or_known(directory, known), seen)

    def _note(self, target: Directory, answer: Fetched | Failure) -> None:
        """Notes why a directory could not be read, unless nothing has changed or its origin was not asked."""
        if isinstance(answer, Failure):
            if answer.fault is not Fault.NOT_ASKED:
                self.unread[target.key] = answer.reason
        elif answer.status != 304:
            self.unread[target.key] = f"HTTP {answer.status}"

    async def _checksums(
        self, target: Directory, known: ImageDirectory | None, seen: Seen | None
    ) -> tuple[Fetched | Failure, str]:
        """Asks for the file of checksums: the one that is known, or the first that is there. Returns the last
        answer, and the name of the file that it is about. With `seen`, it may be that nothing has changed."""
        names = dict.fromkeys((known.checksums, *ISO_CHECKSUMS)) if known else ISO_CHECKSUMS
        for name in names:
            last = seen if known and name == known.checksums else None
            answer = await self._ask(target, Asking(path=target.path + name, seen=last))
            if isinstance(answer, Failure) or answer.status not in _GONE:
                break
        return answer, name

    async def _with_sizes(
        self, target: Directory, images: dict[str, Image], known: Mapping[str, Image]
    ) -> dict[str, Image]:
        """Returns the images with their sizes. The origin is asked for those that were not known before."""
        unknown = [name for name, image in images.items() if image.size is None]
        sizes = {name: known[name].size for name in unknown if _is_same(known.get(name), images[name])}
        asked = [name for name in unknown if sizes.get(name) is None][:_SIZES_ASKED]
        sizes |= zip(asked, await asyncio.gather(*(self._size(target, name) for name in asked)), strict=True)
        return images | {name: replace(images[name], size=size) for name, size in sizes.items()}

    async def _size(self, target: Directory, name: str) -> int | None:
        answer = await self._ask(target, Asking(path=target.path + name, method="HEAD"))
        return answer.length if isinstance(answer, Fetched) and answer.status == 200 else None

    async def _others(
        self, target: Directory, checksums: str, images: Mapping[str, Image]
    ) -> tuple[str, ...] | None:
        """Returns the names of all other files in the directory; None if its index cannot be had. A page that
        names none of the images is no index."""
        answer = await self._ask(target, Asking(path=target.path))
        if isinstance(answer, Failure) or answer.status != 200:
            return None
        names = names_in(answer.body)
        if images.keys().isdisjoint(names):
            return None
        return tuple(name for name in names if name not in images and name != checksums)[:MAX_NAMES]


def _is_same(known: Image | None, image: Image) -> bool:
    return known is not None and (known.sha256, known.sha512) == (image.sha256, image.sha512)


def _or_known(directory: ImageDirectory, known: ImageDirectory | None) -> ImageDirectory:
    """Returns the directory as it was known before, if nothing of it has changed. If its index could not be
    had this time, and the images are the same, the other files are those that were known."""
    if known is None:
        return directory
    if directory.others is None and directory.images.keys() == known.images.keys():
        directory = replace(directory, others=known.others)
    return known if replace(directory, seen_at=known.seen_at) == known else directory
