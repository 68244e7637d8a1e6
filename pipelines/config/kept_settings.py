"""Writes a line's `[<line>.tuned]` in `newsdesk.toml`; the rest of the file, comments included, stays as it is."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import tomli

from components.core import fileio, paths
from components.core.validation import ConfigError
from pipelines.config.presets import PRESETS
from pipelines.config.settings import Tuned


def keep(line: str, preset: str, version: int, values: Mapping) -> Path:
    """Makes `values` (settings by name) the line's own for this preset, in place of what was kept before; returns the file.

    Raises:
        ConfigError: there is no such preset (any more), it has no such settings, or the file is written in a way that only a person can edit.
    """
    if preset not in PRESETS:
        raise ConfigError(
            f"the version's preset must be one of {', '.join(PRESETS)}. Received: {preset}, which is gone"
        )
    sections = {"network": PRESETS[preset].network, "training": PRESETS[preset].training}
    unknown = sorted(name for name in values if name.partition(".")[2] not in sections.get(name.partition(".")[0], ()))
    if unknown:
        raise ConfigError(f"the preset {preset} must have these settings. Received: {', '.join(unknown)}")
    tuned = Tuned(preset=preset, version=version, set=dict(values)).model_dump()
    with fileio.locked(paths.ensure() / ".newsdesk.toml.lock"):
        return _write(line, tuned)


def _write(line: str, tuned: dict) -> Path:
    path = paths.home() / "newsdesk.toml"
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    text = with_block(before, line, tuned)
    wanted = tomli.loads(before)
    wanted.setdefault(line, {})["tuned"] = tuned
    try:
        written = tomli.loads(text)
    except tomli.TOMLDecodeError:
        written = {}
    if written != wanted:
        raise ConfigError(
            f"{path} is not written in tables such as [{line}.schedule], so nothing was changed; put this in by hand:\n"
            f"{block(line, tuned)}"
        )
    fileio.write_text(path, text)
    return path


def with_block(text: str, line: str, tuned: Mapping) -> str:
    """The file's text with the line's table in it, at the place of an earlier one, else at the end."""
    earlier = re.compile(rf"^{re.escape(_header(line))}[ \t]*\n(?:(?![ \t]*[\[#]).*(?:\n|\Z))*", re.MULTILINE)
    made = block(line, tuned)
    if earlier.search(text):
        return earlier.sub(lambda _: f"{made}\n", text, count=1)
    return f"{text.rstrip()}\n\n{made}" if text.strip() else made


def block(line: str, tuned: Mapping) -> str:
    """The table as TOML. Its numbers, texts and booleans are written as in JSON."""
    pairs = ", ".join(f"{json.dumps(name)} = {json.dumps(value)}" for name, value in tuned["set"].items())
    return (
        f"{_header(line)}\npreset = {json.dumps(tuned['preset'])}\nversion = {tuned['version']}\nset = {{ {pairs} }}\n"
    )


def _header(line: str) -> str:
    return f"[{line if re.fullmatch(r'[A-Za-z0-9_-]+', line) else json.dumps(line)}.tuned]"
