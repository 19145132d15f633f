"""Answers that are not lists: the front page and readiness."""

from __future__ import annotations

import time
from functools import cache

from markupsafe import escape

from app.model.words import escaped
from app.render import html, text
from app.serving.current import Current
from app.web.answers import Answer
from app.web.readiness import reasons

NO_STORE = ("Cache-Control", "no-store")


@cache
def page_headers() -> tuple[tuple[str, str], ...]:
    """Returns the headers of HTML answers: a page may only use our style sheet and send forms to us."""
    policy = (
        f"default-src 'none'; style-src '{html.style_digest()}'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    return (("Content-Security-Policy", policy), ("Referrer-Policy", "no-referrer"))


def front(base: str) -> Answer:
    """Returns the front page. `base` is the service's URL as the client wrote it."""
    url = escape(base)
    body = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Mirrorwise</title>
<h1>Mirrorwise</h1>
<p>Ranked mirrors for dnf, yum and zypper, near whoever asks.</p>
<ul>
<li><code>{url}/mirrorlist/&lt;release&gt;/&lt;repo&gt;?arch=&lt;arch&gt;</code> mirrors for a repo
<li><code>{url}/metalink/&lt;release&gt;/&lt;repo&gt;?arch=&lt;arch&gt;</code> the same, with checksums
<li><code>{url}/isolist/&lt;release&gt;/&lt;arch&gt;</code> mirrors for installation images
<li><a href="/explain">/explain</a> why you, or any address, get the list that you get
<li><a href="/mirrors">/mirrors</a> all mirrors, and how they are
<li><a href="/statistics">/statistics</a> what is asked for, from where, and what mirrors are sent
<li><a href="/whoami">/whoami</a> what is known of you
<li><a href="/readyz">/readyz</a> whether this service is well
</ul>
</html>
"""
    return Answer(200, html.CONTENT_TYPE, body.encode(), page_headers())


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
