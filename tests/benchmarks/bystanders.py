"""What hostile crowds take from ordinary clients: `python -m tests.benchmarks.bystanders [SCENE...]`.

Ten ordinary clients are timed for some seconds without the crowd of a scene and then beside it, over our
worker and over gunicorn's own, directly and through nginx. A line for each, in milliseconds: the 99th
percentile when it is quiet and beside the crowd, how many times as long that is, the longest, and how many
answers failed.
`--large` takes 5,000 mirrors and 200 repos.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from app.settings import SERVERS, read_settings
from tests.benchmarks.servers import PROCESSES, publish
from tests.benchmarks.worlds import Environ, enlarge, world
from tests.bystanders import SCENES, crowd, noticed
from tests.servers import GunicornServer, NginxOptions, NginxServer

SECONDS = 5.0
LARGE = (5_000, 200)  # mirrors, repos


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenes", nargs="*", default=[*SCENES])
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--servers", nargs="*", default=[*SERVERS])
    parser.add_argument("--ways", nargs="*", default=["direct", "nginx"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        name, environ = world(Path(temporary))
        if options.large:
            enlarge(Path(environ["MIRRORWISE_DATA"]), *LARGE)
        publish(environ)
        say(f"{name}{', 5,000 mirrors, 200 repos' if options.large else ''}; {PROCESSES} web processes")
        say("| scene | way | worker | quiet p99 | p99 | times | worst | failed | of |")
        say("|---|---|---|--:|--:|--:|--:|--:|--:|")
        ports = {
            (way, server): stack.enter_context(
                serving(Path(temporary) / f"{way}-{server}", environ, way, server)
            )
            for way in options.ways
            for server in options.servers
        }
        for scene in options.scenes:
            for (way, server), port in ports.items():
                measure(scene, way, server, port)


def measure(scene: str, way: str, server: str, port: int) -> None:
    quiet = noticed(port, SECONDS)
    with crowd(scene, port):
        beside = noticed(port, SECONDS)
    cells = [scene, way, server, *(f"{s * 1e3:.1f}" for s in (quiet.p99_s, beside.p99_s))]
    cells += [f"{beside.p99_s / quiet.p99_s:.1f}", f"{beside.worst_s * 1e3:.0f}"]
    cells += [str(len(beside.failed)), str(len(beside.took_s))]
    say(f"| {' | '.join(cells)} |")


@contextmanager
def serving(folder: Path, environ: Environ, way: str, server: str) -> Iterator[int]:
    """The port of the service, in front of which is nginx or not."""
    folder.mkdir()
    with ExitStack() as stack:
        web = GunicornServer(folder, {**environ, "MIRRORWISE_SERVER": server}, PROCESSES, unix=way == "nginx")
        stack.callback(web.stop)
        web.wait_until_serving()
        if way == "direct":
            yield web.port
            return
        (folder / "nginx").mkdir()
        options = NginxOptions(settings=read_settings(environ), workers=PROCESSES, log_at_once=False)
        nginx = NginxServer(folder / "nginx", web.address, options)
        stack.callback(nginx.stop)
        yield nginx.port


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - the report is for a terminal


if __name__ == "__main__":
    main()
