"""`tests/benchmarks/GATE.md`: its tables and sections. Rows that are not measured anew stay as they are, with their own date."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from components.core import fileio

SEQUENCE = "## Retrains in a row"  # the section of `gate_sequence.py`
TRIGGERS = "## The check of trigger words"  # that of `gate_triggers.py`
FRESH_SEEDS = "## Equal seeds that chose no limit"  # that of `gate_seeds.py`
OTHERS = (TRIGGERS, FRESH_SEEDS, SEQUENCE)
POISON = "## A poisoned trigger word"
SPREAD_HEAD = (
    "| preset | seeds | accuracy, mean ± standard deviation | range | largest difference | rows that one of a pair has right | widest recall | lowest F1 change | lowest change of a length | on |\n"
    "|---|---:|---:|---:|---:|---:|---|---:|---:|---|"
)
HEAD = (
    "| preset | candidate | models | mean loss, points | pairs | refused | rate | 95% interval | wanted | refused by | warned of | on |\n"
    "|---|---|---:|---:|---:|---:|---:|---:|---|---|---|---|"
)


def page(
    about: str, command: str, seeds: Sequence[str], refused: Sequence[str], poison: Sequence[str], before: str
) -> str:
    """The whole page. command: with its day behind `#`; seeds, refused, poison: what was measured now; before: the page as it stands."""
    tables = [
        "## Seeds: retrains that differ in nothing else", "", SPREAD_HEAD, *merged(table(before, SPREAD_HEAD), seeds, 1), "",
        "Accuracy and differences in points; F1 and lengths over all ordered pairs, as a share.", "",
        "## Refused", "", HEAD, *merged(table(before, HEAD), refused, 2), "",
        POISON, "", *(merged(_items(section(before, POISON)), poison, 0) or ["Not measured."]), "",
    ]  # fmt: skip
    earlier = [line for line in before.partition("\n## ")[0].splitlines() if line.startswith("    ")]
    kept = [
        line for line in earlier if any(line.partition(" # ")[2] in row for row in tables if row.startswith(("|", "-")))
    ]
    commands = dict.fromkeys([*kept, f"    {command}"])
    parts = ["# The model gate on equal and on worse models", "", *commands, "", about, "", *tables]
    return "\n".join([*parts, *filter(None, (section(before, heading) for heading in OTHERS))]).rstrip() + "\n"


def merged(earlier: Iterable[str], rows: Iterable[str], cells: int) -> list[str]:
    """The rows, and those of before that none of them replaces, by preset. cells: how many of a table's first cells name a row; 0 for
    items of a list, which what stands before the colon names."""

    def name(row: str) -> tuple[str, ...]:
        return tuple(row.split("|")[1 : cells + 1]) if cells else (row.partition(":")[0],)

    named = {name(row): row for row in (*earlier, *rows)}
    presets = list(dict.fromkeys(row.split("`")[1] for row in named.values()))
    return sorted(named.values(), key=lambda row: presets.index(row.split("`")[1]))


def table(text: str, head: str) -> list[str]:
    """The rows below a table's head; none where the page has another table."""
    rows = text.partition(head)[2].partition("\n\n")[0].strip()
    return rows.splitlines()


def _items(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("- ")]


def section(text: str, heading: str) -> str:
    """A section with its heading, to the next of its rank; empty where there is none."""
    _, mark, rest = text.partition(f"{heading}\n")
    return heading + "\n" + rest.partition(f"\n{_rank(heading)} ")[0].rstrip() + "\n" if mark else ""


def replace_section(path: Path, heading: str, text: str) -> None:
    """Puts a section into a Markdown file, in place of the one that is there."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    head, _, rest = before.partition(f"{heading}\n")
    _, mark, after = rest.partition(f"\n{_rank(heading)} ")
    fileio.write_text(path, f"{head.rstrip()}\n\n{text.strip()}\n" + (f"\n{_rank(heading)} {after}" if mark else ""))


def parts_of(text: str, rank: str = "###") -> Mapping[str, str]:
    """The parts of a section by their headings, each with it."""
    _, *parts = f"\n{text}".split(f"\n{rank} ")
    return {part.partition("\n")[0]: f"{rank} {part.rstrip()}\n" for part in parts}


def _rank(heading: str) -> str:
    return heading.partition(" ")[0]
