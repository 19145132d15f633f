"""Answers to what was asked before, before Flask's request machinery.

A request for a list whose question was parsed before (the same path and query, of the same
generation) needs nothing but the client's class: it is answered at once, out of the snapshot's memory
where the class asked the same before. All else goes to the ordinary views, which leave behind what
the next request needs. Both end in `answers.listed`: what is answered cannot depend on the way.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from time import perf_counter
from typing import TYPE_CHECKING

from app.request.clients import Clients
from app.request.parameters import QuestionError
from app.serving.current import Current
from app.serving.tally import Tally
from app.web.answers import NOSNIFF, Answer, listed
from app.web.counting import form_of, reason_in

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MAX_TARGET_CHARS = 300
"""Longer ones are not remembered: nobody asks them twice."""

_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class FastPath:
    """WSGI middleware around `app`."""

    def __init__(self, app: WSGIApplication, current: Current, clients: Clients, tally: Tally) -> None:
        self._app = app
        self._current = current
        self._clients = clients
        self._tally = tally

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        started = perf_counter()
        answer = self._answer(environ)
        if answer is None:
            return self._app(environ, start_response)
        status, content_type, body, headers = answer
        length = str(len(body))
        start_response(
            _STATUS_LINES[status],
            [("Content-Type", content_type), ("Content-Length", length), NOSNIFF, *headers],
        )
        self._tally.memo_hits += 1
        self._tally.add((form_of(environ), status, reason_in(headers)), perf_counter() - started)
        return [body]

    def _answer(self, environ: WSGIEnvironment) -> Answer | None:
        serving = self._current.serving
        if serving is None or environ["REQUEST_METHOD"] != "GET":
            return None
        question = serving.questions.get(target_of(environ))
        if question is None:
            return None
        client = self._clients.caller(environ, self._current.cities, serving.networks)
        try:
            return listed(serving.lists, client.of, question)
        except QuestionError:
            return None  # the ordinary way has the words


def target_of(environ: WSGIEnvironment) -> str:
    """What a question is remembered by: path and query as they came."""
    return f"{environ.get('PATH_INFO', '')}?{environ.get('QUERY_STRING', '')}"
