"""Renders the pages of images."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from itertools import groupby

from app.render.html import Frame, Page, page
from app.render.images import ImageFacts, ImageSet, OwnImageSet
from app.snapshot.loaded import LoadedSnapshot

PURPOSES = {
    "boot": "Starts the installer, which fetches everything else over the network.",
    "minimal": "Installs a small system without a network.",
    "dvd": "Has everything that an installation may want, without a network.",
}
"""What the images are good for that distributions of this family have, by what tells them apart."""


def images_page(frame: Frame, sets: Sequence[ImageSet]) -> Page:
    """Renders the page of the images of all releases. It is the same for all clients."""
    by_release = [(release, list(of)) for release, of in groupby(sets, key=lambda one: one.release)]
    return page(frame, "images.html", "/isos", releases=by_release)


def image_page(frame: Frame, snapshot: LoadedSnapshot, found: OwnImageSet, base: str) -> Page:
    """Renders the page of the images of one release and arch, for one client. `base` is the service's own
    address as the client knows it."""
    return page(
        frame,
        "image.html",
        "/isos",
        isos=found.isos,
        arches=snapshot.config.arches[found.isos.release],
        mirrors=[
            (one, snapshot.mirrors[snapshot.number[one.mirror]] if one.mirror else None)
            for one in found.mirrors
        ],
        commands=_download_and_check(found.isos.images[0], base) if found.isos.images else "",
        purposes=PURPOSES,
    )


def _download_and_check(image: ImageFacts, base: str) -> str:
    """Returns the commands that download an image and compare it with its checksum. They are safe to paste
    into a shell."""
    digest, program = (image.sha256, "sha256sum") if image.sha256 else (image.sha512, "sha512sum")
    line = shlex.quote(f"{digest}  {image.name}")
    return f"curl -LO {shlex.quote(base + image.download)}\necho {line} | {program} --check"
