"""Errors that every part of the project may raise. Standard library only."""

from pathlib import Path


class HomeError(Exception):
    """The state folder cannot be used: unwritable, written by another version, or a file in it is damaged."""


class DamagedFile(HomeError, ValueError):
    """A file of the state folder does not hold what it must hold. `path` names it."""

    def __init__(self, path: Path, expected: str, received: str):
        self.path = path
        super().__init__(
            f"{path} is damaged: it must hold {expected}. Received: {received}. "
            "Run `newsdesk doctor --repair`; what it cannot repair, restore from a backup."
        )
