"""Parses the path of `/download/<path>`, as the client sent it. All functions are pure.

The path is `<path of the repo>/<file>`, as below a mirror's base URL or, where the config has products, as
below a product's base URL with the product's name before it. The part of the path below the repo's directory
is passed on to the mirror exactly as it was sent, with its encoding: some mirrors take a plain "+" for a
blank, so clients send "%2B". Paths that a mirror could understand in another way than this server are
refused: encoded slashes, backslashes, dot segments, something encoded twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from msgspec.structs import replace

from app.catalogue.catalogue import REPOMD, iso_path, product_of
from app.model import Protocol, ServiceConfig
from app.request.parameters import BadValueError
from app.request.question import Parser, Question

MAX_PATH_CHARS = 1000
"""The greatest length of a path, percent-encoded as it goes on to the mirror."""
MIRRORS = 10
"""How many mirrors the answer to a download names: the one that the client is sent to, and nine others."""

PLAIN_NAME = re.compile(r"(?!\.\.?\Z)[A-Za-z0-9._~+-]+")
"""Matches the name of a file that stands in a URL as it is."""

_AUTHORITY = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_PLAIN = "/%:@!$&'()*+,;=~"


class Download(NamedTuple):
    """A file that a client wants to download, or the directory of such files."""

    question: Question
    #: The path of the file below the question's path, percent-encoded. A directory's ends with a slash, if it
    #: is not empty.
    rest: str
    #: Whether the client may only be sent to https URLs.
    secure: bool

    @property
    def is_repomd(self) -> bool:
        """Whether the file is the repomd.xml of the repo."""
        return self.rest == REPOMD

    def file(self, name: str) -> Download:
        """Returns the file with this name in this directory."""
        return self._replace(rest=self.rest + name)


def parse_download(parser: Parser, target: str, parameters: Mapping[str, str], secure: bool) -> Download:
    """Parses the target of a download request. `secure` says that the client came by https, and so is not
    sent to http. Raises BadValueError or UnknownNameError."""
    raw = [segment for segment in raw_path(target).split("/") if segment][1:]
    if not raw:
        raise BadValueError("path", "", "name a file: /download/<path of the repo>/<file>")
    segments = [unquote_to_bytes(segment).decode() for segment in raw]
    question, depth = parser.at_path(segments, {"limit": str(MIRRORS), **parameters})
    protocols = _protocols(question.filters.protocols, secure)
    rest = "/".join(raw[depth:])
    if rest and target.partition("?")[0].endswith("/"):
        rest += "/"
    return Download(
        replace(question, filters=replace(question.filters, protocols=protocols)),
        quote(rest, safe=_PLAIN),
        secure,
    )


def path_of_isos(config: ServiceConfig, release: str, arch: str) -> str:
    """Returns the path under which downloads from an ISO directory are asked for."""
    product = product_of(config, release)
    return f"/download/{product + '/' if product else ''}{iso_path(config, release, arch)}"


def iso_directory(parser: Parser, release: str, arch: str, secure: bool) -> Download:
    """Returns the download of an ISO directory. `secure` is as for `parse_download`. Raises
    UnknownNameError."""
    named = parser.parse_isos({}, release, arch)
    return parse_download(parser, path_of_isos(parser.config, named.release, named.arch), {}, secure)


def directory_of(parser: Parser, target: str, download: Download) -> Download | None:
    """Returns the directory of a download, which `target` asked for, if each file with a plain name in this
    directory is a download from the same repo; None if a name may lead into another repo."""
    *above, name = [segment for segment in raw_path(target).split("/") if segment][1:]
    if not PLAIN_NAME.fullmatch(name) or not download.rest.endswith(name):
        return None
    if parser.has_directories_in([unquote_to_bytes(segment).decode() for segment in above]):
        return None
    return download._replace(rest=download.rest.removesuffix(name))


def raw_path(target: str) -> str:
    """Returns the path of a request's target, as it was sent. Raises BadValueError if the path must not be
    passed on."""
    path = _AUTHORITY.sub("", target, count=1) if target[:1] != "/" else target
    path = path.partition("?")[0]
    problem = _problem(path)
    if problem is not None:
        raise BadValueError("path", path, problem)
    return path


def _problem(path: str) -> str | None:
    """Returns what is wrong with a path, as the end of a sentence, or None if nothing is."""
    if len(quote(path, safe=_PLAIN)) > MAX_PATH_CHARS:
        return f"it is longer than {MAX_PATH_CHARS} characters"
    if not path.isascii() or _BAD_ESCAPE.search(path):
        return "percent-encode it, as UTF-8"
    try:
        decoded = unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        return "percent-encode it, as UTF-8"
    if not decoded.isprintable():
        return "it holds control characters"
    if "\\" in decoded or "%2f" in path.lower():
        return "it holds a backslash or an encoded slash"
    if _ESCAPE.search(decoded):
        return "it is percent-encoded twice"
    if any(segment.partition(";")[0] in (".", "..") for segment in decoded.split("/")):
        return 'it holds "." or ".." as a directory'
    return None


def _protocols(asked: tuple[Protocol, ...], secure: bool) -> tuple[Protocol, ...]:
    """Returns the requested protocols that a redirect can use: https, and also http unless the client came by
    https (`secure`). Raises BadValueError if none is left."""
    allowed: tuple[Protocol, ...] = ("https",) if secure else ("https", "http")
    protocols = tuple(protocol for protocol in asked if protocol in allowed)
    if not protocols:
        reason = "you came by https and are not sent to less" if secure else "use https, http or both"
        raise BadValueError("protocol", ",".join(asked), reason)
    return protocols
