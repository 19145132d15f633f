"""The images in the ISO directories of the origin, as the prober saw them there."""

from __future__ import annotations

from datetime import datetime

from app.model.values import Record

IMAGE_NAME = r"[A-Za-z0-9][A-Za-z0-9._+~-]{0,199}"
"""The pattern of the name of a file in an ISO directory. Files with other names count as none."""
MAX_NAMES = 1000
"""The greatest number of names that are known of one ISO directory, of images and of other files each."""
TORRENT = ".torrent"


class Image(Record, frozen=True, kw_only=True):
    """A file with a checksum in an ISO directory. Hashes are in lower-case hex; one of them is known."""

    #: In bytes; None if the origin does not say.
    size: int | None = None
    sha256: str | None = None
    sha512: str | None = None


class ImageDirectory(Record, frozen=True, kw_only=True):
    """An ISO directory of the origin whose file of checksums the prober has read."""

    #: The name of the file with the checksums, in this directory.
    checksums: str
    #: When the prober first saw this content.
    seen_at: datetime
    #: The files that have a checksum, by name. There is at least one.
    images: dict[str, Image]
    #: The names of all other files and directories in it; None if the origin gives no index of it.
    others: tuple[str, ...] | None = None

    def has(self, name: str) -> bool:
        """Returns whether a file is in the directory. Without an index, a file counts as there if its name is
        that of a known file with an ending, such as `.asc`."""
        known = {*self.images, self.checksums}
        if name in known:
            return True
        if self.others is not None:
            return name in self.others
        return name.startswith(tuple(f"{one}." for one in known))

    def torrent_of(self, name: str) -> str | None:
        """Returns the name of the torrent of an image; None if none is known."""
        return self._first_other(f"{name}{TORRENT}", f"{name.removesuffix('.iso')}{TORRENT}")

    @property
    def other_torrents(self) -> tuple[str, ...]:
        """The names of the torrents that are of no single image, such as one of the whole directory."""
        of_images = {self.torrent_of(name) for name in self.images}
        return tuple(n for n in self.others or () if n.endswith(TORRENT) and n not in of_images)

    def _first_other(self, *names: str) -> str | None:
        return next((name for name in names if name in (self.others or ())), None)
