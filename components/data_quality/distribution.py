"""Counts and profiles of the rows that stay."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from components.data.row_format import Form
from components.data.row_store import EVAL, PLACES, TRAIN, listed
from components.data_quality.label_consistency import Sample, confusion
from components.data_quality.profile import Profile, counted_words, sampled, words_of

_SPAN_WORDS = 2000  # words that a span's profile keeps


def days_of(files: list[dict]) -> list[str]:
    """The day of each file's rows: of train files their span, "" of others."""
    return [file["span"] if file["split"] == "train" else "" for file in files]


class Distribution:
    """Counts rows, some at a time and in order. taken: rows counted, by (file, split, label).

    files: in the order of reading. by_file: rows that stay, by (number of the file, place).
    """

    def __init__(self, files: list[dict], form: Form, by_file: Mapping[tuple[int, int], int]):
        self.form, self.taken, self.learned = form, Counter(), 0
        self.days = days_of(files)
        self.span_rows = dict.fromkeys(sorted(set(self.days) - {""}), 0)
        for (file, place), count in by_file.items():
            if place in (TRAIN, EVAL):
                self.learned += count
                if self.days[file]:
                    self.span_rows[self.days[file]] += count
        self.total, self.spans, self.day, self.own = Profile(form.labels), {}, "", Profile(form.labels)
        self.held_out = {"eval": Sample(), "test": Sample()}
        self.span_of = np.unique(self.days, return_inverse=True)  # (different days, day of each file)

    def add(self, rows: dict) -> None:
        """rows: columns of `row_store.Kept`."""
        places, labels, texts = rows["place"], rows["label"], rows["text"]
        self._count(rows["file"], places, labels)
        for split, sample in self.held_out.items():
            own = np.flatnonzero(np.isin(places, [code for code, name in enumerate(PLACES) if name == split]))
            for i, label in zip(own.tolist(), labels[own].tolist()):
                sample.offer(lambda i=i: words_of(texts[i].as_py().decode()), label)
        learned = np.flatnonzero(np.isin(places, (TRAIN, EVAL)))
        names, day_of = self.span_of
        days = day_of[rows["file"][learned]]
        for cut in np.split(learned, np.flatnonzero(np.diff(days)) + 1):
            if len(cut):
                self._profile(names[day_of[rows["file"][cut[0]]]], rows, cut)

    def _count(self, files: np.ndarray, places: np.ndarray, labels: np.ndarray) -> None:
        classes = len(self.form.labels)
        codes, counts = np.unique((files.astype(int) * len(PLACES) + places) * classes + labels, return_counts=True)
        for code, count in zip(codes.tolist(), counts.tolist()):
            rest, label = divmod(code, classes)
            file, place = divmod(rest, len(PLACES))
            self.taken[file, PLACES[place], label] += count

    def _profile(self, day: str, rows: dict, own: np.ndarray) -> None:
        """Adds rows of one day ("" for none) to the profile of all and of the day."""
        if day != self.day:
            self._close(day)
        columns = [rows[name][own] for name in ("label", "length", "shouted")]
        self.total.count(*columns)
        counted = sampled(rows["key"][own], self.learned)
        of_day = sampled(rows["key"][own], self.span_rows[day]) if day else np.zeros(len(own), bool)
        if day:
            self.own.count(*columns)
        for profiles, chosen in (
            ((self.total, self.own), counted & of_day),
            ((self.total,), counted & ~of_day),
            ((self.own,), of_day & ~counted),
        ):
            for label in np.unique(columns[0][chosen]):
                texts = listed(rows["text"].take(pa.array(own[chosen & (columns[0] == label)])))
                # One call for many rows; no word goes across the line break between two of them.
                words = counted_words(b"\n".join(texts))
                for profile in profiles:
                    profile.count_words(words, int(label))

    def _close(self, day: str) -> None:
        if self.day:
            self.spans[self.day] = self.own.to_json(_SPAN_WORDS)
        self.day, self.own = day, Profile(self.form.labels)

    def profile(self) -> dict:
        """Profiles of train and eval rows: {"train": of all, "spans": by day}. The former has "agreement", a confusion matrix by split."""
        self._close("")
        none = Profile(self.form.labels)
        spans = {day: self.spans.get(day) or none.to_json(_SPAN_WORDS) for day in self.span_rows}
        whole = self.total.to_json()
        whole["agreement"] = {split: confusion(whole, sample.rows) for split, sample in self.held_out.items()}
        return {"train": whole, "spans": spans}
