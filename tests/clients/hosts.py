"""HTTP servers on loopback that play mirrors, and one that stands before the service and notes requests."""

from __future__ import annotations

import http.client
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.conftest import need_program


class _Ipv6Server(ThreadingHTTPServer):
    address_family = socket.AF_INET6


def has_ipv6_loopback() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


class Host:
    """A running server. `asked`: the request targets so far; `url` ends in "/"."""

    def __init__(
        self,
        handler: Callable[..., BaseHTTPRequestHandler],
        address: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        kind = _Ipv6Server if ":" in address else ThreadingHTTPServer
        self.asked: list[str] = []
        self.server = kind((address, 0), partial(handler, self.asked))
        self.server.daemon_threads = True
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port: int = self.server.server_address[1]
        host = f"[{address}]" if ":" in address else address
        self.url = f"{'https' if tls else 'http'}://{host}:{self.port}/"
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def stop(self) -> None:
        """From then on connections are refused; stopping twice is stopping once."""
        if self._thread.is_alive():
            self.server.shutdown()
            self._thread.join()
            self.server.server_close()


class _Files(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, folder: Path, asked: list[str], *args: object) -> None:
        self.asked = asked
        super().__init__(*args, directory=str(folder))  # type: ignore[arg-type]  # the server's own three

    def do_GET(self) -> None:  # the name http.server looks for
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's name
        """Say nothing."""


def mirror_host(folder: Path, address: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Host:
    """A mirror whose files are those of `folder`, as they are at each request."""
    return Host(partial(_Files, folder), address, tls)


class _Front(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, port: int, protocol: str, asked: list[str], *args: object) -> None:
        self.port, self.protocol, self.asked = port, protocol, asked
        super().__init__(*args)  # type: ignore[arg-type]  # the server's own three

    def do_GET(self) -> None:  # the name http.server looks for
        self.asked.append(self.path)
        upstream = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        upstream.request("GET", self.path, headers={"X-Forwarded-Proto": self.protocol})
        answer = upstream.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "date", "server"):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        upstream.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's name
        """Say nothing."""


def front(port: int, address: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Host:
    """A reverse proxy before the service on `port`."""
    return Host(partial(_Front, port, "https" if tls else "http"), address, tls)


class Certificate:
    """A certificate for loopback, signed by an authority of its own; `authority` is what to trust."""

    def __init__(self, folder: Path) -> None:
        program = need_program("openssl")
        self.authority = folder / "ca.pem"
        key, request, certificate = folder / "key.pem", folder / "request.pem", folder / "cert.pem"
        names = folder / "names.cnf"
        names.write_text("subjectAltName=IP:127.0.0.1,IP:::1,DNS:localhost\n")
        rsa = "-newkey rsa:2048 -nodes"
        commands = [
            f"req -x509 {rsa} -keyout {folder}/ca.key -out {self.authority} -subj /CN=authority -days 2",
            f"req {rsa} -keyout {key} -out {request} -subj /CN=localhost",
            f"x509 -req -in {request} -CA {self.authority} -CAkey {folder}/ca.key -CAcreateserial"
            f" -out {certificate} -days 2 -extfile {names}",
        ]
        for command in commands:
            subprocess.run([program, *command.split()], check=True, capture_output=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
