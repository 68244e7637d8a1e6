"""`serving/<line>/models.config`: tells TensorFlow Serving which version of a line to serve, as the champion pointer does.

Left to itself TensorFlow Serving serves the highest integer, and a rollback would change nothing. The file is a
`ModelServerConfig` in protobuf's text form and lies in the line's serving folder, replaced in one step with each move of the pointer:

    tensorflow_model_server --model_config_file=<NEWSDESK_HOME>/serving/<line>/models.config \\
      --model_config_file_poll_wait_seconds=5 --allow_version_labels_for_unavailable_models=true

Labels are asked for by `models/<line>/labels/champion`. A request without a label gets the highest version that is loaded, so
`previous` is loaded only where its number is the lower one: such a request meets the champion then as well. Without the last flag
the server refuses a label of a version that it has not loaded yet, which at its start is every one. Standard library only.
"""

import json
from pathlib import Path

from components.core import fileio, paths


def path(line: str) -> Path:
    return paths.serving_dir(line) / "models.config"


def text(line: str, folder: Path, champion: int, previous: int | None) -> str:
    """The configuration of a server for one line.

    folder: the line's serving folder as the server sees it. previous: None where there is none.
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
    """Makes the file say so; returns whether it said something else. Under the line's lock."""
    wanted, target = text(line, paths.serving_dir(line), champion, previous), path(line)
    if read(line) == wanted:
        return False
    fileio.write_text(target, wanted)
    return True


def read(line: str) -> str | None:
    """The file as it is, None where there is none."""
    try:
        return path(line).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _quoted(value: str) -> str:
    """A string literal of protobuf's text form: bytes beyond ASCII, quotes and control characters as octal escapes."""
    plain = (chr(b) if 32 <= b < 127 and chr(b) not in "\"\\'" else f"\\{b:03o}" for b in value.encode())
    return f'"{"".join(plain)}"'
