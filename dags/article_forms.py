"""What a person may ask about articles in Airflow: the forms of `news_monitor` and `news_score`, and their check in the task."""

from collections.abc import Mapping
from typing import Any

from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowFailException
from run_form import END, WINDOW

_PATH = rf"^/(?!(.*/)?\.\.(/|{END}))[^\x00-\x1f\x7f]*"


def line_field(line: str) -> Param:
    return Param(
        line,
        title="Line",
        description="The registered model whose champion answers, such as `news`.",
        section="Model",
        type="string",
        pattern=rf"^[A-Za-z0-9][A-Za-z0-9._-]{{0,199}}{END}",
    )


def monitor_form(line: str, folder: str, window: str) -> dict[str, Param]:
    """The form of `news_monitor`. folder: "" makes the field one that must be filled in."""
    return {
        "folder": Param(
            **({"default": folder} if folder else {}),
            title="Folder",
            description="Absolute path of recent articles: CSV, TSV, JSONL or Parquet, plain, `.gz` or `.zst`, with or without labels.",
            section="Articles",
            type="string",
            maxLength=1024,
            pattern=_PATH + END,
        ),
        "window": Param(
            window,
            title="Window",
            description="Dated folders to look at: `all`, `last 30d`, or one day as `YYYY-MM-DD`.",
            section="Articles",
            type="string",
            maxLength=64,
            pattern=WINDOW,
        ),
        "line": line_field(line),
    }


def score_form(line: str) -> dict[str, Param]:
    """The form of `news_score`."""
    return {
        "file": Param(
            title="File",
            description="Absolute path of a CSV with a header (`title`, `description`), a JSONL or a Parquet file.",
            section="Articles",
            type="string",
            maxLength=1024,
            pattern=_PATH + rf"\.([cC][sS][vV]|[jJ][sS][oO][nN][lL]|[pP][aA][rR][qQ][uU][eE][tT]){END}",
        ),
        "form": Param(
            "csv",
            title="Form of the answers",
            description="`csv` opens in a spreadsheet, `json` has all probabilities.",
            section="Articles",
            type="string",
            enum=["csv", "json"],
        ),
        "line": line_field(line),
        "version": Param(
            None,
            title="Version",
            description="Empty: the champion.",
            section="Model",
            type=["null", "integer"],
            minimum=1,
            maximum=999_999_999,
        ),
    }


def checked(fields: Mapping[str, Param], params: Mapping[str, Any], conf: Mapping[str, Any] | None) -> dict:
    """The form's values. Airflow itself lets unknown keys of a run's `conf` pass.

    Raises:
        AirflowFailException: an unknown key, or a value that the form would have refused.
    """
    unknown = sorted(set(conf or {}) - set(fields))
    if unknown:
        raise AirflowFailException(
            f"parameters must be among {', '.join(fields)}. Received: unknown={str(unknown)[:200]}"
        )
    asked = {name: params.get(name) for name in fields}
    for name, value in asked.items():
        try:
            fields[name].resolve(value)
        except Exception as error:  # Airflow's own, whose text holds the whole schema
            raise AirflowFailException(f"{name} must be as the form says. Received: {str(value)[:80]!r}") from error
    return asked
