"""Fresh rows: a fixed share of the rows that people labelled recently. No run trains on them; the model gate tests models on them.

A labelled span is a dated folder with files that `newsdesk label` wrote (`train-labelled*`); a line whose every day is labelled by
trusted people may count all its dated folders (`data.fresh_from = "dated"`). A row is fresh by a hash of its text: it stays fresh in
every later run, and a reprint of it is never trained on either.
"""

from collections.abc import Iterable, Iterator
from pathlib import PurePath

FRESH_FROM = ("labelled", "dated")
LABELLED = "train-labelled"  # how the names of files begin that `newsdesk label` writes


def counts(file: dict, fresh_from: str) -> bool:
    """Whether a listed file's rows may be fresh ones. file: `components.data.sources.SourceFile` as a dict."""
    dated = file["split"] == "train" and bool(file["span"])
    return dated and (fresh_from == "dated" or PurePath(file["path"]).name.startswith(LABELLED))


def drawn(row_hash: str, fraction: float) -> bool:
    """Whether a row of such a file is fresh: by other digits of its hash than those that choose eval and test."""
    return int(row_hash[8:16], 16) / 0x100000000 < fraction


def owners(files: Iterable[dict], hashes_of, fresh_from: str, fraction: float) -> dict[int, str]:
    """The file that each fresh row is taken from, by row hash: the newest that holds it, because labels are corrected later.

    hashes_of: gives the `text_cleaning.row_hash` of each readable row of a file.
    """
    owner = {}
    for file in sorted(files, key=lambda f: (f["span"], f["path"])):
        if fraction and counts(file, fresh_from):
            own: Iterator[str] = hashes_of(file)
            owner |= {int(key, 16): file["path"] for key in own if drawn(key, fraction)}
    return owner
