"""Labels of logged requests: a CSV file with the columns `id` and `label` alone, the ids as the request log has them.

`newsdesk label` takes it like a label queue; the texts come from the log (`components.core.request_log`).
"""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

from components.core.request_log import FILE, read
from components.data import sources

_COLUMNS = {"id", "label"}


def by_id(path: Path) -> bool:
    """Whether a file has these two columns and no other."""
    with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
        try:
            return {name.strip().lower() for name in next(csv.reader(file), [])} == _COLUMNS
        except csv.Error:  # such as a spreadsheet's UTF-16, which the queue's reader knows
            return False


def rows(path: Path, log: Path) -> Iterator[tuple[int, dict | str]]:
    """(line, a queue's cells with the logged text) or (line, what is wrong with it). log: the folder that holds the days.

    Raises:
        SourceError: the log holds no requests.
    """
    texts = logged(log)
    with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.DictReader(file)
        reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
        for cells in reader:
            number, key = reader.line_num, (cells["id"] or "").strip()
            if None in cells or cells["label"] is None:
                yield number, f"line {number}: must have two columns, id and label"
            elif key not in texts:
                yield (
                    number,
                    f"line {number}, column id: {key[:60]!r} is no request in {log}; days that were removed cannot be labelled",
                )
            else:
                title, description = texts[key]
                yield (
                    number,
                    {"label": cells["label"], "title": title, "description": description, "id": "", "confirm": "", "why": ""},
                )  # fmt: skip


def logged(log: Path) -> dict[str, tuple[str, str]]:
    """Title and description of each logged text, by id; of two with one id the latest. Lines that are no row are counted on
    standard error.

    Raises:
        SourceError: there are none.
    """
    files = sorted(log.glob(f"*/{FILE}"))
    texts, unread = {}, 0
    for row in (row for file in files for row in read(file)):
        if row:
            texts[row["id"]] = (row["title"], row["description"])
        else:
            unread += 1
    if unread:
        print(f"newsdesk label: {unread:,} lines of {log} are no requests and were left out", file=sys.stderr)
    if not texts:
        raise sources.SourceError(
            f"labels by id need the log of the requests (`newsdesk serve --log-requests`, `Client(log=FOLDER)`). Received: {log}, "
            "which holds no requests; --requests names another folder"
        )
    return texts
