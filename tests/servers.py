"""Programs in front of and around the service that tests start for real."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tests.conftest import ROOT, accepts, free_port, need_program, wait_until

NGINX_CONF = """\
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


class NginxServer:
    """A real nginx with the project's site file, on a loopback port of its own.

    `upstream` is what nginx connects to: "127.0.0.1:<port>" or "unix:/path". Everything nginx
    writes goes into `folder`, which must exist.
    """

    def __init__(self, folder: Path, upstream: str) -> None:
        self.program = need_program("nginx")
        self.folder = folder
        self.port = free_port()
        self.conf = folder / "nginx.conf"
        # As root, nginx would hand its requests to a user who cannot enter pytest's folders.
        user = "user root;" if os.geteuid() == 0 else ""
        self.conf.write_text(NGINX_CONF.format(folder=folder, user=user))
        (folder / "site.conf").write_text(site_file(self.port, upstream))
        self.check()
        self.start()

    @property
    def command(self) -> list[str]:
        return [self.program, "-e", str(self.folder / "error.log"), "-c", str(self.conf)]

    def check(self) -> None:
        """`nginx -t`: fails with nginx's own words."""
        done = subprocess.run([*self.command, "-t"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        self.process = subprocess.Popen(self.command)
        wait_until(self.listens_or_died, "nginx listening")
        assert self.process.poll() is None, (self.folder / "error.log").read_text()

    def listens_or_died(self) -> bool:
        return self.process.poll() is not None or accepts(self.port)

    def stop(self) -> None:
        """Ends the master, which ends its workers."""
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def site_file(port: int, upstream: str) -> str:
    """The committed site, listening on this port only and speaking to this upstream."""
    text = (ROOT / "nginx" / "mirrorwise.conf").read_text()
    text, replaced = re.subn(
        r"^    server 127\.0\.0\.1:8080 ", f"    server {upstream} ", text, flags=re.MULTILINE
    )
    assert replaced == 1, "the site file names its upstream in another way now"
    text, replaced = re.subn(r"^    listen 80;$", f"    listen 127.0.0.1:{port};", text, flags=re.MULTILINE)
    assert replaced == 1, "the site file listens in another way now"
    return re.sub(r"^    listen \[::\]:80;\n", "", text, flags=re.MULTILINE)
