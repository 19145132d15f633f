"""Says what went wrong with a request, in words for people, and whether the cause lies in this machine."""

from __future__ import annotations

import errno

import aiohttp

from app.probe.connections import TooLongError

#: The errors that mean that this machine has no file, no memory or no port left.
_OUR_OWN = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL}


def is_our_own(error: Exception) -> bool:
    """Returns whether a request failed because this machine had no file, memory or port left, which says
    nothing about the host that was asked."""
    return isinstance(error, OSError) and error.errno in _OUR_OWN


def reason_of(error: Exception) -> str:
    """Describes a network error for people, as the end of a sentence."""
    if isinstance(error, TooLongError):
        return str(error)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        inner = error.certificate_error
        return f"its certificate is not valid ({getattr(inner, 'verify_message', None) or inner})"
    if isinstance(error, aiohttp.ClientSSLError):
        return f"no TLS connection ({getattr(error.os_error, 'reason', None) or error.os_error})"
    if isinstance(error, aiohttp.ServerTimeoutError):
        return "its answer stopped half-way"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "it closed the connection without an answer"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "its answer is shorter than announced, or cut off"
    if isinstance(error, aiohttp.ClientResponseError):
        return "what it answers is not HTTP"
    if isinstance(error, OSError):
        return _os_reason(error)
    return f"the request failed ({str(error) or type(error).__name__})"


def _os_reason(error: OSError) -> str:
    inner = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(inner, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(inner, ConnectionResetError):
        return "the connection was reset"
    return f"no connection ({inner.strerror or inner})"
