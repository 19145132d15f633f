"""Knows who may read everything about the service: operators, but not clients.

`/readyz` names hosts, paths and the URL of Redis. It does so on the listener that is for operators
(`mirrorwise web --metrics`), and to clients on the machine itself that come through no proxy. All others
read whether the service is ready, and no more. Explanations of the past hide nothing, but they cost more than
others: they are for clients in trusted networks as well, also for those that come through a trusted proxy.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from typing import TYPE_CHECKING

from app.request.address import parse_address
from app.request.clients import Clients
from app.web.answers import NOSNIFF, plain
from app.web.forms import WATCHED
from app.web.plain import plain_path

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PATHS = ("/metrics", *WATCHED)
"""All that the listener for operators answers."""
NOT_FOR_ALL = (
    "Answers of the past (at=) are for clients on the machine itself and in the networks that "
    "TRUSTED_PROXIES names. On the machine, `mirrorwise explain --at` gives them, too."
)
_ON_LISTENER = "mirrorwise.operators"
_OF_PROXIES = (
    *("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_CLIENT_CLASS"),
    *("HTTP_X_REAL_IP", "HTTP_FORWARDED", "HTTP_VIA"),
)


class OperatorsListener:
    """WSGI middleware in front of the application: to what comes in at this port, only `PATHS` are answered,
    but in full."""

    def __init__(self, application: WSGIApplication, port: int) -> None:
        self._application = application
        self._port = str(port)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        # The port of a unix socket, which has no peer, is what its client writes.
        if environ["SERVER_PORT"] != self._port or not environ["REMOTE_ADDR"]:
            return self._application(environ, start_response)
        if plain_path(environ["PATH_INFO"]) in PATHS:
            environ[_ON_LISTENER] = True
            return self._application(environ, start_response)
        answer = plain(404, f"404 Not Found: only {', '.join(PATHS)} are here.")
        length = str(len(answer.body))
        start_response(
            "404 Not Found", [("Content-Type", answer.content_type), ("Content-Length", length), NOSNIFF]
        )
        return [answer.body]


def is_operator(environ: WSGIEnvironment) -> bool:
    """Returns whether a request may be answered with everything there is to know of the service."""
    if environ.get(_ON_LISTENER):
        return True
    if any(name in environ for name in _OF_PROXIES):
        return False
    peer = environ.get("REMOTE_ADDR", "")
    address = parse_address(peer)
    return peer == "" or (address is not None and ip_address(address.packed).is_loopback)


def may_ask_of_the_past(environ: WSGIEnvironment, clients: Clients) -> bool:
    """Returns whether a request may ask what was answered in the past. A proxy that hides its clients speaks
    for none of them."""
    if is_operator(environ):
        return True
    hides = "HTTP_X_FORWARDED_FOR" not in environ and any(name in environ for name in _OF_PROXIES)
    return not hides and clients.are_trusted(environ)
