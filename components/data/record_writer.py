"""Writing of `Examples` artifacts: gzip TFRecord files of tf.Example records with `text` (bytes) and `label` (int64).

A record is encoded here and not by tf.train.Example: its features always have the same shape, and the general encoder takes many times
as long. Packing runs in a thread beside the encoding. Equal rows give equal bytes.
Formats: https://protobuf.dev/programming-guides/encoding and https://www.tensorflow.org/tutorials/load_data/tfrecord
"""

import contextlib
import queue
import struct
import threading
import zlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

import google_crc32c

SPLITS = ("train", "eval", "test")
FRESH = "fresh"  # its records carry the `span` as well
SHARD = 250_000  # rows of a record file
_PART = 1 << 20  # bytes that are packed at a time
_LENGTH, _SUM = struct.Struct("<Q"), struct.Struct("<I")


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(tag: bytes, content: bytes) -> bytes:
    return tag + _varint(len(content)) + content


def _feature(name: bytes, value: bytes) -> bytes:
    return _field(b"\x0a", _field(b"\x0a", name) + _field(b"\x12", value))


def _bytes(name: bytes, value: bytes) -> bytes:
    return _feature(name, _field(b"\x0a", _field(b"\x0a", value)))


def example(text: bytes, label: int, span: bytes | None = None) -> bytes:
    """A serialised tf.train.Example, its features in alphabetical order."""
    features = _feature(b"label", _field(b"\x1a", _field(b"\x0a", _varint(label & (1 << 64) - 1))))
    if span is not None:
        features += _bytes(b"span", span)
    return _field(b"\x0a", features + _bytes(b"text", text))


def _masked(crc: int) -> bytes:
    return _SUM.pack(((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


@lru_cache(1 << 14)
def _before(size: int, label: int, span: bytes | None) -> tuple[bytes, int]:
    """What stands before a text of `size` bytes in a TFRecord file, and the checksum of the record so far.

    That depends on little, and repeats: the text is the end of its record.
    """
    record = example(bytes(size), label, span)
    length = _LENGTH.pack(len(record))
    start = record[: len(record) - size]
    return length + _masked(google_crc32c.value(length)) + start, google_crc32c.value(start)


def framed(text: bytes, label: int, span: bytes | None = None) -> tuple[bytes, bytes, bytes]:
    """A record as a TFRecord file holds it, in parts: length, its checksum and the record's start; the text; the record's checksum."""
    start, crc = _before(len(text), label, span)
    return start, text, _masked(google_crc32c.extend(crc, text))


class _Split:
    """The record files of one split: `<folder>/data_tfrecord-00000-of-00003.gz`, …, `SHARD` rows each."""

    def __init__(self, folder: Path, rows: int, write):
        self.folder, self.write = folder, write
        self.shards = max(1, -(-rows // SHARD))
        self.rows = self.bytes = 0
        self.parts: list[bytes] = []
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, shard: int) -> Path:
        return self.folder / f"data_tfrecord-{shard:05d}-of-{self.shards:05d}.gz"

    def add(self, text: bytes, label: int, span: bytes | None) -> None:
        self.parts += framed(text, label, span)
        self.rows, self.bytes = self.rows + 1, self.bytes + len(text)
        # The last file takes what there is, however many rows were expected.
        if self.rows % SHARD == 0 and self.rows // SHARD < self.shards:
            self.flush(self.rows // SHARD - 1, True)
        elif self.bytes > _PART:
            self.flush(min(self.rows // SHARD, self.shards - 1), False)

    def flush(self, shard: int, last: bool) -> None:
        self.write(self.path(shard), b"".join(self.parts), last)
        self.parts, self.bytes = [], 0

    def close(self) -> None:
        for shard in range(min(self.rows // SHARD, self.shards - 1), self.shards):
            self.flush(shard, True)


class Writer:
    """Writes the splits of one `Examples` artifact; a context manager.

    Raises (from any call after the fault): OSError, the disk is full or gone.
    """

    def __init__(self, uri: str):
        self.uri, self.expected, self.splits = uri, {}, {}
        self.queue, self.fault = queue.Queue(8), None
        self.thread = threading.Thread(target=self._pack, name="record files", daemon=True)
        self.thread.start()

    def expect(self, rows: Mapping[str, int]) -> None:
        """Tells how many rows the splits will have, before the first is written: large ones go to several files."""
        self.expected = dict(rows)

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *error) -> None:
        for split in SPLITS:
            self._split(split)
        for own in self.splits.values():
            own.close()
        self.queue.put(None)
        self.thread.join()
        self._check()

    def write(self, split: str, text: str, label: int, span: str = "") -> None:
        """span: the row's day, kept of fresh rows alone."""
        self.write_all(split, [text.encode()], [label], span)

    def write_all(self, split: str, texts: Iterable[bytes], labels: Iterable[int], span: str = "") -> None:
        """Writes rows of one split and day. texts: UTF-8."""
        self._check()
        own, day = self._split(split), span.encode() if split == FRESH else None
        for text, label in zip(texts, labels):
            own.add(text, label, day)

    def _split(self, split: str) -> _Split:
        if split not in self.splits:
            folder = Path(self.uri, f"Split-{split}")
            self.splits[split] = _Split(folder, self.expected.get(split, 0), lambda *part: self.queue.put(part))
        return self.splits[split]

    def _check(self) -> None:
        if self.fault:
            raise self.fault

    def _pack(self) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as opened:  # suppressed: closing after a fault
            packed = {}
            while part := self.queue.get():
                path, content, last = part
                try:
                    if self.fault is None:
                        if path not in packed:
                            packed[path] = opened.enter_context(open(path, "wb")), zlib.compressobj(1, wbits=31)
                        file, packer = packed[path]
                        file.write(packer.compress(content))
                        if last:
                            file.write(packer.flush())
                            packed.pop(path)[0].close()
                except OSError as error:
                    self.fault = error  # the queue is emptied all the same: whoever fills it waits for room
