"""Templates to pages. Everything escapes by default; what is drawn here (charts) says of itself that it is markup.

`page` makes a page of a web application, which links the style sheet. `document` makes one file that holds all it needs: the
same templates, the same style sheet, no scripts, nothing from elsewhere. Imports no TensorFlow: Airflow draws with it too.
"""

import functools
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from jinja2 import ChainableUndefined, Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from components.core import paths
from pipelines.reports import charts

_TEMPLATES = Path(__file__).with_name("templates")
TONES = {
    "pass": "good", "blessed": "good", "released": "good", "done": "good", "cached": "good", "promote": "good", "release": "good",
    "champion": "good", "previous": "calm", "best": "calm", "unchanged": "calm", "running": "calm", "held": "wait",
    "warn": "warn", "refused": "warn", "rollback": "warn", "locked": "warn",
    "stop": "bad", "stopped": "bad", "failed": "bad", "refuse": "bad", "damaged": "bad",
}  # fmt: skip


def page(template: str, root: str, **values) -> str:
    """A page of a web application. root: the address under which it is mounted, put before every link."""
    return _environment(strict=False).get_template(template).render(root=root.rstrip("/"), **values)


def document(template: str, strict: bool = True, **values) -> str:
    """A page as one file that needs no other. strict: whether a value that the template needs and lacks is an error.

    Raises:
        jinja2.UndefinedError: such a value.
    """
    return _environment(strict).get_template(template).render(style=Markup(style()), **values)  # noqa: S704, our own file


def style() -> str:
    return (_TEMPLATES / "style.css").read_text(encoding="utf-8")


def icon() -> str:
    return (_TEMPLATES / "icon.svg").read_text(encoding="utf-8")


def score(value, decimals: int = 4) -> str:
    """A share in 0..1."""
    return f"{value:.{decimals}f}" if charts.finite(value) else "no number"


def signed(value) -> str:
    return f"{value:+.4f}" if charts.finite(value) else "no number"


def percent(value, decimals: int = 1) -> str:
    return f"{value:.{decimals}%}" if charts.finite(value) else "–"


def chance(value) -> str:
    """A p-value or another small number, with three digits that count."""
    return f"{value:.3g}" if charts.finite(value) else "–"


def count(value) -> str:
    """A number with separators; a table as `name value`, a list with commas; nothing as a dash."""
    if isinstance(value, Mapping):
        return ", ".join(f"{str(key).replace('_', ' ')} {count(each)}" for key, each in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value))
    if isinstance(value, bool) or not charts.finite(value):
        return "–" if value is None else str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def time(value) -> str:
    """An ISO time to the minute, in UTC as it was written; any other text as it is."""
    try:
        return datetime.fromisoformat(str(value)).strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return str(value or "–")


def short(value) -> str:
    """The first twelve characters of a digest."""
    return str(value)[:12] if value else "–"


def tone(value) -> str:
    """The colour class of a state or outcome; empty for one without."""
    return TONES.get(str(value), "")


def place(path: str | Path) -> str:
    """A file as any reader of a page can find it: from the state folder on. Of a file elsewhere the name alone."""
    found, home = Path(path), paths.home()
    return f"NEWSDESK_HOME/{found.relative_to(home).as_posix()}" if found.is_relative_to(home) else found.name


def filename(path: str | Path) -> str:
    return Path(path).name


def strength(value, row: Sequence[int]) -> int:
    """0..5: how strongly a cell of a confusion matrix is coloured, by the root of its share, so that rare mistakes are seen."""
    return min(5, round(5 * (value / max(sum(row), 1)) ** 0.5 + 0.4)) if value else 0


@functools.cache
def _environment(strict: bool) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined if strict else ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    own = (score, signed, percent, chance, count, time, short, tone, place, filename, strength)
    environment.filters |= {each.__name__: each for each in own}
    return environment
