"""The Host header, as far as it is one.

No answer but a page that shows its own address depends on it. Flask would refuse some values, and
work with others that no host can have.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

NO_HOST = "localhost"
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = rf"{_LABEL}(?:\.{_LABEL})*"
_HOST = re.compile(rf"(?=.{{1,253}}\Z)(?:{_NAME}|\[[0-9A-Fa-f:.]{{2,45}}\])(?::[0-9]{{1,5}})?")


class PlainHosts:
    """Around a WSGI application, which then sees a host and port, or `NO_HOST`."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not _HOST.fullmatch(environ.get("HTTP_HOST", "")):
            environ["HTTP_HOST"] = NO_HOST
        return self._application(environ, start_response)
