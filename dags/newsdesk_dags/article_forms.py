"""What a person may ask about articles in Airflow: the forms of `news_monitor` and `news_score`."""

from airflow.sdk import Param

from newsdesk_dags.form_parts import limits, line_field
from pipelines.config.settings import END, MonitorSettings

_PATH = rf"^/(?!(.*/)?\.\.(/|{END}))[^\x00-\x1f\x7f]*"


def monitor_form(line: str, folder: str, window: str) -> dict[str, Param]:
    """The form of `news_monitor`. folder: "" makes the field one that must be filled in."""
    return {
        "folder": Param(
            **({"default": folder} if folder else {}),
            title="Folder",
            description_md="Absolute path of recent articles: CSV, TSV, JSONL or Parquet, plain, **.gz** or **.zst**, with or without labels.",
            section="Articles",
            type="string",
            maxLength=1024,
            pattern=_PATH + END,
        ),
        "window": Param(
            window,
            title="Window",
            description_md="Dated folders to look at: **all**, **last 30d**, or one day as **YYYY-MM-DD**.",
            section="Articles",
            **limits(MonitorSettings, "window"),
        ),
        "line": line_field(line, "Model"),
    }


def score_form(line: str) -> dict[str, Param]:
    """The form of `news_score`."""
    return {
        "file": Param(
            title="File",
            description_md="Absolute path of a CSV with a header (**title**, **description**), a JSONL or a Parquet file.",
            section="Articles",
            type="string",
            maxLength=1024,
            pattern=_PATH + rf"\.([cC][sS][vV]|[jJ][sS][oO][nN][lL]|[pP][aA][rR][qQ][uU][eE][tT]){END}",
        ),
        "form": Param(
            "csv",
            title="Form of the answers",
            description_md="**csv** opens in a spreadsheet, **json** has all probabilities.",
            section="Articles",
            type="string",
            enum=["csv", "json"],
        ),
        "line": line_field(line, "Model"),
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
