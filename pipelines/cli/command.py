"""How every command of `newsdesk` reads its arguments, shows an example in its help, and turns an error into an exit code."""

import importlib
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from components.core import locks, paths

_OVERRIDE = re.compile(r"[A-Za-z_][\w.]*=")


class Command(click.Command):
    """A command whose callback returns the exit code.

    example: a real call, shown at the end of the help. With `--json`, a locked line is JSON on standard output too:
    `{"state": "locked", "reasons": […]}` and the fields of `when_locked`. any_home: it also runs where the state folder is of another
    version of Newsdesk; the others refuse that before they read anything.
    """

    def __init__(
        self,
        *args: Any,
        example: str,
        when_locked: Mapping[str, Any] | None = None,
        any_home: bool = False,
        **more: Any,
    ):
        super().__init__(*args, **more)
        self.any_home = any_home
        self.example = example
        self.when_locked = dict(when_locked or {})

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _one_override_each(args))

    def invoke(self, ctx: click.Context) -> int:
        if not self.any_home:
            paths.check_stamp()
        try:
            return super().invoke(ctx)
        except locks.Locked as error:
            if ctx.params.get("as_json"):
                outcome = {**self.when_locked, "state": "locked", "reasons": [str(error)]}
                print(json.dumps(outcome, indent=1, ensure_ascii=False))
            raise

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_paragraph()
        formatter.write_text("Example:")
        with formatter.indentation():
            for line in self.example.splitlines():
                formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command is called.

    sections: a heading, and under it the commands: name to (module and attribute, one line of help).
    """

    def __init__(self, *args: Any, sections: Mapping[str, Mapping[str, tuple[str, str]]], **more: Any):
        super().__init__(*args, **more)
        self.sections = sections
        self.places = {name: place for section in sections.values() for name, place in section.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.places)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.places:
            return None
        module, _, attribute = self.places[name][0].partition(":")
        return getattr(importlib.import_module(module), attribute)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple:
        name = args[0]
        if name not in self.places and not name.startswith("-") and not ctx.resilient_parsing:
            raise click.NoSuchCommand(name, possibilities=self.places, ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, section in self.sections.items():
            with formatter.section(heading):
                formatter.write_dl([(name, summary) for name, (_, summary) in section.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list:
        from click.shell_completion import CompletionItem

        names = [
            CompletionItem(name, help=help) for name, (_, help) in self.places.items() if name.startswith(incomplete)
        ]
        return names or super(click.Group, self).shell_complete(ctx, incomplete)


def _one_override_each(args: list[str]) -> list[str]:
    """`--set a=1 b=2` as `--set a=1 --set b=2`: click gives an option one value."""
    result: list[str] = []
    after_override = False
    for number, word in enumerate(args):
        if word == "--":
            return result + args[number:]
        if result[-1:] == ["--set"]:
            after_override = True
        elif after_override and _OVERRIDE.match(word):
            result.append("--set")
        else:
            after_override = word.startswith("--set=")
        result.append(word)
    return result


def fail(command: str, message: str, code: int) -> int:
    """Prints a command's error on standard error; returns the exit code."""
    print(f"newsdesk {command}: {message}", file=sys.stderr)
    return code


def missing(path: Path) -> str:
    """What is wrong with a path that must be a file, a pipe among them; empty where nothing is."""
    if path.is_dir():
        return f"a file must be given. Received: {path}, a folder"
    return (
        ""
        if path.exists()
        else f"File not found: {path}. Check its name and the folder it is looked for in ({path.absolute().parent})"
    )
