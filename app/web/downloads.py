"""Answers a download with a redirect to the best mirror, and says where else the file is.

Of an image, it is known whether the origin has it. One that is not there is a 404. Others come with their
checksums (`Digest`), and with a metalink at the same path with `.meta4`.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

from app.answer.lists import MirrorLists
from app.model import ClientClass, Image, ImageDirectory
from app.model.words import escaped
from app.render import links, meta4, text
from app.request.download import Download, path_of_isos
from app.request.parameters import QuestionError
from app.snapshot.loaded import LoadedSnapshot
from app.web.answers import Answer, NoMirrorError, has_metalink, list_headers, plain

MAX_DIGESTS = 500
"""How many headers with checksums are remembered."""


class UnknownFileError(QuestionError):
    """The origin does not have the file that a client wants from an ISO directory."""


class _Known(NamedTuple):
    """An image that the origin has, and what is wanted of it."""

    name: str
    image: Image
    directory: ImageDirectory
    #: Whether its metalink is wanted, and not the image itself.
    is_meta4: bool


def downloaded(lists: MirrorLists, client: ClientClass, download: Download, asked: str = "") -> Answer:
    """Returns a redirect to the file, with `Link` headers for its other addresses, or the metalink of an
    image. `asked` is the question as it is recorded. A client that came by https gets a 404 where the file
    has only an http address (at the vault or the origin). Raises NoMirrorError or UnknownFileError."""
    question, snapshot = download.question, lists.snapshot
    known = None if question.repo else _known(snapshot, download)
    if known is not None and known.is_meta4:
        download = download._replace(rest=download.rest.removesuffix(meta4.ENDING))
    selection = lists.select(client, question)
    urls = selection.urls_of(download.rest)
    if not urls:
        raise NoMirrorError(f"No mirror carries {question.path}, and there is no origin.")
    location = urls[0]
    if download.secure and not location.startswith("https://"):
        return plain(404, f"There is no https address of this. It is at {location}")
    countries = selection.countries_of(snapshot)
    headers = list_headers(snapshot, client, question, selection, asked)
    if known is not None and known.is_meta4:
        located = zip(urls, countries, strict=True)
        body = meta4.meta4(known.name, known.image, known.directory.seen_at, located)
        return Answer(200, meta4.CONTENT_TYPE, body, headers, selection.reason)
    headers = (*headers, ("Location", location))
    found = links.duplicates(zip(urls[1:], countries[1:], strict=True))
    if known is not None:
        headers = (*headers, _digest(known.image.sha256, known.image.sha512))
        path = path_of_isos(snapshot.config, question.release, question.arch) + download.rest
        found.insert(0, links.described_by_meta4(path))
    elif question.repo and download.is_repomd and has_metalink(snapshot, question):
        found.insert(0, links.described_by(question.release, question.repo, question.arch))
    headers = (*headers, *links.headers(found))
    return Answer(302, text.CONTENT_TYPE, f"{location}\n".encode(), headers, selection.reason)


def _known(snapshot: LoadedSnapshot, download: Download) -> _Known | None:
    """Returns the image that a client wants from an ISO directory; None for any other file there, and where
    the images are not known. Raises UnknownFileError for a file that is not there."""
    directory = snapshot.images.get(download.question.key)
    if directory is None or not download.rest:
        return None
    name = unquote(download.rest)
    image = directory.images.get(name)
    if image is not None:
        return _Known(name, image, directory, is_meta4=False)
    described = name.removesuffix(meta4.ENDING)
    image = directory.images.get(described) if described != name else None
    if image is not None:
        return _Known(described, image, directory, is_meta4=True)
    if directory.has(name.partition("/")[0]):
        return None
    release, arch = download.question.release, download.question.arch
    raise UnknownFileError(
        f"There is no file '{escaped(name)}' among the images of {release} for {arch}. "
        f"Those that there are: /isos/{release}/{arch}"
    )


@lru_cache(MAX_DIGESTS)
def _digest(sha256: str | None, sha512: str | None) -> tuple[str, str]:
    """Returns the header that has the checksums of an image, as RFC 6249 wants it of a redirect: RFC 3230's
    `Digest`. The newer `Repr-Digest` (RFC 9530) would be about the few words in the redirect itself."""
    hashes = (("SHA-256", sha256), ("SHA-512", sha512))
    values = [f"{name}={b64encode(bytes.fromhex(digest)).decode()}" for name, digest in hashes if digest]
    return "Digest", ",".join(values)


def is_sent_plainly(environ: Mapping[str, str]) -> bool:
    """Returns whether the path of a request is written as it was sent: nothing in it was encoded."""
    return sent_target(environ).partition("?")[0] == environ["PATH_INFO"]


def sent_target(environ: Mapping[str, str]) -> str:
    """Returns the target of a request as the client sent it. PATH_INFO cannot be used for this: it is
    decoded, and an encoded slash in it looks like any other. gunicorn calls the target RAW_URI."""
    target = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if target is None:
        raise RuntimeError("the WSGI server gives neither RAW_URI nor REQUEST_URI")
    return target
