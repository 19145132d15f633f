"""Renders feeds of events, so that a mirror's admin learns of a drop without asking.

The format is Atom (RFC 4287). An entry is named by the hash under which the event is recorded, so it is the
same entry in every feed and for ever. Links are absolute, because many readers do not resolve others.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from app.model import RecordedEvent
from app.model.words import printable
from app.render import mirror_history

CONTENT_TYPE = "application/atom+xml"
ENDING = ".atom"
_NOTHING_YET = datetime(1970, 1, 1, tzinfo=UTC)


def feed(author: str, title: str, base: str, page: str, events: Sequence[RecordedEvent]) -> bytes:
    """Renders the feed of some events, the newest first. `base` is the URL of the service as the client knows
    it, and `page` the path of the page that shows the same; the feed's path is that with `ENDING`."""
    own = f"{base}{page}{ENDING}"
    updated = max((event.at for event in events), default=_NOTHING_YET)
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        '<feed xmlns="http://www.w3.org/2005/Atom">',
        f"<id>{_text(own)}</id>",
        f"<title>{_text(title)}</title>",
        f"<updated>{_time(updated)}</updated>",
        f"<author><name>{_text(author)}</name></author>",
        f'<link rel="self" type="{CONTENT_TYPE}" href={_attribute(own)}/>',
        f'<link rel="alternate" type="text/html" href={_attribute(f"{base}{page}")}/>',
    ]
    for event in events:
        lines += _entry(base, event)
    return "\n".join([*lines, "</feed>", ""]).encode()


def _entry(base: str, event: RecordedEvent) -> list[str]:
    name = event.mirror or ""
    page = f"{base}/mirrors/{quote(name)}#{mirror_history.anchor(event)}"
    return [
        "<entry>",
        f"<id>{urn(event.id)}</id>",
        f"<title>{_text(f'{name} - {mirror_history.what_changed(event)}')}</title>",
        f"<updated>{_time(event.at)}</updated>",
        f'<link rel="alternate" type="text/html" href={_attribute(page)}/>',
        f'<category term="{event.kind.value}"/>',
        f"<content>{_text(mirror_history.account(event))}</content>",
        "</entry>",
    ]


def urn(id_: str) -> str:
    """Returns the URN of what has a hash of at least 32 hexadecimal digits: a UUID of version 8 (RFC 9562),
    which may be made from anything."""
    variant = "89ab"[int(id_[16], 16) % 4]
    parts = (id_[:8], id_[8:12], f"8{id_[13:16]}", f"{variant}{id_[17:20]}", id_[20:32])
    return f"urn:uuid:{'-'.join(parts)}"


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _text(text: str) -> str:
    """Returns a text as XML: without what does not print, much of which XML cannot have."""
    return escape(printable(text))


def _attribute(text: str) -> str:
    return quoteattr(printable(text))
