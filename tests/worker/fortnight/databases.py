"""The database of the fortnight's history: SQLite or PostgreSQL, and the trouble that each can be in."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import make_url

from app.history.database import HistoryDatabase, open_history
from app.settings import Settings


class FortnightDatabase:
    """The database that some settings name. Each trouble is a `with` block, at whose end all is well."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def open(self) -> HistoryDatabase:
        return open_history(self._settings)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with closing(self.open()) as database, database.reading() as connection:
            yield connection

    @contextmanager
    def away(self) -> Iterator[None]:
        """What is there is no database, or the server lets nobody in."""
        raise NotImplementedError

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """It can be read, and refuses whatever is written."""
        raise NotImplementedError

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Another program holds the table of events, so that who writes waits until it gives up."""
        raise NotImplementedError


class SqliteDatabase(FortnightDatabase):
    @property
    def _path(self) -> Path:
        return self._settings.var_dir / "history.sqlite"

    @contextmanager
    def away(self) -> Iterator[None]:
        kept = self._path.with_name("kept")
        kept.mkdir()
        for path in self._path.parent.glob("history.sqlite*"):
            shutil.move(path, kept)
        self._path.write_bytes(b"something else" * 1000)
        yield
        for path in self._path.parent.glob("history.sqlite*"):
            path.unlink()
        for path in kept.iterdir():
            shutil.move(path, self._path.parent)
        kept.rmdir()

    @contextmanager
    def read_only(self) -> Iterator[None]:
        refuse = (
            "BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'attempt to write a read-only table'); END"
        )
        self._run(f"CREATE TRIGGER refuse {refuse}")
        yield
        self._run("DROP TRIGGER refuse")

    @contextmanager
    def locked(self) -> Iterator[None]:
        engine = create_engine(f"sqlite:///{self._path}")
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield
            connection.rollback()
        engine.dispose()

    def _run(self, statement: str) -> None:
        with closing(self.open()) as database, database.writing() as connection:
            connection.execute(text(statement))


class PostgresDatabase(FortnightDatabase):
    @contextmanager
    def away(self) -> Iterator[None]:
        self._alter("ALLOW_CONNECTIONS false")
        yield
        self._alter("ALLOW_CONNECTIONS true")

    @contextmanager
    def read_only(self) -> Iterator[None]:
        self._alter("SET default_transaction_read_only = on")
        yield
        self._alter("SET default_transaction_read_only = off")

    @contextmanager
    def locked(self) -> Iterator[None]:
        with closing(psycopg.connect(self._url())) as connection:
            connection.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
            yield

    def _url(self, name: str | None = None) -> str:
        assert self._settings.history_url is not None
        url = make_url(self._settings.history_url.value)
        return (url.set(database=name) if name else url).render_as_string(hide_password=False)

    def _alter(self, change: str) -> None:
        name = make_url(self._url()).database
        with closing(psycopg.connect(self._url("postgres"), autocommit=True)) as connection:
            connection.execute(f"ALTER DATABASE {name} {change}".encode())


def database_of(settings: Settings) -> FortnightDatabase:
    return PostgresDatabase(settings) if settings.history_url else SqliteDatabase(settings)
