"""Whether a text is a cron expression, as Airflow's timetables take them. Standard library only."""

import re

_NICKNAMES = ("hourly", "daily", "midnight", "weekly", "monthly", "quarterly", "yearly", "annually")
_MONTHS = dict(zip(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], range(1, 13)))
_DAYS = dict(zip(["sun", "mon", "tue", "wed", "thu", "fri", "sat"], range(7)))
# Name, lowest and highest number, and names that stand for numbers.
_FIELDS = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 7, _DAYS),
    ("second", 0, 59, {}),
)
_ITEM = re.compile(r"(?P<from>\*|\w+)(?:-(?P<to>\w+))?(?:/(?P<step>\d+))?")
_LAST = re.compile(r"l|l[0-7]|[0-7]#[1-5l]|\?")  # the last day, the n-th of its kind in a month, no rule


def fault(text: str) -> str:
    """What is wrong with a cron expression; empty where nothing is."""
    if text.startswith("@"):
        return "" if text[1:] in _NICKNAMES else f"{text!r} is none of @{', @'.join(_NICKNAMES)}"
    fields = text.lower().split()
    if len(fields) not in (5, 6):
        return f"{text!r} has {len(fields)} fields; a cron expression has five, such as '0 3 * * *' for 03:00 every day"
    for value, (name, low, high, names) in zip(fields, _FIELDS):
        days = name.startswith("day")
        wrong = [i for i in value.split(",") if not (days and _LAST.fullmatch(i)) and not _item(i, low, high, names)]
        if wrong:
            return f"{text!r}: {wrong[0]!r} is no {name} ({low} to {high})"
    return ""


def _item(item: str, low: int, high: int, names: dict[str, int]) -> bool:
    match = _ITEM.fullmatch(item)
    if not match or (match["step"] and int(match["step"]) < 1):
        return False
    if match["from"] == "*":
        return match["to"] is None
    ends = [
        names.get(end, int(end) if end.isdigit() and end.isascii() else -1) for end in match.group("from", "to") if end
    ]
    return all(low <= end <= high for end in ends)
