"""Leads the addresses of the pages of AlmaLinux's own mirror service to our pages."""

from __future__ import annotations

from urllib.parse import quote

from app.explain.inquiry import with_defaults
from app.request.parameters import QuestionError
from app.request.question import Parser

_KITTEN = "kitten"
"""The only module that AlmaLinux's service has addresses for."""
_HTML = ".html"

RULES = (
    "/isos.html",
    "/kitten",
    "/kitten/isos",
    "/kitten/isos.html",
    "/kitten/isos/<arch>/<release>",
    "/debug/json/ip_info",
    "/debug/json/nearest_mirrors",
    "/debug/json/all_mirrors",
    "/debug/html/all",
)
"""The addresses, as Flask's routing rules, besides `/isos/<arch>/<release>` (`ours`)."""


def page_of(parser: Parser, path: str, arch: str = "", release: str = "") -> str | None:
    """Returns the path of our page for a path of AlmaLinux's; None if the distribution has no such page.
    `arch` and `release` are the variables in that path."""
    config = parser.config
    kitten = [name for name, module in config.modules.items() if module == _KITTEN]
    if path.startswith("/kitten") and not kitten:
        return None
    if arch:
        full = f"{release.removesuffix(_HTML)}-{_KITTEN}"
        return f"/isos/{full}/{arch}" if full in kitten and arch in config.arches[full] else "/isos"
    newest = with_defaults(parser, {})["release"]
    return {
        "/isos.html": "/isos",
        "/kitten": f"/mirrors?release={quote(kitten[-1])}" if kitten else None,
        "/kitten/isos": "/isos",
        "/kitten/isos.html": "/isos",
        "/debug/json/ip_info": "/whoami?format=json",
        "/debug/json/nearest_mirrors": f"/isolist/{newest}/{config.arches[newest][0]}?format=json",
        "/debug/json/all_mirrors": "/mirrors?format=json",
        "/debug/html/all": "/mirrors",
    }[path]


def ours(parser: Parser, arch: str, release: str) -> str | None:
    """Returns the path of our page about the images of a release and arch, if these are named in AlmaLinux's
    order; None if they are not."""
    try:
        question = parser.parse_isos({}, release.removesuffix(_HTML), arch)
    except QuestionError:
        return None
    return f"/isos/{question.release}/{question.arch}"
