"""`newsdesk replay N`: a version beside the champion on a day's logged requests: agreement, latency, and texts they answer differently.

The log is that of `newsdesk serve --log-requests`. Nobody knows the right labels of these texts: the replay counts changes,
not gains.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from components.core import fileio, paths
from components.core.request_log import FILE, read
from components.data import text_cleaning
from components.registry import model_registry
from pipelines.client import Client

MOST = 10_000  # texts of a day, the latest
TIMED = 100  # texts asked one by one
KEPT = 50  # texts answered differently, those first of which the version is surest


class NothingToReplay(Exception):
    """There are no requests, or no other version to compare with: the message says which."""


def place(run: str) -> Path:
    """Where the result is kept: beside the run that made the version."""
    return paths.run_dir(run) / "replay.json"


def replay(line: str, version: int, day: str = "") -> dict:
    """Asks both; writes and returns the result. day: YYYY-MM-DD in UTC; empty for the last one that was logged.

    Raises:
        NothingToReplay: see there. model_registry.RegistryError: a version is damaged. NoModel: it does not exist.
    """
    pointer = model_registry.champion(line)
    if not pointer or pointer["version"] == version:
        serves = f"version {version} serves itself" if pointer else "no version serves yet"
        raise NothingToReplay(f"a replay compares a version with the champion. Received: line {line!r}, {serves}")
    day, texts, unread = requests(line, day)
    ours, theirs = Client(line, version), Client(line, pointer["version"])
    answers, others = ours.probabilities(texts), theirs.probabilities(texts)
    # By name: versions may have their classes in another order, or other ones.
    mine, other = (np.array(asked.labels)[own.argmax(axis=1)] for asked, own in ((ours, answers), (theirs, others)))
    rows = np.flatnonzero(mine != other)
    rows = rows[np.argsort(-answers[rows].max(axis=1), kind="stable")]
    result = {
        "line": line, "version": version, "champion": pointer["version"], "day": day, "texts": len(texts), "unread": unread, "differing": len(rows),
        "agreement": 1 - len(rows) / len(texts), "latency": {"version": latency(ours, texts), "champion": latency(theirs, texts)},
        "rows": [
            {"text": texts[row], "said": str(mine[row]), "champion": str(other[row]), "sure": float(answers[row].max())}
            for row in rows[:KEPT]
        ],
    }  # fmt: skip
    card = model_registry.card(line, version)
    if card:
        fileio.write_json(place(card["run"]), result)
    return result


def requests(line: str, day: str = "") -> tuple[str, list[str], int]:
    """The day; its logged texts, each once, the latest `MOST`; and how many lines are no row.

    Raises:
        NothingToReplay: nothing was logged.
    """
    folder = paths.requests_dir(line)
    days = sorted(path.parent.name for path in folder.glob(f"*/{FILE}"))
    if not days or (day and day not in days):
        raise NothingToReplay(
            f"requests must have been logged (`newsdesk serve --log-requests`). Received: {folder}, day {day or 'any'}"
        )
    day = day or days[-1]
    rows = list(read(folder / day / FILE))
    texts = list(dict.fromkeys(text_cleaning.join(row["title"], row["description"]) for row in rows if row))[-MOST:]
    if not texts:
        raise NothingToReplay(f"the log of a day must hold requests. Received: {folder / day / FILE} without any")
    return day, texts, rows.count(None)


def latency(client: Client, texts: Sequence[str]) -> dict[str, float]:
    """`p50_ms` and `p99_ms` of one text, over the first `TIMED`; the first call, which builds, is not counted."""
    client.probabilities(texts[:1])
    spent = []
    for text in texts[:TIMED]:
        started = time.perf_counter()
        client.probabilities([text])
        spent.append(1000 * (time.perf_counter() - started))
    p50, p99 = np.percentile(spent, (50, 99))
    return {"p50_ms": round(float(p50), 2), "p99_ms": round(float(p99), 2)}
