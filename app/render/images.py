"""Puts what is known of images into the order and words in which pages and JSON show it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from app.answer.lists import Selection
from app.catalogue.catalogue import has_isos, newest_first, question_key
from app.model import Image, ImageDirectory, Record
from app.render import json
from app.render.meta4 import ENDING
from app.request.download import path_of_isos
from app.snapshot.loaded import LoadedSnapshot

_ISO = ".iso"
_LATEST = "latest"
_UNKNOWN_SIZE = 2**63


class ImageFacts(Record, frozen=True, kw_only=True):
    """An image, as pages and JSON show it. Paths are those of this service."""

    name: str
    #: What tells this image from the others of its directory, such as "boot".
    kind: str
    #: Other names for the same file.
    also: tuple[str, ...]
    #: In bytes.
    size: int | None
    sha256: str | None
    sha512: str | None
    download: str
    metalink: str
    torrent: str | None


class ImageSet(Record, frozen=True, kw_only=True):
    """The images of a release for one arch."""

    release: str
    arch: str
    #: The path of the page about them.
    page: str
    #: The path of the file with their checksums; None if the images are not known.
    checksums: str | None
    #: Torrents of several images.
    torrents: tuple[str, ...]
    #: Empty if they are not known. Those that install come first, the smallest of them first.
    images: tuple[ImageFacts, ...]


class ImageSets(Record, frozen=True, kw_only=True):
    """The images of all releases."""

    generation: str
    isos: tuple[ImageSet, ...]


class OwnImageSet(Record, frozen=True, kw_only=True):
    """The images of a release for one arch, with the mirrors of one client."""

    generation: str
    isos: ImageSet
    #: Best first. Each `url` is that of the ISO directory.
    mirrors: list[json.ListedMirror]


def image_sets(snapshot: LoadedSnapshot) -> ImageSets:
    """Returns the images of all releases and arches, the newest release first."""
    config = snapshot.config
    return ImageSets(
        generation=snapshot.generation,
        isos=tuple(
            image_set(snapshot, release, arch)
            for release in newest_first(config)
            if has_isos(config, release)
            for arch in config.arches[release]
        ),
    )


def image_set(snapshot: LoadedSnapshot, release: str, arch: str) -> ImageSet:
    """Returns the images of a release for an arch."""
    directory = snapshot.images.get(question_key(release, None, arch))
    path = path_of_isos(snapshot.config, release, arch)
    return ImageSet(
        release=release,
        arch=arch,
        page=f"/isos/{release}/{arch}",
        checksums=path + directory.checksums if directory else None,
        torrents=tuple(path + name for name in directory.other_torrents) if directory else (),
        images=_images(directory, release, path) if directory else (),
    )


def own_image_set(snapshot: LoadedSnapshot, release: str, arch: str, selection: Selection) -> OwnImageSet:
    """Returns the images of a release for an arch, with the mirrors that were selected for a client."""
    return OwnImageSet(
        generation=snapshot.generation,
        isos=image_set(snapshot, release, arch),
        mirrors=json.listed(snapshot, selection),
    )


def _images(directory: ImageDirectory, release: str, path: str) -> tuple[ImageFacts, ...]:
    groups: dict[tuple[str | None, str | None], list[str]] = {}
    for name, image in directory.images.items():
        groups.setdefault((image.sha256, image.sha512), []).append(name)
    ordered = [sorted(names, key=lambda name: _clumsiness(name, release)) for names in groups.values()]
    ordered.sort(key=lambda names: _place(names[0], directory.images[names[0]]))
    kinds = _kinds([names[0] for names in ordered])
    return tuple(_facts(directory, names, kind, path) for names, kind in zip(ordered, kinds, strict=True))


def _facts(directory: ImageDirectory, names: Sequence[str], kind: str, path: str) -> ImageFacts:
    """Returns the facts of an image that has these names, the best of them first."""
    name, *also = names
    image, torrent = directory.images[name], directory.torrent_of(name)
    return ImageFacts(
        name=name,
        kind=kind,
        also=tuple(also),
        size=image.size,
        sha256=image.sha256,
        sha512=image.sha512,
        download=path + name,
        metalink=path + name + ENDING,
        torrent=path + torrent if torrent else None,
    )


def _clumsiness(name: str, release: str) -> tuple[bool, bool, str]:
    """Returns what orders the names of one file: the one that says the release is best, as it stays true."""
    return _LATEST in name.lower(), release not in name, name


def _place(name: str, image: Image) -> tuple[bool, int, str]:
    size = _UNKNOWN_SIZE if image.size is None else image.size
    return not name.endswith(_ISO), size, name


def _kinds(names: Sequence[str]) -> list[str]:
    """Returns what tells each of these names from the others, or the whole name if nothing is left."""
    parts = [name.removesuffix(_ISO).split("-") for name in names]
    common = _in_all(parts)
    found = ["-".join(part for part in of if part not in common) for of in parts]
    return [kind or name for kind, name in zip(found, names, strict=True)]


def _in_all(parts: Iterable[Sequence[str]]) -> set[str]:
    first, *others = map(set, parts)
    return first.intersection(*others)
