"""Watches a source for new dated folders: the trigger behind the asset "labelled rows for this line".

It runs in the triggerer, beside every other trigger, so it imports little and lists the folder in a thread.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from components.data import generated_days, sources
from pipelines.config.settings import zone

SECONDS = 10.0  # between two looks
_KNOWN = "spans"  # key in the asset's state


class SpanTrigger(BaseEventTrigger):
    """Fires when a dated folder of a source is new or changed, and finished by the rules of `components.data.sources`.

    What was there at the first look is known already, and what the demo's newsroom wrote into its own folder for a run is no news.
    What it knows is kept in the asset's state, so a folder that arrives while Airflow is down, or while the DAG is off, is found
    afterwards.

    line: makes the trigger the line's own, where two lines read one folder. folder: absolute path. timezone: of the folders' days.
    """

    def __init__(self, line: str, folder: str, seconds: float = SECONDS, timezone: str = "UTC"):
        super().__init__()
        self.line, self.folder, self.seconds, self.timezone = line, folder, seconds, timezone

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            f"{SpanTrigger.__module__}.SpanTrigger",
            {"line": self.line, "folder": self.folder, "seconds": self.seconds, "timezone": self.timezone},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        known = await self.asset_state_store.aget(_KNOWN) if self.asset_state_store else None
        trouble = ""
        while True:
            try:
                marks = await asyncio.to_thread(spans, Path(self.folder), self.timezone)
            except OSError as error:  # unmounted, taken away in the middle of the look, or not made yet
                if str(error) != trouble:
                    self.log.warning("The source cannot be listed, next look in %s s: %s", self.seconds, error)
                trouble = str(error)
            else:
                trouble = ""
                new = sorted(name for name, mark in marks.items() if known is not None and known.get(name) != mark)
                if new:
                    self.log.info("New in %s: %s", self.folder, ", ".join(new))
                    yield TriggerEvent({"line": self.line, "folder": self.folder, "spans": new[-50:]})
                if known is None or new:
                    # After the event: a crash in between means one run too many, which ends as unchanged, not one too few.
                    known = {**(known or {}), **marks}
                    if self.asset_state_store:
                        await self.asset_state_store.aset(_KNOWN, known)
            await asyncio.sleep(self.seconds)


def spans(root: Path, timezone: str = "UTC") -> dict[str, str]:
    """Name and mark of each finished dated folder up to today that somebody brought; the mark changes when a file in it does."""
    finished = sources.finished_spans(root, datetime.now(zone(timezone)).date())
    if root.resolve() == Path(sources.folder_of("demo")).resolve():  # elsewhere such a day is one that somebody brought
        finished = [path for path in finished if not generated_days.is_generated(path)]
    return {path.name: _mark(path) for path in finished}


def _mark(folder: Path) -> str:
    listing = [(name, status.st_size, status.st_mtime_ns) for name, status in sources.entries(folder)]
    return hashlib.sha256(repr(listing).encode()).hexdigest()[:16]
