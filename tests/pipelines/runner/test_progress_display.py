"""A terminal shows a bar with time left; a log gets plain lines."""

import io
import re

from components.core import progress
from pipelines.runner import progress_display
from pipelines.runner.progress_display import ProgressDisplay


class Terminal(io.StringIO):
    def isatty(self):
        return True


def show(stream):
    with ProgressDisplay(stream) as display, progress.to(progress.file("r", "Trainer")):
        display.running("[7/14] Trainer", "r", "Trainer")
        display.look()
        progress.write(epoch=1.5, epochs=2, loss=0.25, seconds_left=42)
        display.look()
        display.ended("[7/14] Trainer done [bold]not markup[/bold] :smile: " + "x" * 200)
    return stream.getvalue()


def test_a_terminal_shows_how_far_the_node_is_and_keeps_its_line(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "160")
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", show(Terminal()))
    assert "epoch 1.5 of 2 (42 s left), loss 0.2500" in shown
    assert f"[bold]not markup[/bold] :smile: {'x' * 200}" in shown


def test_a_log_gets_the_line_of_a_node_alone_while_it_is_short(monkeypatch):
    assert show(io.StringIO()) == f"[7/14] Trainer done [bold]not markup[/bold] :smile: {'x' * 200}\n"


def test_a_log_hears_of_a_long_node_before_it_ends(monkeypatch):
    monkeypatch.setattr(progress_display, "QUIET", 0)
    assert show(io.StringIO()).splitlines()[:2] == [
        "  still working, 0 s", "  still working, 0 s; epoch 1.5 of 2 (42 s left), loss 0.2500",
    ]  # fmt: skip
