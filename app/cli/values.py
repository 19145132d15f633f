"""Reads the values of the commands' options. A bad one is a usage error that says what is allowed."""
# ruff: noqa: PLC0415

from __future__ import annotations

import re
import time

import click

_ADDRESS = re.compile(
    r"unix:.+|fd://[0-9]+|(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})"
)


def seconds(ctx: click.Context, param: click.Parameter, text: str | None) -> float | None:
    """Reads a duration such as 90s, 15m or 6h as seconds."""
    from app.sources.fields import duration_s

    if text is None:
        return None
    duration = duration_s(text)
    if duration is None:
        raise click.BadParameter(f"{text!r} is no duration; write 90s, 15m or 6h", ctx, param)
    return float(duration)


def moment(ctx: click.Context, param: click.Parameter, text: str | None) -> float | None:
    """Reads a moment of the past, such as '2026-11-20 14:00' or 24h, as epoch seconds."""
    from app.past.moments import parse_moment

    if text is None:
        return None
    try:
        return parse_moment(text, time.time())
    except ValueError as error:
        raise click.BadParameter(f"{text!r} cannot be used: {error}", ctx, param) from None


def addresses(ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]) -> tuple[str, ...]:
    """Checks addresses to listen on: gunicorn would end with a traceback over a bad one."""
    for text in texts:
        if _address(text) is None:
            problem = f"{text!r} is none; write host:port, [::1]:port or unix:/path"
            raise click.BadParameter(problem, ctx, param)
    return texts


def host_and_port(ctx: click.Context, param: click.Parameter, text: str | None) -> tuple[str, int] | None:
    """Reads an address such as 127.0.0.1:9100 or [::1]:9100."""
    if text is None:
        return None
    match = _address(text)
    if match is None or not match["host"]:
        raise click.BadParameter(f"{text!r} is no address; write 127.0.0.1:9100 or [::1]:9100", ctx, param)
    return match["host"], int(match["port"])


def _address(text: str) -> re.Match[str] | None:
    match = _ADDRESS.fullmatch(text)
    return match if match and 0 < int(match["port"] or 1) < 65536 else None


def policy(ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]) -> dict[str, object]:
    """Reads new values for keys of `selection` from texts such as `selection.border_km=800`, by key."""
    from app.simulation.what_if import policy_changes

    try:
        return policy_changes(texts) if texts else {}
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None
