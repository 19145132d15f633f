"""Answers requests whose question is already known without Flask, and counts all requests.

If the same path with the same deciding parameters was parsed before, for the same generation, only the
client's class is needed to answer a request for a list. Such a request is answered at once, from memory if
the class has asked the same before. A download is answered so if another file in its directory was asked for
before. All other requests go to the ordinary views, which remember their
questions for the next time. Both the fast path and the views call `answers.listed`, so that an answer does
not depend on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from time import perf_counter, time
from typing import TYPE_CHECKING, Any

from app.history.request_log import Answered, RequestLog
from app.request.clients import Clients
from app.request.download import PLAIN_NAME, Download, directory_of
from app.request.parameters import QuestionError
from app.request.question import DECIDING, NAMING, Question
from app.serving.current import Current
from app.serving.generation import Remembered, Serving
from app.web.answers import NOSNIFF, listed
from app.web.downloads import downloaded, is_sent_plainly
from app.web.forms import DOWNLOAD, DOWNLOADS, WATCHED, label_of
from app.web.plain import has_body, lacks_host, plain_host, plain_path, plain_query

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MAX_NAME_CHARS = 300
"""The largest number of characters in the name of a question (`name_of`) that is remembered. Clients hardly
ever send a longer target twice."""

MAX_AGENT_CHARS = 256
"""How much is looked at of a User-Agent."""

ABOUT_THE_CLIENT = frozenset({"ip", "explain", "mirror"})
"""Parameters that an answer depends on beside the question: requests with them never take the fast path."""
_IN_NAMES = DECIDING | ABOUT_THE_CLIENT

_ENDS = ("/", "/https")
"""What the name of a directory of downloads ends with, for clients that came by http and by https."""

_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class FastPath:
    """The WSGI middleware around the Flask application. It answers the requests whose question is known. All
    others go to the application, in their plain form (`plain`)."""

    def __init__(
        self, app: WSGIApplication, current: Current, clients: Clients, records: RequestLog | None = None
    ) -> None:
        """`records` is where requests are recorded, if this process does that."""
        self._app = app
        self._current = current
        self._clients = clients
        self._records = records
        self._tally = current.tally

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        started = perf_counter()
        path, query = environ["PATH_INFO"], environ.get("QUERY_STRING", "")
        serving = self._current.serving
        if serving is None or environ["REQUEST_METHOD"] != "GET" or has_body(environ) or lacks_host(environ):
            return self._ordinary(environ, start_response, started)
        if not path.startswith(DOWNLOADS):
            remembered = _remembered(serving, path, query)
        elif is_sent_plainly(environ):
            remembered = _remembered_file(serving, path, query, self._clients.came_by_https(environ))
        else:
            remembered = None
        if remembered is None:
            return self._ordinary(environ, start_response, started)
        client = self._clients.caller(environ, serving.places, serving.networks)
        try:
            if isinstance(remembered.asked, Question):
                answer = listed(serving.lists, client.of, remembered.asked, remembered.recorded)
            else:
                answer = downloaded(serving.lists, client.of, remembered.asked, remembered.recorded)
        except QuestionError:  # the ordinary views word the error
            return self._ordinary(environ, start_response, started)
        status, content_type, body, headers, reason = answer
        length = str(len(body))
        start_response(
            _STATUS_LINES[status],
            [("Content-Type", content_type), ("Content-Length", length), NOSNIFF, *headers],
        )
        self._tally.memo_hits += 1
        self._tally.add((remembered.form, status, reason), perf_counter() - started)
        if self._records is not None:
            self._record(self._records, environ, status, headers, client.of.family)
        return [body]

    def remembers(self, target: str) -> bool:
        """Returns whether a request for this target takes next to no time, because its question is remembered
        or it is a health check. The target is as the client sent it."""
        serving = self._current.serving
        path, _, query = target.partition("?")
        if path in WATCHED:
            return True
        if serving is None:
            return False
        if path.startswith(DOWNLOADS):
            return any(_remembered_file(serving, path, query, secure) for secure in (False, True))
        return _remembered(serving, path, query) is not None

    def _ordinary(
        self, environ: WSGIEnvironment, start_response: StartResponse, started: float
    ) -> Iterable[bytes]:
        """Returns the answer of the Flask application. The answer is counted when it begins, because it is
        complete by then."""
        environ["PATH_INFO"] = plain_path(environ["PATH_INFO"])
        environ["QUERY_STRING"] = plain_query(environ.get("QUERY_STRING", ""))
        if not lacks_host(environ):
            environ["HTTP_HOST"] = plain_host(environ.get("HTTP_HOST", ""))
        form = label_of(environ["PATH_INFO"], environ["QUERY_STRING"])

        def begin(
            status: str, headers: list[tuple[str, str]], exc_info: OptExcInfo | None = None
        ) -> Callable[[bytes], Any]:
            self._tally.add((form, int(status[:3]), _reason_in(headers)), perf_counter() - started)
            if self._records is not None:
                family = self._clients.family(environ)
                self._record(self._records, environ, int(status[:3]), headers, family)
            return start_response(status, headers, exc_info)

        return self._app(environ, begin)

    def _record(
        self,
        records: RequestLog,
        environ: WSGIEnvironment,
        status: int,
        headers: Iterable[tuple[str, str]],
        family: int,
    ) -> None:
        """Records a request, unless nginx has it in its log."""
        if not self._clients.was_recorded(environ):
            query, agent = environ.get("QUERY_STRING", ""), environ.get("HTTP_USER_AGENT", "")
            records.add(Answered(time(), status, headers, family, query, agent[:MAX_AGENT_CHARS]))


def _remembered(serving: Serving, path: str, query: str) -> Remembered | None:
    """Returns what is remembered of a request that was parsed before; None for any other request. Downloads
    are found by `_remembered_file`."""
    # Most requests are written as the name is.
    return serving.questions.get(f"{query}\n{path}") or serving.questions.get(name_of(path, query))


def _remembered_file(serving: Serving, path: str, query: str, secure: bool) -> Remembered | None:
    """Returns what is remembered of the download for a path that was sent without any encoding, if
    another file in the same directory was asked for before. `secure` says that the client came by https."""
    folder, _, file = path.rpartition("/")
    end = _ENDS[secure]
    # Most requests are written as the name is.
    remembered = serving.questions.get(f"{query}\n{folder}{end}")
    remembered = remembered or serving.questions.get(name_of(folder, query) + end)
    if remembered is None or len(path) > MAX_NAME_CHARS or not PLAIN_NAME.fullmatch(file):
        return None
    directory = remembered.asked
    return None if isinstance(directory, Question) else remembered._replace(asked=directory.file(file))


def name_of(path: str, query: str) -> str:
    """Returns the name under which a question is remembered: the deciding parameters as they came, and the
    plain path. Between them is a line feed, because no query has one."""
    path = plain_path(path)
    deciding = _IN_NAMES if path.count("/") <= 1 else _IN_NAMES - NAMING
    pairs = [pair for pair in query.split("&") if _may_be(pair.partition("=")[0], deciding)]
    return f"{'&'.join(pairs)}\n{path}"


def _may_be(name: str, names: frozenset[str]) -> bool:
    return name in names or "%" in name


def remember(serving: Serving, environ: WSGIEnvironment, asked: Remembered) -> None:
    """Keeps what was asked for, for requests with the same name."""
    name = name_of(environ["PATH_INFO"], environ["QUERY_STRING"])
    if len(name) <= MAX_NAME_CHARS:
        serving.questions.put(name, asked)


def remember_directory(serving: Serving, environ: WSGIEnvironment, download: Download, recorded: str) -> None:
    """Keeps the directory of a download, for other files in this directory. `recorded` is the question as it
    is recorded."""
    if not is_sent_plainly(environ):
        return
    folder = environ["PATH_INFO"].rpartition("/")[0]
    name = name_of(folder, environ["QUERY_STRING"]) + _ENDS[download.secure]
    directory = directory_of(serving.parser, environ["PATH_INFO"], download)
    if directory is not None and len(name) <= MAX_NAME_CHARS:
        serving.questions.put(name, Remembered(DOWNLOAD.label, directory, recorded))


def _reason_in(headers: Iterable[tuple[str, str]]) -> str:
    """Returns the reason of a list, in the words of `Pass`; "" for answers that are no lists."""
    for name, value in headers:
        if name == "X-Mirrorlist-Reason":
            return value
    return ""
