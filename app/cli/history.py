"""The commands of `mirrorwise history`: count what was served, and show it."""
# ruff: noqa: PLC0415

from __future__ import annotations

import os
import signal
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.cli.values import host_and_port
from app.logs import set_up_logging
from app.model import SettingsError
from app.settings import Settings, read_settings

if TYPE_CHECKING:
    from app.history.retention import Retention

_LOGS = click.Path(path_type=Path)


@click.group()
def history() -> None:
    """What was served: counts without addresses, in the database that HISTORY_URL names.

    \b
    Examples:
      mirrorwise history follow /var/log/nginx/mirrorwise-access.log
      mirrorwise history import /var/log/nginx/mirrorwise-access.log.*.gz
    """


@history.command()
@click.argument("files", nargs=-1, metavar="[FILE]...", type=_LOGS)
@click.option(
    "--metrics", callback=host_and_port, metavar="HOST:PORT", help="A listener for Prometheus: /metrics."
)
def follow(files: tuple[Path, ...], metrics: tuple[str, int] | None) -> None:
    """Count what is written to access logs, also through rotation; go on until stopped.

    Without a FILE, that is the log that REQUEST_LOG names. Each line counts once, whatever happens.

    \b
    Example:
      mirrorwise history follow /var/log/nginx/mirrorwise-access.log --metrics 127.0.0.1:9101
    """
    from prometheus_client import start_http_server

    from app.history.collector import LogCollector
    from app.history.database import open_history

    settings = _settings()
    paths = files or ((settings.request_log,) if settings.request_log else ())
    if not paths:
        raise SettingsError("there is no log to follow; name one, or set REQUEST_LOG")
    collector = LogCollector(open_history(settings), settings.machine, paths, _retention(settings))
    if metrics:
        start_http_server(metrics[1], metrics[0], registry=collector.metrics.registry)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    collector.run(stopping)


@history.command(name="import")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=_LOGS)
def import_(files: tuple[Path, ...]) -> None:
    """Count what is in old access logs, also compressed ones (.gz, .zst).

    What was counted before is known and left out, whether it was followed or imported.

    \b
    Example:
      mirrorwise history import /var/log/nginx/mirrorwise-access.log.*.gz
    """
    from app.cli.imports import run_import
    from app.history.database import open_history

    settings = _settings()
    run_import(open_history(settings), settings.machine, files)


@history.command()
@click.option("--json", "as_json", is_flag=True, help="For programs; has everything.")
def report(as_json: bool) -> None:
    """Show what was served: requests, places, software, systems, and mirrors as planned and as sent.

    \b
    Example:
      mirrorwise history report
    """
    from app.cli.report import run_report

    run_report(_settings(), as_json)


@history.command()
@click.option("--csv", "as_csv", is_flag=True, help="In the columns of mirrors-countme.")
def countme(as_csv: bool) -> None:
    """Show how many systems there were in each complete week, as Fedora counts them.

    \b
    Example:
      mirrorwise history countme --csv >countme.csv
    """
    from app.cli.systems import show_weeks
    from app.history.countme import write_csv
    from app.history.database import open_history

    database = open_history(_settings())
    if as_csv:
        write_csv(database, sys.stdout)
    else:
        show_weeks(database)


@history.command()
@click.option("--days", type=click.IntRange(1, 3650), default=28, show_default=True, help="The last so many.")
@click.option("--out", type=_LOGS, help="Default: places.csv in the data folder; - prints it.")
def places(days: int, out: Path | None) -> None:
    """Write places.csv: the clients that were counted at each place, for load prices and `simulate`.

    \b
    Example:
      mirrorwise history places --days 28
    """
    from app.files import replace
    from app.history.database import open_history
    from app.history.places import places_csv
    from app.sources.folder import DataFolder

    settings = _settings()
    content = places_csv(open_history(settings), datetime.now(UTC).date(), days)
    if str(out) == "-":
        click.echo(content, nl=False)
        return
    path = out or DataFolder(settings.data_dir).counts
    replace(path, content.encode())
    click.echo(f"written: {path}")


@history.command()
def forget() -> None:
    """Delete what is older than HISTORY_DAYS and HISTORY_PLACE_DAYS; `follow` does so once a day.

    \b
    Example:
      HISTORY_DAYS=365 mirrorwise history forget
    """
    from app.history.database import open_history
    from app.history.retention import forget as forget_old

    settings = _settings()
    rows = forget_old(open_history(settings), _retention(settings), datetime.now(UTC).date())
    click.echo(f"deleted: {rows:,} rows")


def _settings() -> Settings:
    settings = read_settings(os.environ)
    set_up_logging(settings)
    return settings


def _retention(settings: Settings) -> Retention:
    from app.history.retention import Retention

    return Retention(settings.history_days, settings.history_place_days)
