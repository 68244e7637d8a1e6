"""Behavioural tests: changes to a text that must not change its label, and pairs of texts whose labels people have reviewed.

After CheckList (Ribeiro et al. 2020, doi:10.18653/v1/2020.acl-main.442): accuracy on held-out rows does not tell whether a
model reads a name, a capital or a comma as the topic. What is swapped and which pairs are asked stands as reviewed data in
`data_schemas/<line>/behaviour.toml`:

    rows = 300                  # test rows a kind, picked by their hash, so the same ones each time
    [swap]                      # groups of names, any of which may stand for another
    weekdays = ["Monday", ...]
    [[pairs]]                   # texts that differ in little, with the label of each
    texts = ["...", "..."]
    labels = ["World", "Sports"]

A changed text counts as flipped where the label differs from that of the text as it was; a pair, where a label is wrong.
Plain values in and out; equal rows give equal cases.
"""

import heapq
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tomli
from scipy.special import bdtrc

from components.core.intervals import wilson
from components.data.text_cleaning import clean
from components.evaluation.paired_tests import holm

KINDS = ("entity swap", "typo", "case", "punctuation", "pairs")
ROWS = 300  # of a kind, where the file says nothing
FEWEST = 10  # cases of a kind below which it decides nothing
_LONG_WORD = re.compile(r"(?<![\w'])[A-Za-z]{5,}(?![\w'])")
_MARKS = re.compile(r'[,;:!?"()]|\.(?=\s|$)|(?<=\s)-+(?=\s)')
_TYPOGRAPHIC = str.maketrans({"'": "’", '"': "”", "-": "–"})


class BehaviourError(ValueError):
    """The reviewed file is not what it must be; the message names it and the place."""


class Case(NamedTuple):
    """texts: before and after, or a pair; labels: what each must be called, empty where both must only be called the same."""

    kind: str
    texts: tuple[str, str]
    labels: tuple[str, ...] = ()


def load(path: Path, labels: Sequence[str]) -> dict | None:
    """The reviewed file: `rows`, `swap` (names by group) and `pairs`; None where there is no file.

    Raises:
        BehaviourError: no TOML, an unknown key, a group of one, or a pair without two texts and two labels of the line.
    """
    try:
        content = tomli.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (tomli.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise BehaviourError(f"behavioural tests must be TOML. Received: {path} ({error})") from None
    unknown = sorted(set(content) - {"rows", "swap", "pairs"})
    if unknown:
        raise BehaviourError(f"keys must be rows, swap and pairs. Received: {path} with {', '.join(unknown)}")
    spec = {"rows": content.get("rows", ROWS), "swap": content.get("swap", {}), "pairs": content.get("pairs", [])}
    if type(spec["rows"]) is not int or spec["rows"] < FEWEST:
        raise BehaviourError(f"rows must be a whole number of at least {FEWEST}. Received: {path}, rows={spec['rows']}")
    for group, names in spec["swap"].items():
        if not _texts(names) or len(set(names)) < 2 or len(set(names)) < len(names):
            raise BehaviourError(f"a group must hold two names or more, each once. Received: {path}, {group}={names}")
    for pair in spec["pairs"]:
        texts, pair_labels = pair.get("texts"), pair.get("labels")
        if not (
            _texts(texts)
            and _texts(pair_labels)
            and len(texts) == len(pair_labels) == 2
            and set(pair_labels) <= set(labels)
        ):
            raise BehaviourError(
                f"a pair must have two texts and a label of the line for each. Received: {path}, {str(pair)[:120]}"
            )
    return spec


def _texts(value) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) and item for item in value)


def cases(spec: Mapping, texts: Iterable[str], keys: Iterable[int]) -> list[Case]:
    """What to ask. texts: the test rows, in a stream; keys: of each (`text_cleaning.row_key`): of the rows that a kind changes,
    those of the least keys are taken, `rows` of them."""
    changes = dict(zip(KINDS, (_swapper(spec["swap"]), typo, case, punctuation)))
    # By kind a heap of (-key, -place, case): the row that the next better one replaces comes first.
    taken: dict[str, list[tuple]] = {kind: [] for kind in changes}
    for at, (text, key) in enumerate(zip(texts, keys, strict=True)):
        rank, row = (-key, -at), None
        for kind, own in taken.items():
            if len(own) == spec["rows"] and rank < own[0]:
                continue
            row = clean(text) if row is None else row
            after = changes[kind](row, random.Random(f"{kind}/{row}"))  # noqa: S311  # no secret; the same row, the same change
            if after != row:
                add = heapq.heappush if len(own) < spec["rows"] else heapq.heapreplace
                add(own, (*rank, Case(kind, (row, after))))
    made = [one for own in taken.values() for *_, one in sorted(own, reverse=True)]
    return made + [Case("pairs", tuple(pair["texts"]), tuple(pair["labels"])) for pair in spec["pairs"]]


def _swapper(groups: Mapping[str, Sequence[str]]):
    """A function that replaces every known name of a text by another of its group, the same one each time it occurs."""
    group_of = {name: names for names in groups.values() for name in names}
    if not group_of:
        return lambda text, draw: text
    longest_first = sorted(group_of, key=lambda name: (-len(name), name))
    names = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")

    def swap(text: str, draw: random.Random) -> str:
        present = sorted(set(names.findall(text)))
        others = {name: [n for n in group_of[name] if n not in present] for name in present}
        chosen = {name: draw.choice(free) for name, free in others.items() if free}
        return names.sub(lambda match: chosen.get(match[0], match[0]), text)

    return swap


def typo(text: str, draw: random.Random) -> str:
    """One word of five letters or more with two inner letters swapped, one left out or one doubled."""
    words = list(_LONG_WORD.finditer(text))
    if not words:
        return text
    word = draw.choice(words)
    at = word.start() + draw.randrange(1, len(word[0]) - 2)
    pair = draw.choice((text[at + 1] + text[at], text[at + 1], text[at] + text[at : at + 2]))
    return text[:at] + pair + text[at + 2 :]


def case(text: str, draw: random.Random) -> str:
    """All capitals, or all small letters."""
    return draw.choice((text.upper(), text.lower()))


def punctuation(text: str, draw: random.Random) -> str:
    """Without the marks between words, or with typographic ones and an exclamation."""
    bare = " ".join(_MARKS.sub(" ", text).split())
    return draw.choice((bare, text.translate(_TYPOGRAPHIC) + "!!!"))


def flipped(asked: Sequence[Case], answers: Mapping[str, str]) -> np.ndarray:
    """bool[cases]: which cases went wrong. answers: the label that a model gives each text."""
    predicted = [tuple(answers[text] for text in one.texts) for one in asked]
    return np.array(
        [labels != one.labels if one.labels else labels[0] != labels[1] for one, labels in zip(asked, predicted)], bool
    )


def examine(asked: Sequence[Case], ours: np.ndarray, theirs: np.ndarray | None, limits: Mapping) -> dict[str, dict]:
    """By kind: `rows`, `flipped`, `share` with its 95% interval `low`, `high`, and what speaks against the candidate.

    ours, theirs: bool[cases], as `flipped` gives them; theirs is the champion's, None where there is none.
    p_over: chance of so many flips or more if the true share were `max_flips` (exact binomial); p_more: if the champion
    flipped as often (exact McNemar). over, more: significant at `alpha` after Holm over the kinds, and by more than the
    limit, for `more` `flip_margin`. few: too few cases to decide on.
    """
    results, kinds = {}, np.array([one.kind for one in asked])
    for kind in KINDS:
        of = kinds == kind
        rows, wrong = int(of.sum()), int(ours[of].sum())
        share = wrong / max(rows, 1)
        low, high = wilson(share, rows) if rows else (0.0, 1.0)
        results[kind] = {
            "rows": rows, "flipped": wrong, "share": share, "low": low, "high": high, "few": rows < FEWEST,
            "p_over": float(bdtrc(wrong - 1, rows, limits["max_flips"])), "champion": None, "p_more": 1.0,
        }  # fmt: skip
        if theirs is not None and rows:
            gained, lost = int((theirs & ~ours & of).sum()), int((ours & ~theirs & of).sum())
            results[kind]["champion"] = float(theirs[of].mean())
            results[kind]["p_more"] = float(bdtrc(lost - 1, gained + lost, 0.5))
    counted = [part for part in results.values() if not part["few"]]
    for name, p in (("over", "p_over"), ("more", "p_more")):
        for part, significant in zip(counted, holm([part[p] for part in counted], limits["alpha"])):
            beyond = part["share"] - (limits["max_flips"] if name == "over" else (part["champion"] or 0))
            part[name] = bool(significant and beyond > (0 if name == "over" else limits["flip_margin"]))
    return {kind: {"over": False, "more": False, **part} for kind, part in results.items()}


def examples(asked: Sequence[Case], ours: np.ndarray, answers: Mapping[str, str], shown: int = 3) -> list[dict]:
    """The first flipped cases of each kind, for people: `kind`, `texts`, `said`, `labels`."""
    wrong, count = [], dict.fromkeys(KINDS, 0)
    for one, flip in zip(asked, ours):
        if flip and count[one.kind] < shown:
            count[one.kind] += 1
            predicted = [answers[text] for text in one.texts]
            wrong.append({"kind": one.kind, "texts": list(one.texts), "said": predicted, "labels": list(one.labels)})
    return wrong
