"""The servers to compare with, under our own gunicorn settings: `python -m tests.benchmarks.apps NAME PORT`.

`flask`: an empty view. `wsgi`: no framework at all. Both answer with a body as long as a mirrorlist.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask

from app.settings import read_settings
from app.web.server import Server

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

BODY = b"https://mirror.example.org/examplelinux/9.8/BaseOS/x86_64/os/\n" * 10


def flask() -> WSGIApplication:
    app = Flask("empty")

    @app.route("/")
    def view() -> bytes:
        return BODY

    return app


def wsgi() -> WSGIApplication:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))])
        return [BODY]

    return app


if __name__ == "__main__":
    name, port = sys.argv[1:]
    Server(read_settings(os.environ), (f"127.0.0.1:{port}",), {"flask": flask, "wsgi": wsgi}[name]).run()
