"""Makes the bytes that answer a request from the bytes of the request."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from gunicorn.http import errors, wsgi
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader

from app.logs import without_words
from app.render import text
from app.web.server.connection import Connection, Reply
from app.web.server.response import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class Replies:
    """Makes the replies to requests, for both threads of a process. `cfg` and `log` are gunicorn's."""

    def __init__(self, cfg: Any, application: WSGIApplication, log: Any) -> None:
        self._cfg = cfg
        self._application = application
        self._log = log

    def to(self, connection: Connection, header: bytes, may_stay: bool) -> Reply:
        """Returns the reply to the request with this header, which came over this connection. With
        `may_stay`, the connection may stay open for further requests."""
        try:
            request = Request(self._cfg, IterUnreader((header,)), connection.client)
            return self._applied(connection, request, may_stay)
        except errors.LimitRequestLine:
            return refusal(HTTPStatus.REQUEST_URI_TOO_LONG)
        except errors.LimitRequestHeaders:
            return refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        except (errors.ParseException, errors.NoMoreData):
            return refusal(HTTPStatus.BAD_REQUEST)
        except Exception as error:
            self._log.error("a request failed: %s", without_words(error))
            return refusal(HTTPStatus.INTERNAL_SERVER_ERROR)

    def _applied(self, connection: Connection, request: Any, may_stay: bool) -> Reply:
        """Returns the application's reply to a request. The request's body is not read, so the client is not
        asked for it (with `100 Continue`)."""
        request._expected_100_continue = False
        response, environ = wsgi.create(
            request, None, connection.client, connection.server, self._cfg, response_class=Response
        )
        environ["wsgi.multithread"] = True
        has_body = any(
            name == "TRANSFER-ENCODING" or (name == "CONTENT-LENGTH" and value != "0")
            for name, value in request.headers
        )
        if has_body or not may_stay:
            response.force_close()
        body = self._application(environ, response.start_response)
        try:
            for part in body:
                response.write(part)
        finally:
            getattr(body, "close", lambda: None)()
        return Reply(response.parts(), ends=response.should_close(), lingers=has_body)


def refusal(status: HTTPStatus) -> Reply:
    """Returns a reply of one line with this status, for a request that gets no answer from the application.
    The server closes the connection after this reply."""
    line = f"{status.value} {status.phrase}"
    whole = (
        f"HTTP/1.1 {line}\r\nConnection: close\r\nContent-Type: {text.CONTENT_TYPE}\r\n"
        f"X-Content-Type-Options: nosniff\r\nContent-Length: {len(line) + 1}\r\n\r\n{line}\n"
    )
    return Reply([whole.encode()], ends=True, lingers=True)
