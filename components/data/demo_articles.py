"""The articles of the demo's newsroom: headline and lead from templates and invented names, all chance from the caller's `Random`.

The newsroom has four desks (World, Sports, Business, Sci/Tech; label 0..3, written 1..4) and prints four kinds:

- *plain*: a headline and a lead of the desk. Sometimes a guest sentence of another desk follows, and words such as
  strike, court, race, record and launch belong to several desks. A bag of words reads these well.
- *thin*: any desk could have printed the headline and the lead; only the party ("the bank", "the league") tells.
- *contest*: parties of two desks quarrel. **The article belongs to the desk of the party that acts**, and both parties
  stand between the same two words: "The bank has taken … to court, and the league has until Friday to answer." Swap
  them and the desk changes while every word and every pair of neighbours stays (`_contest` makes such a pair). A bag of
  unigrams and bigrams can only guess between two desks here; a model that sees positions can tell. Some contests are
  told from the other end ("The league has until Friday …, and the bank has already gone to court"), so that "the first
  one wins" is not the whole rule.
- *vague*: nothing tells; editors would argue, and so would models.

Names come and go: each day brings new ones, which stay for some days.
"""

import datetime as dt
import random
import re
from collections.abc import Mapping, Sequence
from functools import cache

from components.data import demo_templates as words

CLASSES = ("World", "Sports", "Business", "Sci/Tech")
SHARES = {"contest": 0.15, "thin": 0.10, "vague": 0.02}  # of the articles; the rest is plain
INVERTED_SHARE, GUEST_SHARE = 0.1, 0.3  # of the contests; of the plain and thin articles
NEW_NAMES_A_DAY, NAME_LIFE_DAYS, NEW_NAME_SHARE = 3, 7, 0.25


@cache
def _names(kind: str, count: int, key: str, drifted: bool = False) -> tuple[str, ...]:
    """`count` invented names of a kind, the same for the same key."""
    heads = words.DRIFTED_HEADS if drifted else words.NAME_HEADS
    rng = random.Random(f"names/{kind}/{key}")
    made = {}
    while len(made) < count:
        made[rng.choice(heads) + rng.choice(words.NAME_TAILS[kind])] = None
    return tuple(made)


@cache
def _fresh_names(kind: str, day: dt.date, drifted: bool) -> tuple[str, ...]:
    """The names that this day and the days just before it brought."""
    days = (day - dt.timedelta(back) for back in range(NAME_LIFE_DAYS))
    return tuple(name for each in days for name in _names(kind, NEW_NAMES_A_DAY, str(each), drifted))


class Story(dict):
    """One article's slots, drawn when first used and kept, so that headline and text speak of the same people."""

    def __init__(self, rng: random.Random, label: int, day: dt.date, drifted: bool = False):
        self.rng, self.label, self.day, self.drifted = rng, label, day, drifted

    def __missing__(self, key: str) -> str:
        kind = key.rstrip("2")
        self[key] = value = self._draw(kind)
        while kind != key and value == self.get(kind):
            self[key] = value = self._draw(kind)
        return value

    def _draw(self, kind: str) -> str:
        if kind == "team":
            return f"{self._draw('city')} {self._draw('mascot')}"
        if kind == "company":
            return f"{self._draw('brand')} {self._draw('trade')}"
        return self.rng.choice(self._list(kind))

    def _list(self, kind: str):
        if kind in words.NAME_TAILS:
            fresh = self.drifted or self.rng.random() < NEW_NAME_SHARE
            return _fresh_names(kind, self.day, self.drifted) if fresh else _names(kind, 40, "old")
        if kind in words.SHARED:
            return words.SHARED[kind]
        if self.drifted and kind in words.DRIFTED_WORDS[self.label]:
            return words.DRIFTED_WORDS[self.label][kind]
        return words.PARTIES[self.label] if kind == "party" else words.DESK_WORDS[self.label][kind]

    def tell(self, templates) -> str:
        return self.rng.choice(templates).format_map(self)

    def tell_one(self, stories, ends) -> tuple[str, str]:
        titles, leads = self.rng.choice(stories)
        return self.tell(titles), f"{self.tell(leads)} {self.tell(ends)}".strip()


def _contest(story: Story, actor: int, other: int) -> list[tuple[str, str]]:
    """[(title, text)] of a contest in which `actor` acts, and of its twin, in which the parties have changed places."""
    rng = story.rng
    story["topic"] = rng.choice(words.TOPICS[min(actor, other), max(actor, other)])
    title = story.tell(words.CONTEST_TITLES)
    frame = rng.choice(words.INVERTED if rng.random() < INVERTED_SHARE else words.CONTESTS)
    closer = story.tell(words.CLOSERS)
    parties = [Story(rng, desk, story.day, story.drifted)["party"] for desk in (actor, other)]
    pair = []
    for a, b in (parties, parties[::-1]):
        story.update(a=a, b=b)
        pair.append((title, f"{frame.format_map(story)} {closer}".strip()))
    return pair


def others(label: int) -> list[int]:
    return [desk for desk in range(len(CLASSES)) if desk != label]


def article(
    rng: random.Random, label: int, day: dt.date, drifted: bool = False, topic: Mapping[str, str] | None = None
) -> tuple[str, str]:
    """(title, description) of one article of desk `label` (0..3) printed on `day`; `drifted` takes other words.

    topic: names that a running story has given to some of its slots (`company`, `surname`).
    """
    story = Story(rng, label, day, drifted)
    story.update(topic or {})
    kind = rng.random()
    if kind < SHARES["contest"]:
        return _contest(story, label, rng.choice(others(label)))[0]
    kind -= SHARES["contest"]
    if kind < SHARES["vague"]:
        return story.tell_one(words.VAGUE, words.CLOSERS)
    stories = words.THIN if kind < SHARES["vague"] + SHARES["thin"] else words.STORIES[label]
    if rng.random() < GUEST_SHARE:
        guest = Story(rng, rng.choice(others(label)), day, drifted)
        return story.tell_one(stories, [guest.tell(words.BACKGROUND[guest.label])])
    return story.tell_one(stories, words.BACKGROUND[label] if rng.random() < 0.4 else words.CLOSERS)


def names(rng: random.Random, label: int, day: dt.date, slots: Sequence[str]) -> dict[str, str]:
    """What a story of desk `label` that begins on `day` puts into these slots."""
    story = Story(rng, label, day)
    return {slot: story[slot] for slot in slots}


def normalised(title: str, description: str) -> str:
    """The text without case and punctuation: what counts as the same article."""
    return " ".join(re.findall(r"[a-z0-9]+", f"{title} {description}".lower()))
