"""Knows the sockets that systemd passes to a service (sd_listen_fds(3)).

gunicorn listens on these sockets and no others, and says nothing of addresses that it was told to listen on.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping

from gunicorn.util import parse_address

from app.model import MirrorwiseError

FIRST_FD = 3


def check_passed(environ: Mapping[str, str], wanted: Iterable[str]) -> None:
    """Raises MirrorwiseError if systemd passes sockets, and an address that is wanted is not among them."""
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return
    passed = [_name_of(FIRST_FD + number) for number in range(int(environ.get("LISTEN_FDS", "0")))]
    for address in wanted:
        if passed and parse_address(address) not in passed:
            raise MirrorwiseError(
                f"systemd passes other sockets than {address}: give the socket unit a line "
                f"ListenStream={address.removeprefix('unix:')}, or leave the address out here"
            )


def _name_of(fd: int) -> str | tuple[str, int]:
    """Returns the path of a unix socket, or the host and port of another one."""
    with socket.socket(fileno=os.dup(fd)) as passed:
        name = passed.getsockname()
    return name if isinstance(name, str) else (name[0], name[1])
