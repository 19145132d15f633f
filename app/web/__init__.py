"""The web process, which answers requests from the published snapshot. `create_app` builds the
application."""

from app.web.application import create_app

__all__ = ["create_app"]
