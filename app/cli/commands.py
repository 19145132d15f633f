"""Defines the commands of the command line.

Each command imports what it needs when it runs, because web must not load what only the worker uses. The exit
code is 0 if the command succeeded, 1 if its input is at fault (the message says where), and 2 if its
arguments are wrong.
"""
# ruff: noqa: PLC0415

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import click

from app.cli.folder import check, init
from app.cli.foreign import import_
from app.cli.history import history
from app.cli.values import addresses, host_and_port, moment, policy, seconds
from app.files import is_gone, said
from app.logs import set_up_logging
from app.model import GeoError, MirrorwiseError, SettingsError
from app.settings import Settings, read_settings

_PATH = click.Path(path_type=Path)
# nginx notes connections that become no request in the log of a port's default server: that is the site's.
_LISTEN = ("80 default_server", "[::]:80 default_server")
_LISTEN_TLS = ("443 default_server", "[::]:443 default_server")


class _Group(click.Group):
    """A group of commands that turns Mirrorwise's own errors, and errors of the operating system, into a
    message and exit code 1."""

    def invoke(self, ctx: click.Context) -> object:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # a file's name may be no text
                stream.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(ctx)
        except MirrorwiseError as error:
            click.echo(str(error), err=True)
            ctx.exit(1)
        except OSError as error:
            if error.errno == errno.EPIPE:  # whoever read our output is gone, and click knows what to do
                raise
            click.echo(said(error), err=True)
            ctx.exit(1)


def _settings(environ: Mapping[str, str] = os.environ) -> Settings:
    settings = read_settings(environ)
    set_up_logging(settings)
    return settings


def settings_of_a_service(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of a program that goes on. Raises SettingsError also if they name a database that is not
    there, and of which no program had a good copy before."""
    from app.geo.copies import VerifiedCopies

    settings = _settings(environ)
    kept = settings.var_dir / "geoip"
    gone = [
        f"{name}: {path}: there is no such file, and no good copy from before in {kept}"
        for name, paths in (("GEOIP_CITY", settings.geoip_city), ("GEOIP_ASN", settings.geoip_asn))
        if environ.get(name, "").strip()
        for path in paths
        if is_gone(path) and VerifiedCopies(kept).last(path) is None
    ]
    if gone:
        raise SettingsError("\n".join(gone))
    return settings


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="mirrorwise")
def main() -> None:
    """A GeoIP-aware mirrorlist redirector for dnf, yum and zypper.

    \b
    Example:
      mirrorwise up
    """


@main.command()
@click.option("--port", type=click.IntRange(1, 65535), default=None, help="Default: PORT, or 8080.")
def up(port: int | None) -> None:
    """Run the whole service on this machine: worker and web together.

    Its data are those in data/, in the folder that MIRRORWISE_DATA names, or else a sample network.

    \b
    Example:
      mirrorwise up --port 8080
    """
    from app.cli.up import environ_of_up, run_up

    environ = environ_of_up(os.environ, port)
    sys.exit(run_up(settings_of_a_service(environ), environ))


@main.command()
@click.option(
    "--once", is_flag=True, help="Compile and publish once, then end; exit 1 if anything is held back."
)
@click.option("--force", is_flag=True, help="Publish what the guard holds back; asks the running worker.")
@click.option("--to-origin", is_flag=True, help="With --force: even where no mirror is left in a list.")
def worker(once: bool, force: bool, to_origin: bool) -> None:
    """Read the inputs, compile a snapshot and publish it; do so again whenever an input changes.

    With --force, a worker that runs already is asked to publish, and this command ends. If none runs, this
    one does it.

    \b
    Examples:
      REDIS_URL=redis://127.0.0.1:6379/0 mirrorwise worker --once
      mirrorwise worker --force
    """
    settings = settings_of_a_service()
    from app.store import open_store
    from app.worker.loop import Worker
    from app.worker.losses import Force
    from app.worker.request import ask_running_worker
    from app.worker.running import run_once, run_until

    if to_origin and not force:
        raise click.UsageError("--to-origin goes with --force")
    store = open_store(settings)
    allowed = Force.TO_ORIGIN if to_origin else Force.PAST_GUARD if force else Force.NO
    answer = ask_running_worker(store, allowed) if force else None
    if answer is not None:
        click.echo(answer.text, err=not answer.done)
        sys.exit(0 if answer.done else 1)
    one = Worker(settings, store)
    if once:
        published = run_once(one, allowed)
        for subject, text in sorted(one.faults.current.items()):
            click.echo(f"{subject}: {text}", err=True)
        sys.exit(0 if published else 1)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    if not run_until(one, settings.refresh_s, stopping, allowed):
        os._exit(0)  # an orderly end would wait for what hangs


@main.command()
@click.option(
    "--bind",
    multiple=True,
    callback=addresses,
    metavar="ADDRESS",
    help="host:port or unix:/path (repeatable); default 127.0.0.1:PORT.",
)
@click.option(
    "--metrics",
    callback=host_and_port,
    metavar="HOST:PORT",
    help="A listener of its own for /metrics, /readyz and /healthz alone.",
)
def web(bind: tuple[str, ...], metrics: tuple[str, int] | None) -> None:
    """Answer clients, from what the worker has published.

    \b
    Examples:
      mirrorwise web --bind unix:/run/mirrorwise/web.sock --metrics 127.0.0.1:9100
      mirrorwise web --bind 127.0.0.1:8080 --bind '[::1]:8080'
    """
    settings = settings_of_a_service()
    taken = [address for address in bind or [f":{settings.port}"] if not address.startswith("unix:")]
    if metrics and any(address.endswith(f":{metrics[1]}") for address in taken):
        raise click.UsageError("--metrics needs a port of its own")
    os.environ["WEB_CONCURRENCY"] = str(settings.web_concurrency)  # gunicorn reads it when it is imported
    from app.web.server.activation import check_passed
    from app.web.server.run import Server

    check_passed(os.environ, [*bind, *([f"{metrics[0]}:{metrics[1]}"] if metrics else [])])
    Server(settings, bind, metrics=metrics).run()


main.add_command(check)
main.add_command(init)
main.add_command(import_)
main.add_command(history)


@main.command()
@click.argument("ip")
@click.option("--release", help="Default: the last one in config.yml.")
@click.option("--repo", help="Default: the first one in config.yml.")
@click.option("--arch", help="Default: none, so that $basearch stays in the URLs.")
@click.option("--protocol", help="https, http or rsync, or a comma list.")
@click.option("--family", help="4 or 6.")
@click.option("--country", help="A comma list, or global.")
@click.option("--exclude-country", help="A comma list.")
@click.option("--region", help="A cloud region, such as aws:eu-central-1.")
@click.option("--avoid", help="A comma list of mirrors or hosts.")
@click.option("--fill", help="no or continent: where the list ends.")
@click.option("--limit", help="1 to 50 mirrors.")
@click.option("--mirror", help="Explain only this mirror.")
@click.option("--private", is_flag=True, help="As from inside the address's networks; show private mirrors.")
@click.option("--at", callback=moment, metavar="MOMENT", help="In the past: '2026-11-20 14:00' (UTC), 24h.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def explain(ip: str, private: bool, at: float | None, as_json: bool, **parameters: str | None) -> None:
    """Say what the service would answer the client IP now, and why; or what it answered in the past.

    \b
    Examples:
      mirrorwise explain 192.0.2.49 --release 9 --repo baseos --arch x86_64
      mirrorwise explain 192.0.2.49 --mirror mirror.example.org
      mirrorwise explain 192.0.2.49 --at '2026-11-20 14:00'
    """
    from app.cli.explain import explain_address, show

    given = {name: value for name, value in parameters.items() if value is not None}
    show(explain_address(read_settings(os.environ), ip, given, private, at), as_json)


@main.command()
@click.argument("generations", nargs=-1, metavar="[BEFORE AFTER]")
@click.option("--since", callback=moment, metavar="MOMENT", default="24h", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="For programs; has everything.")
def changes(generations: tuple[str, ...], since: float, as_json: bool) -> None:
    """Say what differs between two moments: mirrors that came and went and why, whose clients moved, prices.

    That is between now and --since, or between two generations, which are given by name or by moment.

    \b
    Examples:
      mirrorwise changes
      mirrorwise changes --since '2026-11-20 14:00'
      mirrorwise changes 1f0c2a9be4d7731a 77ab90cd12ef3456
    """
    from app.cli.changes import run_changes

    if len(generations) not in (0, 2):
        raise click.UsageError("name two generations, or none")
    between = (generations[0], generations[1]) if generations else None
    run_changes(read_settings(os.environ), between, since, as_json)


@main.command()
@click.argument("mirrors", nargs=-1, metavar="[MIRROR]...")
@click.option("--every", callback=seconds, metavar="DURATION", help="Go on, with a round each time (15m).")
@click.option("--full", is_flag=True, help="Ask for everything, unconditionally.")
@click.option("-v", "--verbose", is_flag=True, help="Say what was asked and answered.")
def probe(mirrors: tuple[str, ...], every: float | None, full: bool, verbose: bool) -> None:
    """Ask the origin and the mirrors (or just the named ones), and write the state files.

    \b
    Examples:
      mirrorwise probe --every 15m
      mirrorwise probe mirror.example.org --full -v
    """
    from app.probe import ProbeOptions, run_probe
    from app.store import open_store

    settings = _settings()
    options = ProbeOptions(settings.data_dir, every, full, mirrors, verbose, machine=settings.machine)
    store = open_store(settings) if settings.redis_url else None
    sys.exit(run_probe(options, store=store))


@main.command()
@click.option("--without", multiple=True, metavar="MIRROR", help="Without this mirror (repeatable).")
@click.option(
    "--with",
    "added",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="With the mirror of this YAML file, as if it had been probed (repeatable).",
)
@click.option(
    "--set",
    "policy",
    multiple=True,
    callback=policy,
    metavar="selection.KEY=VALUE",
    help="With another value of this key of config.yml (repeatable).",
)
@click.option("--rule", type=click.Choice(["country-500km"]), help="By another rule, for comparison.")
@click.option("--settled", is_flag=True, help="With prices solved anew, not as they stand.")
@click.option("--all", "every_mirror", is_flag=True, help="Show every mirror, not only 20.")
@click.option("--json", "as_json", is_flag=True, help="For programs; has every mirror.")
def simulate(
    rule: Literal["country-500km"] | None, settled: bool, every_mirror: bool, as_json: bool, **changes: Any
) -> None:
    """Compute which clients are sent where: mirrors' shares of all clients, and how far clients have to go.

    Nothing is published. The mirrors and settings in the files, with the changes asked for, are compared
    with those that are live. Load prices stay as they are, which shows the effect at first; with
    --settled they are solved anew, which shows the effect after days.

    \b
    Examples:
      mirrorwise simulate
      mirrorwise simulate --without mirror.example.org
      mirrorwise simulate --with new-mirror.yml --settled
      mirrorwise simulate --set selection.border_km=800 --set selection.spread_km=80
    """
    from app.simulation.run import run_simulation
    from app.simulation.what_if import WhatIf

    what_if = WhatIf(rule=rule, settled=settled, **changes)
    if rule and (settled or what_if.changes_network):
        raise click.UsageError("--rule is compared with what is live; it takes no other changes")
    run_simulation(read_settings(os.environ), what_if, as_json, every_mirror)


@main.command()
@click.option("--out", type=_PATH, default="/etc/nginx/mirrorwise", show_default=True, help="The directory.")
@click.option(
    "--upstream",
    multiple=True,
    metavar="ADDRESS",
    help="A service, unix:/path or host:port (127.0.0.1:PORT); repeatable: one that fails is left out.",
)
@click.option("--server-name", default="_", metavar="NAMES", help="Default: any.")
@click.option("--listen", multiple=True, default=_LISTEN, show_default=True, metavar="ADDRESS")
@click.option("--listen-tls", multiple=True, default=_LISTEN_TLS, show_default=True, metavar="ADDRESS")
@click.option("--certificate", type=_PATH, help="With its chain; without one there is no TLS.")
@click.option("--certificate-key", type=_PATH)
@click.option("--cache", type=_PATH, default="/var/cache/mirrorwise", show_default=True, help="For answers.")
@click.option("--open-files", type=click.IntRange(0, 10**6), default=0, help="Of the cache, kept open (0).")
@click.option("--every", callback=seconds, metavar="DURATION", help="Go on, and look again each time (15s).")
@click.option("--reload", metavar="COMMAND", help="Run this when anything has changed: 'nginx -s reload'.")
def nginx(
    out: Path, upstream: tuple[str, ...], every: float | None, reload: str | None, **machine: Any
) -> None:
    """Write the directory from which nginx reads the site: its configuration and its databases.

    In nginx's http section, write: include /etc/nginx/mirrorwise/mirrorwise.conf;

    \b
    Examples:
      mirrorwise nginx --server-name mirrors.example.org --upstream unix:/run/mirrorwise/web.sock
      mirrorwise nginx --every 15s --reload 'nginx -s reload'
    """
    from app.site.directory import Reloader, Site, SiteDirectory, follow
    from app.store import open_store

    if (machine["certificate"] is None) != (machine["certificate_key"] is None):
        raise click.UsageError("--certificate and --certificate-key go together")
    settings = _settings()
    site = Site(upstreams=upstream or (f"127.0.0.1:{settings.port}",), **machine)
    directory = SiteDirectory(out, site, settings, open_store(settings, for_web=True))
    reloader = Reloader(out, reload) if reload else None
    if every is not None:
        follow(directory, reloader, every)
    for name in directory.update():
        click.echo(f"written: {out / name}")
    if reloader is not None and reloader.reload():
        click.echo("nginx was told to reload")
    if directory.fault:
        raise GeoError(directory.fault)


@main.group()
def ranges() -> None:
    """The cloud providers' published address ranges.

    \b
    Example:
      mirrorwise ranges update
    """


@ranges.command()
def update() -> None:
    """Fetch what the cloud providers publish into cloud/; run it from a daily timer.

    A file that does not parse, or has shrunk by half, never replaces a good one.

    \b
    Example:
      mirrorwise ranges update
    """
    from app.cli.ranges import run_update
    from app.sources.folder import DataFolder

    sys.exit(run_update(DataFolder(_settings().data_dir).cloud))
