"""Rows of the files that a run has listed: each file must still be the one that was listed."""

from collections.abc import Iterator
from pathlib import Path

from components.core.fileio import file_hash
from components.data import file_reader
from components.data import tfrecords as records
from components.data.row_format import BLOCK, BadRow, Block, Form
from components.data.sources import SourceError


def read(file: dict, form: Form) -> Iterator[Block | BadRow]:
    """Rows of one listed file, in order. file: `components.data.sources.SourceFile` as a dict.

    Raises:
        SourceError: the file is gone, changed since it was listed, or unreadable.
    """
    path = Path(file["path"])
    before = _stamp(path)
    digest = file_hash(path) if path.is_file() else "no such file"
    if digest != file["sha256"]:
        raise SourceError(
            f"a listed file must not change during a run. Received: {path} had sha256 {file['sha256'][:12]}, now {digest[:12]}"
        )
    rows = _tfds_rows(path, form) if file["kind"] == "tfds" else file_reader.blocks(path, form)
    return _unchanged(rows, path, before)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What changes when a file is written or replaced; None where it is gone."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _unchanged(
    rows: Iterator[Block | BadRow], path: Path, before: tuple[int, int, int] | None
) -> Iterator[Block | BadRow]:
    """The rows of a file; raises SourceError after the last one, if it was written to since its hash was taken."""
    yield from rows
    if _stamp(path) != before:
        raise SourceError(
            f"a listed file must not change during a run. Received: {path} was written to while it was read"
        )


def _tfds_rows(path: Path, form: Form) -> Iterator[Block | BadRow]:
    """Rows of one record file of a prepared TFDS data set with the features title, description and label (0-based)."""
    import tensorflow_datasets as tfds

    features, labels, block = tfds.builder_from_directory(path.parent).info.features, form.labels, Block()
    try:
        for number, raw in enumerate(records.raw_records(str(path), ""), 1):
            row = features.deserialize_example_np(raw)
            label, bad = int(row["label"]), None
            if 0 <= label < len(labels):
                block.add(number, label, *(row[name].decode("utf-8", "replace") for name in ("title", "description")))
            else:
                expected = f"is outside the labels (expected 0 to {len(labels) - 1})"
                bad = BadRow(number, "label", str(label), expected, foreign=True)
            if block and (bad or len(block) >= BLOCK):
                yield block
                block = Block()
            if bad:
                yield bad
        if block:
            yield block
    except ValueError as error:
        raise SourceError(str(error)) from error
