"""Runs the application in gunicorn, for `mirrorwise web`.

Lists are answered by the main loop of each process (`worker`). Answers that take longer, explanations above
all, are made by a second thread. Keep-alive spares proxies the handshakes. Workers are not restarted after so
many requests (`max_requests`): their memory is bounded, and a restart would lose the answers that they
remember.

With `MIRRORWISE_SERVER=gthread`, or on a gunicorn in which our worker could not run, gunicorn's own thread
worker serves the same application, with `THREADS` threads.

Where systemd passes sockets (`mirrorwise-web.socket`), gunicorn listens on these and no others. Connections
that come while no process runs wait in them, so that a restart refuses none.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import gunicorn
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from app.logs import without_words
from app.serving.tally import server_name
from app.settings import ServerKind, Settings
from app.store import open_store
from app.web.application import create_app
from app.web.operators import OperatorsListener
from app.web.server.arrival import MAX_FIELD_BYTES, MAX_FIELDS, MAX_LINE_BYTES
from app.web.server.internals import missing_internals

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

log = logging.getLogger("mirrorwise.web")

THREADS = 4
KEEP_ALIVE_S = 75  # longer than nginx's upstream keep-alive, so that nginx closes first
BACKLOG = 4096
"""The number of connections that may wait to be accepted, as during a restart. Linux allows no more."""


def worker_class(wanted: ServerKind) -> type | str:
    """Returns the value for gunicorn's setting `worker_class`: our worker, or gunicorn's thread worker if
    that is wanted or our worker cannot run."""
    if wanted == "gthread":
        return "gthread"
    missing = missing_internals()
    if missing:
        log.warning(
            "gunicorn %s runs its own worker, which answers fewer requests a second: ours needs %s",
            gunicorn.__version__,
            ", ".join(missing),
        )
        return "gthread"
    # Where something is missing, this module may not even load.
    from app.web.server.worker import QuickWorker  # noqa: PLC0415

    return QuickWorker


class RootLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's logger, which writes to the root logger's handlers instead of its own, and under a name that
    does not call each of its lines an error."""

    def setup(self, cfg: Any) -> None:
        self.error_log = logging.getLogger("mirrorwise.server")
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True

    def access(self, *_: Any) -> None:
        """Logs nothing, because the proxy keeps the access log."""

    def warning(self, msg: Any, *args: Any, **more: Any) -> None:
        """Logs a warning, unless it is about a malformed request: gunicorn's own worker would log such
        requests with the client's address."""
        if not str(msg).startswith("Invalid request from ip="):
            super().warning(msg, *args, **more)

    def exception(self, msg: Any, *args: Any, **more: Any) -> None:
        """Logs an exception. If a request failed, gunicorn's message is left out, because it has the URI, in
        which an address may be asked for (`ip=`)."""
        if str(msg).startswith("Error handling request"):
            super().error("a request failed: %s", without_words(sys.exception()))
        else:
            super().exception(msg, *args, **more)


class Server(BaseApplication):  # type: ignore[misc]  # as above
    """gunicorn with our settings. `bind` are the addresses that it listens on; if there are none, it listens
    on loopback and the settings' port. `metrics` is the address (host and port) of the listener for
    operators, if there is to be one. `make` makes another application than ours, for comparison."""

    def __init__(
        self,
        settings: Settings,
        bind: tuple[str, ...] = (),
        make: Callable[[], WSGIApplication] | None = None,
        metrics: tuple[str, int] | None = None,
    ) -> None:
        self._settings = settings
        self._name = server_name()
        self._make = make or self._our_application
        #: Returns whether a request for this target takes next to no time, because the same was asked before.
        self.remembers: Callable[[str], bool] = lambda target: True
        self._bind = list(bind) or [f"127.0.0.1:{settings.port}"]
        self._metrics_port = metrics[1] if metrics else None
        if metrics:
            self._bind.append(f"{metrics[0]}:{metrics[1]}")
        super().__init__()

    def load_config(self) -> None:
        options: dict[str, Any] = {
            "bind": self._bind,
            "workers": self._settings.web_concurrency,
            "worker_class": worker_class(self._settings.server),
            "logger_class": RootLogger,
            "threads": THREADS,
            "keepalive": KEEP_ALIVE_S,
            "backlog": BACKLOG,
            # Of a unix socket: gunicorn would let every user of the machine connect.
            "umask": umask(),
            "http_parser": "auto",
            "control_socket_disable": True,
            "timeout": 30,
            # So long idle connections delay our end, while we accept no more; answers take 1 ms.
            "graceful_timeout": 2,
            "max_requests": 0,
            "forwarded_allow_ips": "",  # we read X-Forwarded-For ourselves
            "limit_request_line": MAX_LINE_BYTES,
            "limit_request_fields": MAX_FIELDS,
            "limit_request_field_size": MAX_FIELD_BYTES,
            "worker_tmp_dir": None,
            "loglevel": self._settings.log_level,
            "accesslog": None,
            "proc_name": "mirrorwise-web",
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def run(self) -> None:
        if find_spec("gunicorn_h1c") is None:
            log.info("parsing requests in Python; gunicorn's parser in C comes with mirrorwise[fast]")
        if missing_internals():
            super().run()
            return
        from app.web.server.arbiter import SmoothArbiter  # noqa: PLC0415 - as in `worker_class`

        SmoothArbiter(self).run()

    def load(self) -> WSGIApplication:
        """Makes the application. gunicorn calls this in each worker process, after the fork, so that each
        follows the store with its own thread."""
        return self._make()

    def _our_application(self) -> WSGIApplication:
        app = create_app(self._settings, open_store(self._settings, for_web=True), server=self._name)
        # What is there now stays. Without this, the collector looks through all of it from time to
        # time, and no client is answered for 25 ms.
        gc.collect()
        gc.freeze()
        self.remembers = app.wsgi_app.remembers  # type: ignore[attr-defined]  # a `FastPath`
        return OperatorsListener(app.wsgi_app, self._metrics_port) if self._metrics_port else app


def umask() -> int:
    """Returns the umask of this process."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
