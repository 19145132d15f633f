"""Doubled and trailing slashes in a request's path, as clients in the field write them, mean nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class PlainPaths:
    """Around a WSGI application, which then sees every path in its plain form. A redirect there
    would cost the client a second request every time."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["PATH_INFO"] = plain_path(environ["PATH_INFO"])
        return self._application(environ, start_response)


def plain_path(path: str) -> str:
    """With one slash in front, one between segments, none at the end."""
    if "//" in path or path[-1:] == "/":
        return "/" + "/".join(segment for segment in path.split("/") if segment)
    return path
