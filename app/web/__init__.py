"""The web process: looks things up and joins strings. `create_app` builds it; nothing happens before."""

from app.web.application import create_app

__all__ = ["create_app"]
