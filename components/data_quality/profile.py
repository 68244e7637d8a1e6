"""A profile of rows: labels, lengths and words. Small enough to keep with every version; new data are compared with it.

{"rows", "upper", "labels": {name: rows}, "lengths": [rows a bin of `EDGES`], "tokens": [words a class],
 "words": {word: [times a class]}}
"""

import re
from collections import Counter
from collections.abc import Sequence

EDGES = (0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 60, 70, 85, 100, 150, 250)  # words of a text; the last bin is open
WORDS = 3000  # most frequent words that a profile keeps
_HELD = 200_000  # distinct words a class that are counted at a time; the rare half goes when there are more
_WORD = re.compile(r"[^\W\d_]{2,}")


def words_of(text: str) -> list[str]:
    """The lower-case words of a text, of two letters or more."""
    return _WORD.findall(text.lower())


class Profile:
    """Counts rows one by one; memory does not grow with their number."""

    def __init__(self, labels: Sequence[str]):
        self.labels = list(labels)
        self.rows, self.upper = [0] * len(labels), 0
        self.lengths, self.tokens = [0] * len(EDGES), [0] * len(labels)
        self.words = [Counter() for _ in labels]
        self.bins = [max(i for i, edge in enumerate(EDGES) if edge <= n) for n in range(EDGES[-1] + 1)]

    def add(self, title: str, text: str, words: list[str], label: int) -> None:
        """Counts one row. text: the joined text; words: `words_of(text)`; label: 0-based."""
        self.rows[label] += 1
        self.lengths[self.bins[min(text.count(" ") + 1, EDGES[-1])]] += 1
        self.upper += title.isupper() and len(title) > 5
        self.tokens[label] += len(words)
        counter = self.words[label]
        counter.update(words)
        if len(counter) > _HELD:
            self.words[label] = Counter(dict(counter.most_common(_HELD // 2)))

    def to_json(self, kept: int = WORDS) -> dict:
        total = Counter()
        for counter in self.words:
            total.update(counter)
        return {
            "rows": sum(self.rows),
            "upper": int(self.upper),
            "labels": dict(zip(self.labels, self.rows)),
            "lengths": self.lengths,
            "tokens": self.tokens,
            # Words of equal count in alphabetical order, so that equal rows give an equal file.
            "words": {
                word: [counter[word] for counter in self.words]
                for word, _ in sorted(total.items(), key=lambda item: (-item[1], item[0]))[:kept]
            },
        }
