"""Writes the rows of the table of all mirrors.

A page has hundreds of them. Written by a template, with a macro for each link, they take four times as long.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

from markupsafe import Markup

from app.explain.evidence import hours
from app.explain.mirror_report import MirrorSummary
from app.model import Protocol
from app.render import facts

_CHIPS = {status: f'<span class="chip {kind}">{status}</span>' for status, kind in facts.STATUS_KINDS.items()}


@dataclass(frozen=True)
class MirrorRows:
    """The rows of a table, all with the same columns."""

    #: Whether the mirrors stand under headings with their countries.
    by_country: bool
    #: Whether there is a column for shares.
    has_shares: bool

    def of(self, mirrors: Iterable[MirrorSummary]) -> Markup:
        """Returns the rows of these mirrors."""
        return Markup("\n".join(map(self._row, mirrors)))  # noqa: S704 - each text of a mirror's file is escaped

    def _row(self, mirror: MirrorSummary) -> str:
        share = f'<td class="km" data-label="share">{facts.percent(mirror.share)}</td>'
        return (
            f'<tr><th scope="row"><a href="/mirrors/{quote(mirror.mirror)}">'
            f"<bdi>{escape(mirror.mirror)}</bdi></a></th>"
            f"<td>{_status(mirror)}</td><td>{_urls(mirror)}</td><td>{self._place(mirror)}</td>"
            f'<td class="km" data-label="behind">{"" if mirror.age_s is None else hours(mirror.age_s)}</td>'
            f'<td data-label="IPv6">{_IPV6[mirror.families["ipv6"]]}</td>{share if self.has_shares else ""}'
            f"<td>{_sponsor(mirror)}</td></tr>"
        )

    def _place(self, mirror: MirrorSummary) -> str:
        where, cloud = mirror.location, mirror.cloud
        names = (where.city,) if self.by_country else (where.city, where.country)
        town = ", ".join(name for name in names if name)
        place = f"<bdi>{escape(town)}</bdi>" if town else ""
        if cloud is None:
            return place
        return f'{place} <span class="dim">{escape(cloud.provider)} {escape(", ".join(cloud.regions))}</span>'


_IPV6 = {None: "", True: "yes", False: "no"}


def _status(mirror: MirrorSummary) -> str:
    chip = _CHIPS[mirror.status]
    if mirror.since is None or mirror.status == "ok":
        return chip
    return f'{chip} <span class="dim small">since {mirror.since:%Y-%m-%d}</span>'


def _urls(mirror: MirrorSummary) -> str:
    parts = [_links(mirror.urls)]
    parts += [
        f'<span class="dim">{escape(module)}</span> {_links(urls)}'
        for module, urls in mirror.module_urls.items()
    ]
    return " ".join(part for part in parts if part)


def _links(urls: Mapping[Protocol, str]) -> str:
    """Returns the base URLs as links, as far as they are of the protocols that they are said to be."""
    return " ".join(
        f'<a href="{escape(url)}" rel="nofollow">{protocol}</a>'
        for protocol, url in urls.items()
        if url.startswith(f"{protocol}://")
    )


def _sponsor(mirror: MirrorSummary) -> str:
    words = f"<bdi>{escape(mirror.sponsor)}</bdi>" if mirror.sponsor else ""
    if not words or not mirror.sponsor_url or not facts.is_web_address(mirror.sponsor_url):
        return words
    return f'<a href="{escape(mirror.sponsor_url)}" rel="nofollow">{words}</a>'
