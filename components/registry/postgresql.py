"""PostgreSQL for ML Metadata and MLflow, named by an address in the environment; without one, SQLite files in the state folder serve.

    NEWSDESK_METADATA_DATABASE=postgresql://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=require
    NEWSDESK_MLFLOW_DATABASE=postgresql://…
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=postgresql+psycopg2://…      read by Airflow itself

An address holds a password: it is read from the environment alone, and no message, file or argument list repeats it.
"""

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from components.core.validation import ConfigError

METADATA = "NEWSDESK_METADATA_DATABASE"
MLFLOW = "NEWSDESK_MLFLOW_DATABASE"
AIRFLOW = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
SCHEMES = ("postgresql", "postgres")  # a driver behind a `+` is left out: psycopg2 asks
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
CONNECT_SECONDS = 10


@dataclass(frozen=True)
class Database:
    """Where a PostgreSQL database is, and who asks. sslmode: "" for the client's own default."""

    host: str
    port: int
    name: str
    user: str
    password: str = field(default="", repr=False)
    sslmode: str = ""

    def __str__(self) -> str:
        """Without the password."""
        return f"postgresql://{self.user}@{self.host}:{self.port}/{self.name}"

    @property
    def sqlalchemy(self) -> str:
        """The address with the password, as SQLAlchemy takes it."""
        who = quote(self.user, safe="") + (f":{quote(self.password, safe='')}" if self.password else "")
        ssl = f"?sslmode={self.sslmode}" if self.sslmode else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"postgresql+psycopg2://{who}@{host}:{self.port}/{quote(self.name, safe='')}{ssl}"


def configured(variable: str, environ: Mapping[str, str] | None = None) -> Database | None:
    """The database that an environment variable names; None where it is not set.

    Raises:
        ConfigError: it is no address of a PostgreSQL database. The message does not repeat it.
    """
    address = (os.environ if environ is None else environ).get(variable, "")
    if not address:
        return None
    wrong = f"{variable} must be postgresql://USER:PASSWORD@HOST:PORT/DATABASE. Received: "
    try:
        parts = urlsplit(address)
        port = parts.port or 5432
    except ValueError:
        raise ConfigError(f"{wrong}an address that cannot be read; write special characters as %XX") from None
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    name = unquote(parts.path.removeprefix("/"))
    troubles = {
        "an address that does not begin with postgresql://": parts.scheme.partition("+")[0] not in SCHEMES,
        "an address without a host": not parts.hostname,
        "an address without a user": not parts.username,
        "an address without a database": not name or "/" in name,
        f"an option other than sslmode={'|'.join(SSL_MODES)}": set(options) - {"sslmode"}
        or options.get("sslmode", SSL_MODES[0]) not in SSL_MODES,
    }
    if trouble := next((text for text, true in troubles.items() if true), ""):
        raise ConfigError(wrong + trouble)
    user, password = unquote(parts.username), unquote(parts.password or "")
    return Database(parts.hostname, port, name, user, password, options.get("sslmode", ""))


@contextlib.contextmanager
def connection(database: Database):
    """A psycopg2 connection, committed at the end of the block and closed.

    Raises:
        psycopg2.Error: the server does not answer, or refuses.
    """
    with contextlib.closing(_opened(database)) as opened, opened:
        yield opened


def _opened(database: Database):
    import psycopg2

    ssl = {"sslmode": database.sslmode} if database.sslmode else {}
    return psycopg2.connect(
        host=database.host,
        port=database.port,
        dbname=database.name,
        user=database.user,
        password=database.password or None,
        connect_timeout=CONNECT_SECONDS,
        **ssl,
    )


def query(database: Database, sql: str, values: Sequence = ()) -> list[tuple]:
    """The rows of one statement, empty for one that gives none. Placeholders are `%s`."""
    with connection(database) as opened, opened.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall() if cursor.description else []


def create(database: Database) -> bool:
    """Makes the database where the server has none of this name; returns whether it did. It asks from the database `postgres`.

    Raises:
        psycopg2.Error: the server does not answer, or this user may not create databases.
    """
    import psycopg2.sql

    with contextlib.closing(_opened(replace(database, name="postgres"))) as opened:
        opened.autocommit = True  # CREATE DATABASE runs in no transaction
        cursor = opened.cursor()
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database.name])
        if cursor.fetchone():
            return False
        cursor.execute(psycopg2.sql.SQL("CREATE DATABASE {}").format(psycopg2.sql.Identifier(database.name)))
        return True


def fault(database: Database) -> str:
    """Why the database cannot be used; empty where it answers."""
    try:
        query(database, "SELECT 1")
    except ImportError:
        return "psycopg2 is not installed; run `make setup`"
    except Exception as error:  # psycopg2's errors name host, port, user and database, never the password
        return " ".join(str(error).split()) or type(error).__name__
    return ""
