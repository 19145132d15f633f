"""`Link` header values of a download: where else the same file is, and what describes it.

Formats: RFC 8288, and RFC 6249 for `duplicate`, where a smaller `pri` comes first and `geo` is the
mirror's country. A metalink is version 3 here, whose media type differs from that of version 4.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from app.render import metalink


def duplicates(others: Iterable[tuple[str, str | None]]) -> list[str]:
    """`others`: URL and country of the mirrors after the first, best first."""
    return [
        f"<{url}>; rel=duplicate; pri={number}" + (f"; geo={country.lower()}" if country else "")
        for number, (url, country) in enumerate(others, 1)
    ]


def described_by(release: str, repo: str, arch: str) -> str:
    """The metalink of a repo, for an arch if there is one: it describes the repomd.xml, and no other
    file. The address is relative, so that it is right behind any proxy."""
    url = f"/metalink/{quote(release)}/{quote(repo)}" + (f"?arch={quote(arch)}" if arch else "")
    return f'<{url}>; rel=describedby; type="{metalink.CONTENT_TYPE}"'
