"""The service over a data folder of a test's own: one publication of a worker, and gunicorn."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import ROOT
from tests.servers import GunicornServer, WorkerProcess, environ


class Mirrorwise(GunicornServer):
    """Everything it writes goes into `var`; `url` has no "/" at its end."""

    def __init__(self, data: Path, var: Path) -> None:
        variables = environ(data, var, GEOIP_CITY=str(ROOT / "data" / "geoip" / "city.mmdb"))
        worker = WorkerProcess(var, variables, "--once")
        assert worker.process.wait(timeout=60) == 0, worker.said()
        super().__init__(var, variables, processes=1)
        self.url = f"http://127.0.0.1:{self.port}"
