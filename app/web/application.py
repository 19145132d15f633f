"""Builds the Flask application, which answers from the generation that its process serves now."""

from __future__ import annotations

from functools import partial
from types import TracebackType

from flask import Flask, Response, g, request
from werkzeug.exceptions import BadRequest, HTTPException, MethodNotAllowed, RequestEntityTooLarge

from app.history.request_log import RequestLog
from app.logs import without_words
from app.past.archive import Archive
from app.past.packing import PastError
from app.render import html
from app.render.metalink import UnknownFactsError
from app.request.address import TrustedProxies
from app.request.clients import Clients
from app.request.parameters import BadValueError, QuestionError
from app.serving.current import Current
from app.serving.past import PastGenerations
from app.settings import Settings
from app.store import Store, file_store
from app.web.answers import mirrorlist_instead, no_snapshot, plain
from app.web.downloads import sent_target
from app.web.errors import for_browsers
from app.web.fastpath import FastPath
from app.web.plain import has_body, is_impossible, lacks_host
from app.web.routes import NoSnapshotError, Routes, respond

METHODS = ("GET", "HEAD")


class Application(Flask):
    """A Flask application whose log has neither the path of a request that failed nor the error's message,
    which may quote the request."""

    def log_exception(
        self, exc_info: tuple[type, BaseException, TracebackType] | tuple[None, None, None]
    ) -> None:
        self.logger.error("a request failed: %s", without_words(exc_info[1]))


def create_app(settings: Settings, store: Store, follow: bool = True, server: str | None = None) -> Flask:
    """Builds the application. With `follow`, a thread keeps up with the store; otherwise the caller refreshes
    `app.extensions["mirrorwise"]`. `server` is the name that all processes of one server share, if there are
    several."""
    html.load_templates()
    app = Application(__name__, static_folder=None)
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False  # GET and HEAD only
    # With Redis as the store, the last good snapshot is kept in files beside it.
    kept = file_store(settings.var_dir) if settings.redis_url else None
    current = Current(settings, store, kept, server)
    app.extensions["mirrorwise"] = current
    clients = Clients(TrustedProxies(settings.trusted_proxies))
    Routes(current, clients, PastGenerations(Archive.of(settings.var_dir))).register(app)
    _register_errors(app)
    app.after_request(partial(for_browsers, current))
    records = RequestLog(settings.request_log) if settings.request_log else None
    app.wsgi_app = FastPath(app.wsgi_app, current, clients, records)  # type: ignore[method-assign]  # Flask's own way to wrap it
    if records is not None:
        records.start()
    if follow:
        current.start()
    return app


def _register_errors(app: Flask) -> None:
    @app.before_request
    def refuse() -> None:
        """Refuses the requests that nginx refuses, whatever view they are for, so that answers are the same
        without nginx: impossible paths, no Host header, bodies, and other methods."""
        g.is_refused = True
        if is_impossible(sent_target(request.environ)) or lacks_host(request.environ):
            raise BadRequest
        if has_body(request.environ):
            raise RequestEntityTooLarge
        if request.method not in METHODS:
            raise MethodNotAllowed(METHODS)
        g.is_refused = False

    @app.errorhandler(QuestionError)
    def question_error(error: QuestionError) -> Response:
        return respond(plain(status_of(error), str(error)))

    @app.errorhandler(UnknownFactsError)
    def unknown_facts(error: UnknownFactsError) -> Response:
        instead = mirrorlist_instead(request.path, request.query_string.decode("latin-1"))
        return respond(plain(status_of(error), f"{error} Use the mirrorlist instead: {instead}"))

    @app.errorhandler(PastError)
    def nothing_kept(error: PastError) -> Response:
        return respond(plain(404, str(error)))

    @app.errorhandler(NoSnapshotError)
    def nothing_yet(_: NoSnapshotError) -> Response:
        return respond(no_snapshot())

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        allow = error.get_headers()
        extra = [(name, value) for name, value in allow if name == "Allow"]
        return respond(plain(error.code or 500, f"{error.code} {error.name}", *extra))


def status_of(error: QuestionError) -> int:
    """Returns the HTTP status of an error: 400 for a bad value, 404 for what does not exist here."""
    return 400 if isinstance(error, BadValueError) else 404
