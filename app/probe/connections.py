"""Limits what a connection may bring.

What aiohttp reads until the head of an answer is there, and beside its body, has no limit of its own:
interim answers (`100 Continue`), chunk extensions and trailers may go on for ever, as fast as the line
allows. So every byte of an answer is counted before it is parsed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler


class TooLongError(aiohttp.ClientError):
    """An answer has more bytes than one may have, of whatever kind."""


class BoundedConnector(aiohttp.TCPConnector):
    """A connector whose answers have at most `answer_bytes` each, as they are on the line."""

    def __init__(self, answer_bytes: int, **options: Any) -> None:
        super().__init__(**options)
        factory: Callable[..., ResponseHandler] = _BoundedAnswers
        self._factory = partial(factory, loop=self._loop, answer_bytes=answer_bytes)


class _BoundedAnswers(ResponseHandler):
    def __init__(self, loop: asyncio.AbstractEventLoop, answer_bytes: int) -> None:
        super().__init__(loop)
        self._answer_bytes = self._left_bytes = answer_bytes

    def set_response_params(self, **params: Any) -> None:
        """Begins a new answer."""
        self._left_bytes = self._answer_bytes
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        self._left_bytes -= len(data)
        if self._left_bytes >= 0:
            super().data_received(data)
            return
        error = TooLongError(f"its answer is larger than {self._answer_bytes:,} bytes")
        self.set_exception(error)
        if self._payload is not None:
            self._payload.set_exception(error)
        if self.transport is not None:
            self.transport.abort()
