"""Where each row went. Rows in = rows out + quarantined + duplicates, by file and in all."""

from collections import Counter
from collections.abc import Mapping

from components.data import quarantine
from components.data.record_writer import SPLITS
from components.data.row_format import BadRow, Form

_BAD_ROWS_SHOWN = 8  # bad rows that the verdict shows, of different kinds
_FOREIGN = 50  # different unknown labels that the account names


class Account:
    """Counts while files are read (`open`, `quarantine`), and then what stays (`take`). log: writer of the quarantine file."""

    def __init__(self, form: Form, log):
        self.form, self.log = form, log
        self.files, self.numbers = [], []  # of each file: counts, and the label numbers found in it
        self.foreign, self.foreign_rows = Counter(), 0
        self.conflicts = self.leaked = 0
        self.first_foreign, self.first_quarantined = {}, {}
        self.splits = {split: Counter() for split in SPLITS}

    def open(self, file: dict) -> None:
        own = {"in": 0, "out": 0, "quarantined": 0, "duplicates": 0}
        self.files.append({**{key: file[key] for key in ("path", "split", "span", "sha256")}, **own})
        self.numbers.append(set())

    def read(self, rows: int) -> None:
        """Counts rows of the file that was opened last."""
        self.files[-1]["in"] += rows

    def quarantine(self, row: BadRow) -> None:
        """Writes a row of that file to the quarantine file and remembers the first of each kind for the verdict."""
        own = self.files[-1]
        own["in"] += 1
        own["quarantined"] += 1
        path = own["path"]
        shown = quarantine.shown(row.value)
        self.log.writerow(quarantine.cells(path, row))
        finding = f"{path}, line {row.line}, column {row.column}: {row.value[:60]!r} {row.reason}"
        if len(self.first_quarantined) < _BAD_ROWS_SHOWN:  # one of each kind
            self.first_quarantined.setdefault((row.column, row.reason), finding)
        if row.foreign:
            self.foreign_rows += 1
            self.numbers[-1].add(shown.strip()[:20])
            if shown[:20] in self.foreign or len(self.foreign) < _FOREIGN:
                self.foreign[shown[:20]] += 1
            if len(self.first_foreign) < _BAD_ROWS_SHOWN:
                self.first_foreign.setdefault(shown[:20], finding)

    def take(self, kept: Mapping[tuple[int, str, int], int]) -> None:
        """Counts the rows that stay. kept: rows by (number of the file in the order of reading, split, label)."""
        for (file, split, label), count in kept.items():
            self.files[file]["out"] += count
            self.numbers[file].add(str(label + self.form.first_label))
            self.splits.setdefault(split, Counter())[self.form.labels[label]] += count
        for own, numbers in zip(self.files, self.numbers):
            own["duplicates"] = own["in"] - own["quarantined"] - own["out"]
            own["off_by_one"] = self._off_by_one(numbers)

    def _off_by_one(self, numbers: set[str]) -> bool:
        """Whether a file's numbers run from 0 where 1 is the first class, or from 1 where it is 0."""
        count, first = len(self.form.labels), self.form.first_label
        other = 1 - first
        there, absent = (str(n) for n in ((other, first + count - 1) if first else (other + count - 1, first)))
        return bool({there, f"{there}.0"} & numbers) and absent not in numbers

    def to_json(self) -> dict:
        rows = {name: sum(f[name] for f in self.files) for name in ("in", "out", "quarantined", "duplicates")}
        assert rows["out"] == sum(sum(own.values()) for own in self.splits.values()), rows
        return {
            "files": self.files,
            "rows": rows,
            "splits": {split: dict(sorted(own.items())) for split, own in self.splits.items()},
            "foreign": dict(self.foreign.most_common()),
            "foreign_rows": self.foreign_rows,
            "first_label": self.form.first_label,
            "conflicts": self.conflicts,
            "leaked": self.leaked,
            "first_foreign": list(self.first_foreign.values()),
            "first_quarantined": list(self.first_quarantined.values()),
        }
