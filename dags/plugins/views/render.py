"""Templates to pages. Everything escapes by default; what is drawn here (charts) says of itself that it is markup."""

import functools
from datetime import datetime
from pathlib import Path

from jinja2 import ChainableUndefined, Environment, FileSystemLoader

from views import charts

_TEMPLATES = Path(__file__).with_name("templates")


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"score": score, "count": count, "time": time, "short": short, "signed": signed}
    return environment


def page(template: str, root: str, **values) -> str:
    """The HTML of a page. root: the address under which the application is mounted, put before every link."""
    return _environment().get_template(template).render(root=root.rstrip("/"), **values)


def style() -> str:
    return (_TEMPLATES / "style.css").read_text(encoding="utf-8")


def icon() -> str:
    return (_TEMPLATES / "icon.svg").read_text(encoding="utf-8")


def score(value, decimals: int = 4) -> str:
    """A share in 0..1."""
    return f"{value:.{decimals}f}" if charts.finite(value) else "no number"


def signed(value) -> str:
    return f"{value:+.4f}" if charts.finite(value) else "no number"


def count(value) -> str:
    return (
        f"{value:,}"
        if isinstance(value, int)
        else f"{value:,.4g}"
        if charts.finite(value)
        else str(value if value is not None else "–")
    )


def time(value) -> str:
    """An ISO time to the minute, in UTC as it was written; any other text as it is."""
    try:
        return datetime.fromisoformat(str(value)).strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return str(value or "–")


def short(value) -> str:
    """The first twelve characters of a digest."""
    return str(value)[:12] if value else "–"
