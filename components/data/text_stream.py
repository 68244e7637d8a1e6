"""Text lines of a data file: decompressed (gzip, zstd), decoded, and limited in length.

The encoding is detected by byte order mark, or by the zero bytes of UTF-16, else it is UTF-8. A byte that is not of the encoding
becomes a lone surrogate, which the row's check reports: one bad byte fails one row and not the file.
"""

import codecs
import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.data.sources import SourceError

MAX_LINE = 1 << 22  # characters of one line that are held in memory
NUL = "\udc00"  # stands for a NUL character: the csv module refuses NUL, and no decoder makes this surrogate of a byte
_BLOCK = 1 << 12  # packed bytes a step: zstd may grow them 20,000-fold
# UTF-32 first: its mark begins with UTF-16's.
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class LongLine(str):
    """The beginning of a line that is longer than `MAX_LINE`; the rest was skipped."""


class _Zstd(io.RawIOBase):
    """The content of zstd frames. Unlike zstandard's own reader it raises EOFError for a truncated file."""

    def __init__(self, packed):
        self.packed, self.frame, self.left = packed, None, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        import zstandard

        while not self.left:
            block = self.packed.read(_BLOCK)
            if not block:
                if self.frame is not None:
                    raise EOFError("the zstd stream is cut off")
                return 0
            try:
                self.left = self._unpack(zstandard, block)
            except zstandard.ZstdError as error:
                raise OSError(str(error)) from error
        size = min(len(buffer), len(self.left))
        buffer[:size], self.left = self.left[:size], self.left[size:]
        return size

    def _unpack(self, zstandard, block: bytes) -> bytes:
        parts = []
        while block:
            self.frame = self.frame or zstandard.ZstdDecompressor().decompressobj()
            parts.append(self.frame.decompress(block))
            block = self.frame.unused_data if self.frame.eof else b""
            self.frame = None if self.frame.eof else self.frame
        return b"".join(parts)


def unpacked_name(path: Path) -> str:
    """A file's name in lower case, without `.gz` or `.zst`."""
    return path.name.lower().removesuffix(".gz").removesuffix(".zst")


@contextmanager
def open_bytes(path: Path) -> Iterator[io.BufferedIOBase]:
    """The decompressed bytes of a file.

    Raises:
        SourceError: the file is empty, or an HTML page (a failed download).
    """
    with open(path, "rb") as file:
        _refuse_page(file.peek(4096), path)
        name = path.name.lower()
        if name.endswith(".gz"):
            with gzip.open(file) as unpacked:
                yield unpacked
        elif name.endswith(".zst"):
            yield io.BufferedReader(_Zstd(file))
        else:
            yield file


@contextmanager
def open_lines(path: Path, encoding: str = "") -> Iterator[Iterator[str]]:
    """A file's lines with their line ends; overlong ones as `LongLine`. encoding: a codec's name, or "" to detect it.

    Raises:
        SourceError: as `open_bytes`, or the codec is unknown.
    """
    with open_bytes(path) as file:
        head = file.peek(4096)[:4096]
        _refuse_page(head, path)
        encoding = encoding or detect(head)
        try:
            codecs.lookup(encoding)
        except LookupError:
            raise SourceError(f"encoding must be one that Python knows. Received: encoding={encoding!r}") from None
        # Only a single byte can be escaped; UTF-16 and UTF-32 have their own lone surrogates, which pass.
        errors = "surrogatepass" if encoding.lower().startswith(("utf-16", "utf-32")) else "surrogateescape"
        yield _lines(io.TextIOWrapper(file, encoding=encoding, errors=errors, newline=""))


def detect(head: bytes) -> str:
    """The encoding of a file that begins with `head`."""
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name
    for name, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        if len(head) >= 8 and zeros.count(0) > 0.4 * len(zeros):
            return name
    return "utf-8"


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(MAX_LINE):
        whole = line
        while len(line) == MAX_LINE and line[-1] not in "\r\n":
            line = text.readline(MAX_LINE)
            whole = LongLine(whole[:200])
        yield whole if isinstance(whole, LongLine) else whole.replace("\0", NUL)


def _refuse_page(head: bytes, path: Path) -> None:
    if not head:
        raise SourceError(f"a data file must hold rows. Received: {path}, which is empty")
    if head.removeprefix(codecs.BOM_UTF8).lstrip()[:15].lower().startswith((b"<!doctype", b"<html")):
        raise SourceError(f"a data file must hold rows. Received: {path}, line 1: an HTML page (a failed download?)")
