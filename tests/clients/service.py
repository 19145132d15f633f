"""The service over a data folder of a test's own: one publication of a worker, and gunicorn."""

from __future__ import annotations

from pathlib import Path

from app.settings import read_settings
from app.store import file_store
from app.worker.loop import Worker
from app.worker.running import run_once
from tests.conftest import ROOT
from tests.servers import SELDOM_S, GunicornServer, environ


class Mirrorwise(GunicornServer):
    """Everything it writes goes into `var`; `url` has no "/" at its end."""

    def __init__(self, data: Path, var: Path) -> None:
        cities = str(ROOT / "data" / "geoip" / "city.mmdb")
        variables = environ(data, var, GEOIP_CITY=cities, REFRESH_SECONDS=SELDOM_S)
        assert run_once(Worker(read_settings(variables), file_store(var)))
        super().__init__(var, variables, processes=1)
        self.url = f"http://127.0.0.1:{self.port}"
