"""`Examples` artifacts of a few rows, for tests of what reads them."""

import contextlib
from pathlib import Path

from components.data.record_writer import FRESH, SPLITS, RecordFile, file_names


class Writer(contextlib.ExitStack):
    """Writes rows of any split in any order, each split to one file; a context manager. Splits without rows have a file without any."""

    def __init__(self, uri: str | Path):
        super().__init__()
        self.uri, self.files = str(uri), {}

    def __enter__(self) -> "Writer":
        for split in SPLITS:
            self._file(split)
        return self

    def write(self, split: str, text: str, label: int, span: str = "") -> None:
        """span: the row's day, kept of fresh rows alone."""
        self._file(split).write([text.encode()], [label], span.encode() if split == FRESH else None)

    def _file(self, split: str) -> RecordFile:
        if split not in self.files:
            (path,) = file_names(self.uri, split, 0)
            self.files[split] = self.enter_context(RecordFile(path))
        return self.files[split]
