"""Creates the PostgreSQL databases that the environment names and the server does not have: `python -m pipelines.airflow_stack.create_databases`.

`make up` fills them with tables.
"""

import sys

from components.core import env_file, errors
from components.core.states import ExitCode
from components.core.validation import ConfigError
from components.registry import postgresql


def main() -> int:
    """Exit code 0: all are there; 1: the server refused or does not answer; 2: none is configured, or an address is no address."""
    try:
        env_file.load()
        databases = [
            postgresql.configured(name) for name in (postgresql.AIRFLOW, postgresql.METADATA, postgresql.MLFLOW)
        ]
    except (ConfigError, errors.HomeError) as error:
        print(error, file=sys.stderr)
        return ExitCode.USAGE
    if not any(databases):
        print(
            f"No database is configured: set {postgresql.AIRFLOW} and the others in {env_file.file()}.", file=sys.stderr
        )
        return ExitCode.USAGE
    for database in filter(None, databases):
        try:
            print(f"{database}: {'created' if postgresql.create(database) else 'was there'}")
        except Exception as error:  # psycopg2's errors name host, port, user and database, never the password
            print(f"{database} cannot be created: {' '.join(str(error).split())}", file=sys.stderr)
            return ExitCode.FAILED
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main())
