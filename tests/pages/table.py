"""The table of all pages: an address or several for each route of the application.

`test_pages.py` compares the table with the routes, so a new route needs a row here. In an address, a name in
braces is filled in by `address`: `{stale}` stands for a mirror that is stale.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from tests.pages.world import LONG_NAME, World

PAGES: Mapping[str, tuple[str, ...]] = {
    "/": ("/",),
    "/explain": (
        "/explain",
        "/explain?ip=198.51.100.1&release=9&repo=baseos&arch=aarch64",
        "/explain?ip=192.0.2.225&mirror={stale}",
        "/explain?ip=2001:db8:ffff::1&country=BR&protocol=http&limit=50",
    ),
    "/isos": ("/isos",),
    "/isos/<release>/<arch>": ("/isos/10/x86_64", "/isos/9/aarch64", "/isos/9.7/x86_64"),
    "/map": ("/map", "/map?continent=SA", "/map?ip=198.51.100.1", "/map?ip=2001:db8:ffff::1"),
    "/mirrors": (
        "/mirrors",
        "/mirrors?country=BR&arch=aarch64",
        "/mirrors?q=university&sort=age",
        "/mirrors?status=stale&release=9&repo=baseos&sort=name",
        "/mirrors?q=no-such-mirror&continent=AF&protocol=rsync&family=6&cloud=aws",
    ),
    "/mirrors/<anything:name>": (
        "/mirrors/{ok}",
        "/mirrors/{degraded}",
        "/mirrors/{stale}",
        "/mirrors/{broken}",
        "/mirrors/{unreachable}",
        "/mirrors/{not probed}",
        "/mirrors/markup.example.org",
        "/mirrors/quotes.example.org",
        "/mirrors/right-to-left.example.org",
        "/mirrors/{long}",
    ),
    "/propagation": (
        "/propagation",
        "/propagation?release=9.8&repo=appstream&arch=aarch64",
        "/propagation?release=8&repo=crb",
    ),
    "/statistics": ("/statistics",),
}
"""The addresses of pages, by route."""

ERRORS = (
    "/download",
    "/download/9/isos/x86_64/no-such-image.iso",
    "/nothing",
    "/isos/9/no-such-arch",
    "/map?continent=XX",
    "/mirrors?country=%3Cscript%3Ealert(1)%3C/script%3E",
    "/explain?ip=%3Cscript%3Ealert(1)%3C/script%3E",
    "/explain?repo=" + "w" * 300,
    "/mirrors/%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E",
    "/mirrorlist/9/no-such-repo",
    "/propagation?repo=%3Cscript%3Ealert(1)%3C/script%3E",
    "/statistics/nothing.csv",
)
"""Addresses that are answered with an error, which a browser gets as a page."""

NO_PAGES: Mapping[str, str] = {
    "/mirrorlist": "/mirrorlist?repo=baseos-9&arch=x86_64",
    "/mirrorlist/<release>/<repo>": "/mirrorlist/9/baseos?arch=x86_64",
    "/metalink": "/metalink?repo=baseos-9&arch=x86_64",
    "/metalink/<release>/<repo>": "/metalink/9/baseos?arch=x86_64",
    "/isolist/<release>/<arch>": "/isolist/9/x86_64",
    "/download/<anything:path>": "/download/9/BaseOS/x86_64/os/repodata/repomd.xml",
    "/mirrors.atom": "/mirrors.atom",
    "/mirrors/<anything:name>.atom": "/mirrors/{ok}.atom",
    "/mirrors/<anything:name>/badge.svg": "/mirrors/{ok}/badge.svg",
    "/isos.html": "/isos.html",
    "/kitten": "/kitten",
    "/kitten/isos": "/kitten/isos",
    "/kitten/isos.html": "/kitten/isos.html",
    "/kitten/isos/<arch>/<release>": "/kitten/isos/x86_64/10",
    "/debug/json/ip_info": "/debug/json/ip_info",
    "/debug/json/nearest_mirrors": "/debug/json/nearest_mirrors",
    "/debug/json/all_mirrors": "/debug/json/all_mirrors",
    "/debug/html/all": "/debug/html/all",
    "/explain/schema": "/explain/schema",
    "/statistics.json": "/statistics.json",
    "/statistics/<anything:file>": "/statistics/days.csv",
    "/style-<digest>.css": "/style-0.css",
    "/logo-<digest>.<ending>": "/logo-0.svg",
    "/whoami": "/whoami",
    "/healthz": "/healthz",
    "/readyz": "/readyz",
    "/metrics": "/metrics",
}
"""An address for each route that is answered with something else than a page, also to a browser."""

TARGETS = (*(target for targets in PAGES.values() for target in targets), *ERRORS)


def address(target: str, world: World) -> str:
    """The address that a target of the table stands for in this network."""
    names = {**world.of_status, "long": LONG_NAME}
    return target.format_map({name: quote(value) for name, value in names.items()})
