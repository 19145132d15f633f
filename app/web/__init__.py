"""The web process: it looks things up and joins strings. `create_app` builds the application."""

from app.web.application import create_app

__all__ = ["create_app"]
