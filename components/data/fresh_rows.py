"""Fresh rows: a fixed share of the rows that people labelled recently. No run trains on them; the model gate tests models on them.

A labelled span is a dated folder with files that `newsdesk label` wrote (`train-labelled*`); a line whose every day is labelled by
trusted people may count all its dated folders (`data.fresh_from = "dated"`). A row is fresh by a hash of its text: it stays fresh in
every later run, and a reprint of it is never trained on either. Where several files hold it, the newest gives the row: labels are
corrected later.
"""

from pathlib import PurePath

FRESH_FROM = ("labelled", "dated")
LABELLED = "train-labelled"  # how the names of files begin that `newsdesk label` writes


def counts(file: dict, fresh_from: str) -> bool:
    """Whether a listed file's rows may be fresh ones. file: `components.data.sources.SourceFile` as a dict."""
    dated = file["split"] == "train" and bool(file["span"])
    return dated and (fresh_from == "dated" or PurePath(file["path"]).name.startswith(LABELLED))


def drawn(keys, fraction: float):
    """bool[rows]: which rows of such a file are fresh, by other bits of their keys (uint64[rows]) than those that choose their split."""
    return (keys & 0xFFFFFFFF) / 2.0**32 < fraction
