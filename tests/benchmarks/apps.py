"""Servers to compare with: `python -m tests.benchmarks.apps {flask,wsgi} {gthread,quick} PORT BODY_FILE`.

`flask` is an empty view, and `wsgi` uses no framework at all. Both answer with the content of a file, at
the same URLs as the service. `gthread` is gunicorn's own thread worker, and `quick` the one that the
service runs on; all other settings of gunicorn are the same as those of the service.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask

from app.settings import read_settings
from app.web.server.run import Server

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def flask(body: bytes) -> WSGIApplication:
    app = Flask("empty")

    @app.route("/mirrorlist/<release>/<repo>")
    def view(release: str, repo: str) -> bytes:
        return body

    return app


def wsgi(body: bytes) -> WSGIApplication:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]

    return app


if __name__ == "__main__":
    name, worker, port, body_file = sys.argv[1:]
    content = Path(body_file).read_bytes()
    make = {"flask": flask, "wsgi": wsgi}[name]
    settings = read_settings({**os.environ, "MIRRORWISE_SERVER": worker})
    Server(settings, (f"127.0.0.1:{port}",), lambda: make(content)).run()
