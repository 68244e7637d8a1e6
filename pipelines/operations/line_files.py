"""The files of a proposed line, as a person gets them to review."""

import json
import os
import shutil
import tempfile
from pathlib import Path

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.core import fileio
from pipelines.config.settings import DataConfig
from pipelines.operations.line_proposal import Proposal

SETTINGS = "settings.toml"
_PAIRS = 5  # fewer than decide anything: a person adds pairs of whose labels they are sure
_HEAD = "Proposed by `newsdesk init`. Read every line, correct it, and have it reviewed like code."


def write(folder: Path, line: str, source: Path, proposal: Proposal) -> None:
    """Writes the line's folder, whole or not at all.

    Raises:
        FileExistsError: it is there.
    """
    if folder.exists():
        raise FileExistsError(f"a new line needs a folder that does not exist yet. Received: {folder}")
    files = {
        "line.toml": line_toml(proposal),
        "schema.pbtxt": schema(len(proposal.labels)),
        "expectations.json": expectations(proposal),
        "behaviour.toml": behaviour(proposal),
        SETTINGS: settings(line, source, proposal),
    }
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{line}.", dir=folder.parent))
    try:
        for name, text in files.items():
            fileio.write_text(aside / name, text)
        aside.chmod(0o755)
        os.rename(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    fileio.sync(folder.parent)


def line_toml(proposal: Proposal) -> str:
    """`line.toml`: classes, and what the files look like."""
    table, ours = proposal.table, {theirs: name for name, theirs in proposal.columns.items()}
    lines = [f"# {_HEAD}", "# Classes in the order of their ids.", f"labels = {_toml(list(proposal.labels))}"]
    lines += [
        'provenance = "To be filled in: who made these rows, from what, and when."',
        'licence = "To be filled in."',
        "",
        "[files]",
    ]
    if table.encoding:
        lines.append(f"encoding = {_toml(table.encoding)}")
    if table.delimiter:
        lines.append(f"delimiter = {_toml(table.delimiter)}")
    if table.skipped:
        lines.append(f"skip_lines = {table.skipped}  # lines before the header or the first row")
    if "title" not in proposal.columns:
        lines.append('optional = ["title"]  # one text a row, which counts as the description')
    if not table.header:
        lines.append(f"order = {_toml([ours.get(name, name) for name in table.names])}  # the files have no header")
    else:
        lines += ["", "[files.columns]  # other names that a file may use"]
        lines += [
            f"{name} = {_toml([theirs.lower()])}" for name, theirs in proposal.columns.items() if theirs.lower() != name
        ]
    return "\n".join(lines) + "\n"


def schema(classes: int) -> str:
    """`schema.pbtxt`: what every Examples artifact of the line must look like."""
    made = schema_pb2.Schema()
    for name, kind in (("text", schema_pb2.BYTES), ("label", schema_pb2.INT)):
        feature = made.feature.add(name=name, type=kind)
        feature.presence.min_fraction, feature.presence.min_count = 1.0, 1
        feature.shape.dim.add(size=1)
        if name == "label":
            feature.int_domain.name, feature.int_domain.is_categorical = "label", True
            feature.int_domain.min, feature.int_domain.max = 0, classes - 1
    return f"# {_HEAD}\n{text_format.MessageToString(made)}"


def expectations(proposal: Proposal) -> str:
    """`expectations.json`: the classes, and lengths between half and double of what nearly all rows have."""
    labels = list(proposal.labels)
    between, column = "expect_column_values_to_be_between", {"column": "label", "value_set": labels}
    suite = [
        ("expect_table_columns_to_match_set", {"column_set": ["text", "label", "characters", "words"]}),
        ("expect_column_values_to_not_be_null", {"column": "text"}),
        ("expect_column_values_to_be_in_set", column),
        ("expect_column_distinct_values_to_equal_set", column),
    ]
    for name, values in (("characters", proposal.characters), ("words", proposal.words)):
        low, high = values[len(values) // 200] // 2, values[-1 - len(values) // 200] * 2
        suite.append((between, {"column": name, "min_value": max(1, low), "max_value": high, "mostly": 0.99}))
    items = [json.dumps({"type": kind, "kwargs": given}, ensure_ascii=False) for kind, given in suite]
    return "[\n " + ",\n ".join(items) + "\n]\n"


def behaviour(proposal: Proposal) -> str:
    """`behaviour.toml`: names that change no label, and the rows of two classes that are most alike."""
    lines = [
        f"# {_HEAD}",
        "# Keep only groups whose names could stand for one another in a text without another label, and add the names of",
        "# your field. The pairs are rows of the data: replace them by texts of your own, ten or more; fewer decide nothing.",
        "rows = 300",
        "",
        "[swap]",
        'weekdays = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]',
    ]
    for texts, labels in _alike(proposal.examples):
        lines += ["", "[[pairs]]", f"texts = {_toml(list(texts))}", f"labels = {_toml(list(labels))}"]
    return "\n".join(lines) + "\n"


def settings(line: str, source: Path, proposal: Proposal) -> str:
    """What belongs into `newsdesk.toml`: the schedule, and limits that these rows would not keep."""
    total, usual = sum(proposal.counts.values()), DataConfig()
    lines = [
        f"# {_HEAD} Then copy it into newsdesk.toml.",
        f"[{line}.schedule]",
        f"source = {_toml(str(source))}",
        'cron = "0 3 * * *"',
    ]
    lines += ['preset = "linear"  # the quickest; compare others with it', "", f"[{line}.data]"]
    if proposal.first_label is not None:
        lines.append(f"first_label = {proposal.first_label}")
    least, most = (f(proposal.counts.get(name, 0) / max(total, 1) for name in proposal.labels) for f in (min, max))
    if least < usual.min_class_share:
        lines.append(f"min_class_share = {round(least / 2, 4)}")
    if most > usual.max_class_share:
        lines.append(f"max_class_share = {round((1 + most) / 2, 4)}")
    return "\n".join(lines) + "\n"


def _alike(examples: dict[str, list[str]]) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    """Pairs of texts of different classes that share most of their words, each text once."""
    rows = [
        (name, text, set(text.lower().split()))
        for name, texts in examples.items()
        for text in texts[:20]
        if len(text) <= 300
    ]
    scored = [
        (len(a[2] & b[2]) / len(a[2] | b[2]), (a[1], b[1]), (a[0], b[0]))
        for at, a in enumerate(rows)
        for b in rows[at + 1 :]
        if a[0] != b[0] and a[1] != b[1]
    ]
    pairs, used = [], set()
    for _, texts, labels in sorted(scored, reverse=True):
        if not used & set(texts) and len(pairs) < _PAIRS:
            pairs.append((texts, labels))
            used.update(texts)
    return pairs


def _toml(value) -> str:
    """A text or a list of texts as TOML, whose basic strings are JSON's."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
