"""Runs the application in gunicorn. Only this package uses gunicorn's internals."""
