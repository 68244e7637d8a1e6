"""The marker file of a dated folder that the demo's newsroom wrote, and not a person or another program."""

from pathlib import Path

GENERATED = b"written by the demo's newsroom\n"  # what `_SUCCESS` holds in such a day


def is_generated(span: Path) -> bool:
    """Whether the demo's newsroom wrote a dated folder for a run, and no user delivered it."""
    try:
        return (span / "_SUCCESS").read_bytes() == GENERATED
    except FileNotFoundError:
        return False
