"""What all pages have in common, the files that they need, and the answer about readiness."""

from __future__ import annotations

import time

from app.model.words import escaped
from app.render import text
from app.render.assets import Asset
from app.render.html import Frame
from app.serving.current import Current
from app.serving.generation import Serving
from app.web.answers import Answer
from app.web.readiness import reasons

NO_STORE = ("Cache-Control", "no-store")
IMMUTABLE = ("Cache-Control", "public, max-age=31536000, immutable")
ASSET_HEADERS = (("Content-Security-Policy", "default-src 'none'; sandbox"),)
"""The headers of files that pages need. A logo that is opened by itself runs nothing."""
PAGE_HEADERS = (
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'",
    ),
    ("Referrer-Policy", "no-referrer"),
)
"""The headers of pages: a page may only use our style sheet and logo, and send forms to us."""


def frame_of(serving: Serving | None) -> Frame:
    """Returns what stands around a page that is made from a generation."""
    if serving is None:
        return Frame()
    snapshot = serving.snapshot
    return Frame(snapshot.config.site, snapshot.generation, serving.published_at_s)


def asset(found: Asset, path: str) -> Answer:
    """Returns the answer with a file that pages need. While services of two versions run, one may be asked
    for what a page of the other names: its own does instead, but is not to be kept under that name."""
    kept = IMMUTABLE if path == found.path else NO_STORE
    return Answer(200, found.content_type, found.content, (kept, *ASSET_HEADERS))


def ready(current: Current, in_full: bool) -> Answer:
    """Returns a 200 if this process has a snapshot to serve, and otherwise a 503; `in_full`, the body says
    what is wrong. A dead worker is no reason for a 503: every node would be taken out of service, which is
    worse than an older list."""
    serving, now = current.serving, time.time()
    if not in_full:
        word = b"ready\n" if serving else b"not ready\n"
        return Answer(200 if serving else 503, text.CONTENT_TYPE, word, (NO_STORE,))
    if serving is None:
        lines = ["no snapshot yet"]
    else:
        age_s = max(0.0, now - serving.published_at_s)
        lines = [f"serving generation {serving.snapshot.generation}, published {age_s:.0f} s ago"]
        if current.heartbeat is not None and current.heartbeat.worker:
            lines[0] += f"; {escaped(current.heartbeat.worker)} publishes"
    body = "\n".join([*lines, *reasons(current, now)]) + "\n"
    return Answer(200 if serving else 503, text.CONTENT_TYPE, body.encode(), (NO_STORE,))
