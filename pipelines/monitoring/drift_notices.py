"""Which drift warnings were sent as notices; kept apart from the scores, so that a run that fails after scoring loses none.

    monitor/<line>/told.jsonl   one line a warning, by batch and rule, written when its notice has gone out

Standard library only: the notices go out from Airflow.
"""

from collections.abc import Iterable

from components.core import clock, fileio, paths

FORMAT = 2  # of a batch: older ones were told of when they were scored


def untold(line: str, history: Iterable[dict]) -> list[dict]:
    """The warnings that nobody was told of: `batch`, `day`, `rule`, `message`, and `queue`, the texts that the batch asks labels for.

    history: entries of the monitor's history, with their warnings.
    """
    notified = {
        (entry["batch"], entry["rule"]) for entry in fileio.read_json_lines(paths.monitor_dir(line) / "told.jsonl")
    }
    return [
        {
            **{name: entry[name] for name in ("batch", "day", "queue")},
            "rule": warning["rule"],
            "message": warning["message"],
        }
        for entry in history
        if entry.get("format", 1) >= FORMAT
        for warning in entry["warnings"]
        if (entry["batch"], warning["rule"]) not in notified
    ]


def mark(line: str, warnings: Iterable[dict], run: str) -> None:
    """Remembers that these were told of."""
    for warning in warnings:
        entry = {"batch": warning["batch"], "rule": warning["rule"], "run": run, "time": clock.now()}
        fileio.append_json(paths.monitor_dir(line) / "told.jsonl", entry)
