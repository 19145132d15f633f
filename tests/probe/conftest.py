"""The fleet, its certificates, and a way to run the prober against it."""

from __future__ import annotations

import io
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from app.model import MirrorState
from app.probe import Pace, ProbeOptions, run_probe
from app.sources.probe_state import read_mirror_state
from tests.conftest import need_program
from tests.probe.fleet import Fleet, running

PACE = Pace(retry_after_s=0.05, reread_after_s=0.0, origin_every_s=60.0)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """An origin and no mirrors yet, over plain HTTP and rsync."""
    with running(Fleet(folder=tmp_path)) as fleet:
        fleet.write_config()
        yield fleet


class Probing:
    """Runs the prober against a fleet, as the command line would."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.output = io.StringIO()

    def __call__(self, *names: str, **options: Any) -> int:
        console = Console(file=self.output, width=200)
        wanted = ProbeOptions(data_dir=self.fleet.folder, names=names, **options)
        return run_probe(wanted, self.fleet.network(), PACE, console)

    def state(self, name: str) -> MirrorState:
        return read_mirror_state(self.fleet.folder / "state" / "mirrors" / f"{name}.json")

    def has_state(self, name: str) -> bool:
        return (self.fleet.folder / "state" / "mirrors" / f"{name}.json").exists()


@pytest.fixture
def probing(fleet: Fleet) -> Probing:
    return Probing(fleet)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ca.pem, and good.pem and expired.pem (key and certificate of *.example.org)."""
    folder = tmp_path_factory.mktemp("certificates")
    openssl = need_program("openssl")

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    run(*_ca(key))
    for name, dates in (
        ("good", ("20200101000000Z", "20991231000000Z")),
        ("expired", ("20200101000000Z", "20200601000000Z")),
    ):
        run("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", "/CN=*.example.org")
        _sign(run, folder, name, dates)
        text = (folder / f"{name}.key").read_text() + (folder / f"{name}.crt").read_text()
        (folder / f"{name}.pem").write_text(text)
    return folder


def _ca(key: tuple[str, ...]) -> list[str]:
    subject = ["-subj", "/CN=Test CA", "-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    return ["req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "36500", *subject]


def _sign(run: Callable[..., None], folder: Path, name: str, dates: tuple[str, str]) -> None:
    """`openssl ca` is the one command that takes both dates."""
    (folder / "index.txt").write_text("")
    (folder / "ca.cnf").write_text(
        "[ca]\ndefault_ca = test\n[test]\ndatabase = index.txt\nnew_certs_dir = .\nrand_serial = yes\n"
        "default_md = sha256\npolicy = any\nx509_extensions = leaf\n[any]\ncommonName = supplied\n"
        "[leaf]\nsubjectAltName = DNS:*.example.org\nkeyUsage = critical,digitalSignature\n"
    )
    signing = ("-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key", "-batch", "-notext")
    start, end = dates
    run("ca", *signing, "-startdate", start, "-enddate", end, "-in", f"{name}.csr", "-out", f"{name}.crt")


@pytest.fixture
def tls_fleet(tmp_path: Path, certificates: Path) -> Iterator[Fleet]:
    """The same over https too; what is at EXPIRED_ADDRESS shows an expired certificate."""
    contexts = []
    for name in ("good", "expired"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates / f"{name}.pem")
        contexts.append(context)
    (tmp_path / "ca.pem").write_bytes((certificates / "ca.pem").read_bytes())
    with running(Fleet(folder=tmp_path), (contexts[0], contexts[1])) as fleet:
        fleet.write_config()
        yield fleet
