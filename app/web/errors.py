"""Makes pages of errors for browsers. All other clients get the same words as text.

What is refused unread is refused as text always: no browser sends it, and nginx answers likewise.
"""

from __future__ import annotations

import time
from http import HTTPStatus

from flask import Response, g, request

from app.render import html
from app.serving.current import Current
from app.web.documents import HEADERS
from app.web.forms import WATCHED
from app.web.pages import PAGE_HEADERS, frame_of


def for_browsers(current: Current, response: Response) -> Response:
    """Returns the response as it is, or the page of an error instead of its text for a client that would
    rather have a page."""
    if response.status_code < 400 or response.mimetype != "text/plain":
        return response
    if request.path in WATCHED or g.get("is_refused"):
        return response
    offered = ("text/plain", "text/html")  # the first is for clients that take anything
    if request.accept_mimetypes.best_match(offered) != "text/html":
        return response
    status = HTTPStatus(response.status_code)
    words = response.get_data(as_text=True).strip()
    page = html.error_page(frame_of(current.serving), f"{status.value} {status.phrase}", words)
    response.set_data(page.at(time.time()))
    response.content_type = html.CONTENT_TYPE
    response.headers.extend((*HEADERS, *PAGE_HEADERS))
    return response
