"""Options that several commands share."""

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any

import click

from pipelines.cli import line_choice


class Choice(click.Choice):
    """One of these words, or nothing at all; a wrong one is refused with the nearest."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "" or value in self.choices:
            return value
        near = get_close_matches(value, self.choices, 1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Choose from {', '.join(self.choices)}."
        self.fail(f"{value[:80]!r} does not exist. {hint}", param, ctx)


def _checked_line(ctx: click.Context, param: click.Parameter, line: str | None) -> str:
    if line and not ctx.resilient_parsing:
        line_choice.check_line(line, elsewhere=bool(ctx.params.get("store")))
    return line or ""


def _complete_line(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    return [line for line in line_choice.known_lines() if line.startswith(incomplete)]


def line(
    help: str = "the registered model (default: news where it has a champion, else the demo's)", name: str = "--line"
) -> Callable:
    """`--line NAME`, which must be known. name: another option that takes a line."""
    return click.option(
        name, default="", metavar="LINE", help=help, callback=_checked_line, shell_complete=_complete_line
    )


def as_json(help: str = "print JSON on standard output") -> Callable:
    return click.option("--json", "as_json", is_flag=True, help=help)


def version_argument(function: Callable) -> Callable:
    """The number of a registered version, as an argument."""
    return click.argument("version", type=int)(function)


def answering_version(function: Callable) -> Callable:
    """`--version`: which version answers."""
    help = "@champion, or a version number"
    return click.option("--version", default="@champion", metavar="VERSION", show_default=True, help=help)(function)


def _checked_reason(ctx: click.Context, param: click.Parameter, text: str | None) -> str:
    text = text or ""
    if not text.strip() and not ctx.resilient_parsing:
        raise click.UsageError(f"--reason must say why. Received: {text!r}", ctx)
    return text.strip()


def reason(help: str) -> Callable:
    """`--reason TEXT`, which must not be blank; without blanks around it."""
    return click.option("--reason", required=True, metavar="TEXT", help=help, callback=_checked_reason)


def overrides(function: Callable) -> Callable:
    """`--set KEY=VALUE …`: one or more settings after each `--set`."""
    return click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE …",
        help="settings that differ, such as training.epochs=2 seed=2",
    )(function)


def together(*options: Callable) -> Callable:
    """Several options as one decorator, in this order in the help."""

    def decorate(function: Callable) -> Callable:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def exclusive(ctx: click.Context, **given: Any) -> None:
    """Raises UsageError where more than one of these options is given. given: values by the option's name without dashes."""
    names = [f"--{name.replace('_', '-')}" for name, value in given.items() if value]
    if len(names) > 1:
        raise click.UsageError(f"{' and '.join(names)} cannot be used together.", ctx)


def words(values: Sequence[str]) -> list[str]:
    """Arguments whose bytes are no UTF-8 arrive with lone surrogates, which nothing can print: they become U+FFFD."""
    return [value.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for value in values]
