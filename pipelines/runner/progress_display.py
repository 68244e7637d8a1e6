"""What a terminal shows of a run: a line for each node that has ended, and below them a bar for the one that works now.

Without a terminal the same lines come without the bar, and a long node says every ten seconds that it works, and how far it is.
"""

import time
from types import TracebackType
from typing import TextIO

from components.core import progress

QUIET = 10  # seconds between progress lines where there is no terminal


class ProgressDisplay:
    """Used as a context. stream: where it writes; a bar is drawn only on a terminal."""

    def __init__(self, stream: TextIO):
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self.console = Console(file=stream, highlight=False, soft_wrap=True)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(12),
            TimeElapsedColumn(),
            TextColumn("{task.fields[figures]}"),
            console=self.console,
            transient=True,
            auto_refresh=False,
            disable=not self.console.is_terminal,
        )
        self.task, self.file, self.shown = None, None, None
        self.began = self.spoke = time.monotonic()

    def __enter__(self) -> "ProgressDisplay":
        self.bar.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.ended()
        self.bar.stop()

    def running(self, title: str, run_id: str, node: str) -> None:
        """A node has started."""
        self.ended()
        self.file, self.shown = progress.file(run_id, node), None
        self.began = self.spoke = time.monotonic()
        self.task = self.bar.add_task(title, total=None, figures="")
        self.bar.refresh()

    def ended(self, line: str = "") -> None:
        """The node has ended; the line, if any, stays on the screen."""
        if self.task is not None:
            self.bar.remove_task(self.task)
            self.task = self.file = None
            self.bar.refresh()
        if line:
            self.line(line)

    def line(self, text: str) -> None:
        self.console.print(text, markup=False, emoji=False)

    def look(self) -> None:
        """Shows what the node has written since; called every half second or so."""
        if self.task is None:
            return
        if not self.console.is_terminal:
            self._speak()
            return
        rows = progress.read(self.file)
        if rows and rows[-1] != self.shown:
            self.shown = rows[-1]
            done = progress.share(self.shown)
            self.bar.update(
                self.task, figures=progress.text(self.shown), completed=done or 0, total=None if done is None else 1
            )
        self.bar.refresh()

    def _speak(self) -> None:
        """A line where nothing was written for a while; on a terminal the bar's clock does that."""
        now = time.monotonic()
        if now - self.spoke >= QUIET:
            self.line(f"  {progress.still_working(now - self.began, self.file)}")
            self.spoke = now
