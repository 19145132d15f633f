"""Limits how many bytes an HTTP answer may have.

aiohttp sets no limit to what comes before the head of an answer and beside its body: interim answers (`100
Continue`), chunk extensions and trailers may go on for ever, as fast as the line allows. So every byte of an
answer is counted here before aiohttp parses it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler


class TooLongError(aiohttp.ClientError):
    """An answer has more bytes than allowed. Headers, body and everything else count."""


class BoundedConnector(aiohttp.TCPConnector):
    """An aiohttp connector that fails with TooLongError once an answer has more than `answer_bytes` bytes,
    everything that the server sends for it included."""

    def __init__(self, answer_bytes: int, **options: Any) -> None:
        super().__init__(**options)
        factory: Callable[..., ResponseHandler] = _BoundedAnswers
        self._factory = partial(factory, loop=self._loop, answer_bytes=answer_bytes)


class _BoundedAnswers(ResponseHandler):
    def __init__(self, loop: asyncio.AbstractEventLoop, answer_bytes: int) -> None:
        super().__init__(loop)
        self._answer_bytes = self._left_bytes = answer_bytes

    def set_response_params(self, **params: Any) -> None:
        """Begins to count anew, because aiohttp calls this method before each answer on a connection."""
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
