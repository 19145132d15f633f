"""Makes the `Link` headers of a download: where else the file is, and which metalink describes it.

The formats are in RFC 8288, and for `duplicate` in RFC 6249: a smaller `pri` comes first, and `geo` is the
mirror's country. The metalinks of repos are of version 3, whose media type differs from that of version 4.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from functools import cache
from itertools import accumulate
from urllib.parse import quote

from app.render import meta4, metalink

MAX_BYTES = 4096
"""The greatest length of all `Link` lines of an answer. Proxies accept header lines of 4 or 8 kB in all."""
_AROUND = len("Link: \r\n")


def headers(values: Iterable[str]) -> list[tuple[str, str]]:
    """Returns `Link` header lines, as (name, value), for as many of these values as fit into `MAX_BYTES`,
    from the first on."""
    values = list(values)
    if sum(map(len, values)) + len(values) * _AROUND > MAX_BYTES:
        filled = list(accumulate(len(value) + _AROUND for value in values))
        values = values[: bisect_right(filled, MAX_BYTES)]
    return [("Link", value) for value in values]


def duplicates(others: Iterable[tuple[str, str | None]]) -> list[str]:
    """Returns the header values that say where else a file is. `others` are the URL and country of the other
    mirrors, best first."""
    return [f"<{url}{_rest_of_duplicate(n, country)}" for n, (url, country) in enumerate(others, 1)]


@cache
def _rest_of_duplicate(number: int, country: str | None) -> str:
    return f">; rel=duplicate; pri={number}" + (f"; geo={country.lower()}" if country else "")


def described_by(release: str, repo: str, arch: str) -> str:
    """Returns the header value that names the metalink of a repo and arch (if the repo has an arch). The
    metalink describes only the repomd.xml. The URL is relative, so that it is right behind any proxy."""
    url = f"/metalink/{quote(release)}/{quote(repo)}" + (f"?arch={quote(arch)}" if arch else "")
    return f'<{url}>; rel=describedby; type="{metalink.CONTENT_TYPE}"'


def described_by_meta4(path: str) -> str:
    """Returns the header value that names the metalink of an image. `path` is that of the image's
    own download, percent-encoded."""
    return f'<{path}{meta4.ENDING}>; rel=describedby; type="{meta4.CONTENT_TYPE}"'
