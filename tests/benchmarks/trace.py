"""Traces one warm request through the application: `python -m tests.benchmarks.trace [TARGET]`.

It prints every call of a function of `app/` for this request, indented by its depth, and the numbers of
calls and of files. The sample network is served, and the client has asked before.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple

from werkzeug.test import EnvironBuilder

from app.settings import read_settings
from app.store import file_store
from app.web import create_app
from tests.benchmarks import servers
from tests.benchmarks.worlds import QUERY
from tests.conftest import ROOT
from tests.servers import environ

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

APP = f"{ROOT / 'app'}/"
CLIENT = "192.0.2.1"


class Call(NamedTuple):
    """A call of a function. `depth` is the number of functions of ours within which it was called."""

    depth: int
    file: str
    name: str


class Recorder:
    """Records the calls of functions of ours, as the function that `sys.setprofile` gets."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._depth = 0

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event not in ("call", "return") or not code.co_filename.startswith(APP):
            return
        if event == "call":
            self.calls.append(Call(self._depth, code.co_filename.removeprefix(APP), code.co_qualname))
        self._depth += 1 if event == "call" else -1


def traced(app: WSGIApplication, request: WSGIEnvironment) -> list[Call]:
    """The calls for the third of three equal requests."""
    answer(app, dict(request))
    answer(app, dict(request))
    recorder = Recorder()
    sys.setprofile(recorder)
    try:
        answer(app, request)
    finally:
        sys.setprofile(None)
    return recorder.calls


def answer(app: WSGIApplication, request: WSGIEnvironment) -> Iterable[bytes]:
    return list(app(request, lambda *_: lambda _: None))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", nargs="?", default=QUERY)
    target = parser.parse_args().target
    with tempfile.TemporaryDirectory() as folder:
        variables = environ(ROOT / "data", Path(folder))
        servers.publish(variables)
        app = create_app(read_settings(variables), file_store(Path(folder)), follow=False)
        app.extensions["mirrorwise"].refresh()
        headers = [("X-Forwarded-For", CLIENT)]
        request = EnvironBuilder(path=target, headers=headers, environ_overrides={"REMOTE_ADDR": "127.0.0.1"})
        calls = traced(app.wsgi_app, request.get_environ())
    for call in calls:
        print(f"{'  ' * call.depth}{call.file}: {call.name}")  # noqa: T201 - it is for a terminal
    files = {call.file for call in calls}
    print(f"{len(calls)} calls in {len(files)} files")  # noqa: T201


if __name__ == "__main__":
    main()
