"""Takes the port of `mirrorwise up` before anything is started, or says who has it."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app.model import MirrorwiseError

_LISTENING = "0A"
"""The state of a listening socket in /proc/net/tcp."""


class PortError(MirrorwiseError):
    """The port cannot be listened on."""


@contextmanager
def listening(port: int) -> Iterator[socket.socket]:
    """Listens on a port of loopback. Clients that connect before a server accepts them wait. Raises
    PortError."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                by = holder_of(port)
                raise PortError(f"port {port} is taken{f' by {by}' if by else ''}; use --port") from error
            raise PortError(f"port {port} cannot be used: {error.strerror}; use --port") from error
        yield listener


def holder_of(port: int) -> str | None:
    """Names the process that listens on a port; None if that cannot be found out, as of another user's."""
    sockets = {f"socket:[{inode}]" for inode in _listeners(port)}
    for process in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        with suppress(OSError):  # it has ended, or is another user's
            if any(str(file.readlink()) in sockets for file in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (process {process.name})"
    return None


def _listeners(port: int) -> Iterator[str]:
    """Yields the inodes of the sockets that listen on a port."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                _, local, _, state, _, _, _, _, _, inode, *_ = line.split()
                if state == _LISTENING and int(local.rpartition(":")[2], 16) == port:
                    yield inode
