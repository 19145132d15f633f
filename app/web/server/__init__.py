"""gunicorn around the application. Only this package knows gunicorn's insides."""
