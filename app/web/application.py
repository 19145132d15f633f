"""`create_app`: the Flask application around what a process currently serves."""

from __future__ import annotations

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from app.client_address import TrustedProxies
from app.parameters import BadValueError, QuestionError
from app.settings import Settings
from app.store import Store, file_store
from app.web.answers import plain
from app.web.current import Current
from app.web.routes import Routes, respond


def create_app(settings: Settings, store: Store, follow: bool = True) -> Flask:
    """`follow`: keep up with the store in the background; without it whoever calls refreshes
    `app.extensions["mirrorwise"]` themselves."""
    app = Flask(__name__, static_folder=None)
    # With Redis as the store, the last good snapshot is kept in files beside it.
    current = Current(settings, store, file_store(settings.var_dir) if settings.redis_url else None)
    app.extensions["mirrorwise"] = current
    Routes(current, TrustedProxies(settings.trusted_proxies)).register(app)
    _register_errors(app)
    if follow:
        current.start()
    return app


def _register_errors(app: Flask) -> None:
    @app.errorhandler(QuestionError)
    def question_error(error: QuestionError) -> Response:
        return respond(plain(status_of(error), str(error)))

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        allow = error.get_headers()
        extra = [(name, value) for name, value in allow if name == "Allow"]
        return respond(plain(error.code or 500, f"{error.code} {error.name}", *extra))


def status_of(error: QuestionError) -> int:
    """400 for a value that can be mended, 404 for what does not exist here."""
    return 400 if isinstance(error, BadValueError) else 404
