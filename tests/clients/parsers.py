"""How clients of today read an answer, as far as it decides which mirrors they get: the rules of their
parsers, written down from their sources.

- librepo 1.21.0, the downloader of dnf and dnf5 (`mirrorlist.c`, `metalink.c`, `lrmirrorlist.c`)
- libzypp 17.38.14, the library of zypper (`RepoMirrorList.cc`)
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from xml.etree import ElementTree

_METALINK = "{http://www.metalinker.org/}"
_REPOMD = "repodata/repomd.xml"
_LINE_BYTES = 4095
_DOWNLOADED = ("http", "https", "ftp", "tftp")


class RefusedError(Exception):
    """The client ends with an error, and has no mirror."""


def librepo_mirrorlist(body: bytes, variables: Mapping[str, str]) -> list[str]:
    """Lines of at most 4,095 bytes; blanks around them and comments do not count. What is no path and has no
    "://" is passed over."""
    urls = []
    for line in re.findall(rb"[^\n]{%d}|[^\n]*\n|[^\n]+$" % _LINE_BYTES, body):
        text = line.lstrip(b" \t").rstrip(b" \t\n")
        if text and not text.startswith(b"#") and (b"://" in text or text.startswith(b"/")):
            urls.append(_expanded(text.decode(), variables))
    return _of_http(urls)


def librepo_metalink(body: bytes) -> list[str]:
    """The URLs of the file repomd.xml, in the order of the document. They lose the end that names the
    file."""
    file = _file(body)
    if file is None:
        raise RefusedError("the file repomd.xml is not in it")
    urls = [url.text or "" for url in file.iter(f"{_METALINK}url")]
    for url in file.iter(f"{_METALINK}url"):
        preference = url.get("preference")
        if preference is not None and not 0 <= int(preference) <= 100:
            raise RefusedError("a preference that it warns of")
    return _of_http([url.removesuffix(_REPOMD) for url in urls])


def libzypp(body: bytes) -> list[str]:
    """The first character that is no blank decides: "<" begins a metalink, "[" an array of objects with
    `url`, and anything else a text, in which every line has to be a URL. Variables stay as they are."""
    first = body.lstrip(b" \t\r\n")[:1]
    if first == b"<":
        urls = [url.text or "" for url in ElementTree.fromstring(body).iter(f"{_METALINK}url")]  # noqa: S314
    elif first == b"[":
        urls = [entry["url"] for entry in json.loads(body) if isinstance(entry, dict) and "url" in entry]
    else:
        urls = [line for line in body.decode().removesuffix("\n").split("\n") if not line.startswith("#")]
    for url in urls:
        if not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^\s]+", url):
            raise RefusedError(f"{url!r} is no URL, which spoils the list")
    return [url.partition(_REPOMD)[0] for url in urls if url.partition("://")[0] in _DOWNLOADED]


def _file(body: bytes) -> ElementTree.Element | None:
    files = ElementTree.fromstring(body).iter(f"{_METALINK}file")  # noqa: S314
    return next((file for file in files if file.get("name") == "repomd.xml"), None)


def _of_http(urls: list[str]) -> list[str]:
    found = [url for url in urls if url.startswith(("http://", "https://"))]
    if not found:
        raise RefusedError("No URLs in mirrorlist")
    return found


def _expanded(text: str, variables: Mapping[str, str]) -> str:
    """Replaces `$name` and `${name}`; unknown ones stay."""
    return re.sub(
        r"\$(?:\{([A-Za-z0-9_]+)\}|([A-Za-z0-9_]+))",
        lambda match: variables.get(match[1] or match[2], match[0]),
        text,
    )
