"""Opens the history's database: SQLite in the service's folder, or PostgreSQL for several machines.

Nothing is connected to before it is used, and a database that is away, locked or full is a `HistoryError` of
that one use. A writer brings the schema to the present version first; a reader never writes anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, inspect, make_url, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from app.history.tables import MIGRATIONS, Migration, schema
from app.model import HistoryError
from app.settings import Settings

PATIENCE_S = 5
"""How long a connection or a lock is waited for."""
MAX_STATEMENT_S = 60
_READING: Mapping[str, Mapping[str, Any]] = {
    "sqlite": {"is_reading": True},
    "postgresql": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
}
_LOCK = 0x6D6972726F72  # any number: all that migrate the same database take the same lock


class HistoryDatabase:
    """The history's database. One object serves one thread at a time."""

    def __init__(self, url: URL, migrations: Sequence[Migration] = MIGRATIONS) -> None:
        self.is_postgresql = url.get_backend_name() == "postgresql"
        self._path = None if self.is_postgresql else Path(url.database or "")
        self._migrations = migrations
        self._is_migrated = False
        self._engine = _engine(url)

    def __str__(self) -> str:
        return self._engine.url.render_as_string()

    @property
    def is_there(self) -> bool:
        """Whether there is a database that has ever been written to. Raises HistoryError."""
        if self._path is not None and not self._path.exists():
            return False
        with self._explained(), self._engine.connect() as connection:
            connection.execution_options(**_READING[self._engine.dialect.name])
            return _version(connection) > 0

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is committed at the end of the `with` block, and rolled back if the block
        raises. Raises HistoryError."""
        with self._explained():
            self._make_folder()
            if not self._is_migrated:
                with self._engine.begin() as connection:
                    self._migrate(connection)
                self._is_migrated = True
            with self._engine.begin() as connection:
                yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database. Raises HistoryError, also if there is no
        database yet, or one of another version of the program."""
        with self._explained():
            if self._path is not None and not self._path.exists():
                raise HistoryError(f"{self}: there is no such file; nothing has been counted yet")
            with self._engine.connect() as connection:
                connection.execution_options(**_READING[self._engine.dialect.name])
                version = _version(connection)
                if version != len(self._migrations):
                    raise HistoryError(self._wrong(version))
                yield connection

    def add(self, connection: Connection, table: Table, sums: Mapping[tuple[Any, ...], int]) -> None:
        """Adds numbers of requests to the rows of a table of sums, by the rows' keys. Rows are always touched
        in the same order, so that two writers cannot wait for each other."""
        if not sums:
            return
        insert = (postgresql if self.is_postgresql else sqlite).insert(table)
        statement = insert.on_conflict_do_update(
            index_elements=table.primary_key.columns,
            set_={"requests": table.c.requests + insert.excluded.requests},
        )
        names = [column.name for column in table.primary_key]
        connection.execute(
            statement,
            [{**dict(zip(names, key, strict=True)), "requests": sums[key]} for key in sorted(sums)],
        )

    def close(self) -> None:
        """Closes all connections. The next use opens new ones."""
        self._engine.dispose()

    def _migrate(self, connection: Connection) -> None:
        """Brings the schema to the present version. Raises HistoryError if it is newer than that."""
        if self.is_postgresql:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        version = _version(connection)
        if version > len(self._migrations):
            raise HistoryError(self._wrong(version))
        if version == 0:
            schema.create(connection)
            connection.execute(schema.insert(), {"version": 0})
        for migrate in self._migrations[version:]:
            migrate(connection)
        connection.execute(schema.update().values(version=len(self._migrations)))

    def _wrong(self, version: int) -> str:
        if not version:
            return f"{self}: nothing has been counted yet"
        return f"{self}: its schema has version {version}, this program knows {len(self._migrations)}"

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns what goes wrong in the database into HistoryError, in a sentence without passwords."""
        try:
            yield
        except DBAPIError as error:
            raise HistoryError(f"{self}: {_first_line(error.orig)}") from error
        except SQLAlchemyError as error:
            raise HistoryError(f"{self}: {_first_line(error)}") from error

    def _make_folder(self) -> None:
        if self._path is not None:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise HistoryError(f"{self}: {error.strerror}") from error


def open_history(settings: Settings) -> HistoryDatabase:
    """Returns the database that the settings name; by default, it is `history.sqlite` in the service's
    folder. Raises HistoryError if the driver is missing."""
    if settings.history_url is None:
        return HistoryDatabase(URL.create("sqlite", database=str(settings.var_dir / "history.sqlite")))
    url = make_url(settings.history_url.value)
    try:
        if url.get_backend_name() == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        return HistoryDatabase(url)
    except (ImportError, ArgumentError) as error:
        raise HistoryError(
            f"{settings.history_url}: {error}; PostgreSQL needs mirrorwise[postgresql]"
        ) from error


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "postgresql":
        options = f"-c statement_timeout={MAX_STATEMENT_S}s -c lock_timeout={PATIENCE_S}s"
        return create_engine(
            url,
            pool_pre_ping=True,
            connect_args={"connect_timeout": PATIENCE_S, "options": options, "keepalives_idle": 30},
        )
    engine = create_engine(url, connect_args={"timeout": PATIENCE_S})
    event.listen(engine, "connect", _connected)
    event.listen(engine, "begin", _begun)
    return engine


def _connected(connection: Any, _: object) -> None:
    """Leaves transactions to SQLAlchemy instead of Python's driver, and lets readers read while another
    process writes."""
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _begun(connection: Connection) -> None:
    """Begins a transaction of SQLite. One that writes waits for others at once: if it waited later, what it
    had read might be old."""
    reading = connection.get_execution_options().get("is_reading")
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _version(connection: Connection) -> int:
    """Returns the version of the schema; 0 if there is none yet."""
    if not inspect(connection).has_table(schema.name):
        return 0
    return int(connection.execute(select(schema.c.version)).scalar_one())


def _first_line(error: object) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
