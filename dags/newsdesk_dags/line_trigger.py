"""Lets a task wait for its line without a worker: the triggerer looks whose turn it is."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from components.core import line_queue, locks

SECONDS = 3.0  # between two looks
SILENCE = 60.0  # seconds after which the task itself looks at a holder that shows no life: only a task can ask Airflow about it


class LineTrigger(BaseTrigger):
    """Fires when it is a run's turn on its line, or when the run that holds the line shows no life.

    line, run, since: as `line_queue.turn` takes them.
    """

    def __init__(self, line: str, run: str, since: str):
        super().__init__()
        self.line, self.run_folder, self.since = line, run, since

    def serialize(self) -> tuple[str, dict[str, Any]]:
        values = {"line": self.line, "run": self.run_folder, "since": self.since}
        return f"{LineTrigger.__module__}.LineTrigger", values

    async def run(self) -> AsyncIterator[TriggerEvent]:
        said, began = "", time.monotonic()
        while reason := await asyncio.to_thread(line_queue.turn, self.line, self.run_folder, self.since):
            if reason != said:
                self.log.info("Waiting: %s", reason)
                said = reason
            if time.monotonic() - began > SILENCE and await asyncio.to_thread(_silent, self.line):
                break
            await asyncio.sleep(SECONDS)
        yield TriggerEvent(reason)


def _silent(line: str) -> bool:
    holder = locks.holder(line)
    return bool(holder and holder["silent"])
