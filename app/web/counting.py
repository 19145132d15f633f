"""Counts the requests that take the ordinary way; the fast path counts its own, in the same tally."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import perf_counter
from typing import TYPE_CHECKING, Any

from app.serving.tally import Tally

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_FORMS = {"metalink": "metalink", "isolist": "isolist", "download": "download"}


class Counting:
    """WSGI middleware. A request is counted when its answer begins; ours are complete by then."""

    def __init__(self, app: WSGIApplication, tally: Tally) -> None:
        self._app = app
        self._tally = tally

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        form = form_of(environ)
        started = perf_counter()

        def begin(
            status: str, headers: list[tuple[str, str]], exc_info: OptExcInfo | None = None
        ) -> Callable[[bytes], Any]:
            self._tally.add((form, int(status[:3]), reason_in(headers)), perf_counter() - started)
            return start_response(status, headers, exc_info)

        return self._app(environ, begin)


def form_of(environ: WSGIEnvironment) -> str:
    """The form of a request's URL, by those whom it is made for: "almalinux", "mirrormanager" and
    "centos" for mirrorlists, or "metalink", "isolist", "download", "other"."""
    path: str = environ.get("PATH_INFO", "")
    if path.startswith("/mirrorlist/") and path[12:13] not in ("", "/"):  # what nearly all ask
        return "almalinux"
    head, _, rest = path.strip("/").partition("/")
    if head == "mirrorlist":
        return "almalinux" if rest else "mirrormanager"
    if not head:
        query = environ.get("QUERY_STRING", "")
        return "centos" if "repo=" in query or "release=" in query else "other"
    return _FORMS.get(head, "other")


def reason_in(headers: Iterable[tuple[str, str]]) -> str:
    """The pass that gave the first mirror; "" for an answer that is no list."""
    for name, value in headers:
        if name == "X-Mirrorlist-Reason":
            return value
    return ""
