"""Writing of `Examples` artifacts: gzip TFRecord files of tf.Example records with `text` (bytes) and `label` (int64).

A record is encoded here and not by tf.train.Example: its features always have the same shape, and the general encoder takes many times
as long. Equal rows give equal bytes.
Formats: https://protobuf.dev/programming-guides/encoding and https://www.tensorflow.org/tutorials/load_data/tfrecord
"""

import struct
import zlib
from collections.abc import Iterable
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


class RecordFile:
    """One gzip TFRecord file; a context manager.

    Raises (from any call): OSError, the disk is full or gone.
    """

    def __init__(self, path: Path):
        self.parts: list[bytes] = []
        self.bytes = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = open(path, "wb")  # noqa: SIM115 - `__exit__` closes it
        self.packer = zlib.compressobj(1, wbits=31)

    def __enter__(self) -> "RecordFile":
        return self

    def __exit__(self, *error) -> None:
        with self.file:
            self._pack()
            self.file.write(self.packer.flush())

    def write(self, texts: Iterable[bytes], labels: Iterable[int], span: bytes | None = None) -> None:
        """texts: UTF-8."""
        for text, label in zip(texts, labels):
            self.parts += framed(text, label, span)
            self.bytes += len(text)
            if self.bytes > _PART:
                self._pack()

    def _pack(self) -> None:
        self.file.write(self.packer.compress(b"".join(self.parts)))
        self.parts, self.bytes = [], 0


def file_names(uri: str, split: str, rows: int) -> list[Path]:
    """The record files of a split: `SHARD` rows each, the rest in the last; one for a split without rows."""
    count = max(1, -(-rows // SHARD))
    return [Path(uri, f"Split-{split}", f"data_tfrecord-{i:05d}-of-{count:05d}.gz") for i in range(count)]
