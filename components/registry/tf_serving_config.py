"""`serving/<line>/models.config`: the champion pointer as a configuration of TensorFlow Serving.

By default TensorFlow Serving serves the highest integer, so a rollback would have no effect. The file is a `ModelServerConfig` in
protobuf's text format, replaced atomically with each move of the pointer:

    tensorflow_model_server --model_config_file=<NEWSDESK_HOME>/serving/<line>/models.config \\
      --model_config_file_poll_wait_seconds=5 --allow_version_labels_for_unavailable_models=true

Clients address `models/<line>/labels/champion`. A request without a label gets the highest loaded version, so `previous` is loaded
only where its number is lower: such a request then gets the champion too. Without the last flag the server refuses labels of
versions that it has not loaded yet, which at its start are all. Standard library only.
"""

import json
from pathlib import Path

from components.core import fileio, paths


def path(line: str) -> Path:
    return paths.serving_dir(line) / "models.config"


def text(line: str, folder: Path | str, champion: int, previous: int | None) -> str:
    """The configuration of a server for one line.

    folder: the line's serving folder as the server sees it, or its address in a store. previous: None where there is none.
    """
    labels = {"champion": champion}
    if previous is not None and previous < champion:
        labels["previous"] = previous
    versions = "".join(f"        versions: {number}\n" for number in labels.values())
    named = "".join(f'    version_labels {{ key: "{name}" value: {number} }}\n' for name, number in labels.items())
    return (
        "model_config_list {\n  config {\n"
        f"    name: {json.dumps(line)}\n"
        f"    base_path: {_quoted(str(folder))}\n"
        '    model_platform: "tensorflow"\n'
        f"    model_version_policy {{\n      specific {{\n{versions}      }}\n    }}\n{named}  }}\n}}\n"
    )


def write(line: str, champion: int, previous: int | None) -> bool:
    """Writes the file; returns whether it changed. Under the line's lock."""
    wanted, target = text(line, paths.serving_dir(line), champion, previous), path(line)
    if read(line) == wanted:
        return False
    fileio.write_text(target, wanted)
    return True


def read(line: str) -> str | None:
    """The file's text, None where there is no file."""
    try:
        return path(line).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _quoted(value: str) -> str:
    """A string literal of protobuf's text format: bytes beyond ASCII, quotes and control characters as octal escapes."""
    plain = (chr(b) if 32 <= b < 127 and chr(b) not in "\"\\'" else f"\\{b:03o}" for b in value.encode())
    return f'"{"".join(plain)}"'
