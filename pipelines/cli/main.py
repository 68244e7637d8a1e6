"""The command `newsdesk`. Exit codes: 0 done (a refused or unchanged model included), 2 bad usage, 3 data stop, 4 locked,
130 interrupted, 1 else.

A command is a file beside this one and a row in `SECTIONS`. Its module is imported when it is called, so that help and `models` answer
at once.
"""

import os
import sys

import click

from components.core import env_file, errors, locks, paths
from components.core.states import ExitCode
from components.core.validation import ConfigError
from components.registry.model_registry import RegistryError
from pipelines.cli.command import LazyGroup

_HERE = "pipelines.cli."
SECTIONS = {
    "Train": {
        "retrain": (f"{_HERE}retrain:command", "train, compare and release a model, without Airflow"),
        "data": (f"{_HERE}data:group", "check data without training"),
        "init": (f"{_HERE}init:command", "propose a line for data of your own"),
        "demo": (f"{_HERE}demo:command", "write the demo's articles, or one drifted or damaged day of them"),
        "demo-week": (f"{_HERE}demo_week:command", "play a week of the demo's newsroom in minutes"),
    },
    "Use a model": {
        "predict": (f"{_HERE}predict:command", "label texts or a file, with probabilities"),
        "serve": (f"{_HERE}serve:command", "answer over HTTP with the champion, as TensorFlow Serving does"),
        "explain": (f"{_HERE}explain:command", "show which words the model looks at, as PNG and HTML"),
        "export": (f"{_HERE}export:command", "write a version with its card and checksums into one file"),
    },
    "Versions": {
        "models": (f"{_HERE}models:command", "list the registered versions"),
        "show": (f"{_HERE}show:command", "show one version: metrics, data, history"),
        "compare": (
            f"{_HERE}compare:command",
            "compare two versions: metrics, settings, data, rows won and lost, cost",
        ),
        "replay": (f"{_HERE}replay:command", "ask a version and the champion a day's logged requests"),
        "lineage": (f"{_HERE}lineage:command", "show where a version came from: data, code, settings, artifacts"),
        "reproduce": (f"{_HERE}reproduce:command", "train a version again and compare the model byte for byte"),
        "promote": (f"{_HERE}release:promote_command", "make a version the champion"),
        "reject": (f"{_HERE}reject:command", "refuse a held version"),
        "rollback": (f"{_HERE}release:rollback_command", "roll back to the previous champion"),
        "keep": (f"{_HERE}keep:command", "make the settings that a version's tuning chose those of its line"),
        "pin": (f"{_HERE}pins:pin_command", "keep a version whatever its age"),
        "unpin": (f"{_HERE}pins:unpin_command", "let retention remove a pinned version"),
    },
    "Monitoring": {
        "monitor": (f"{_HERE}monitor:command", "score recent articles, measure drift, choose texts to label"),
        "label": (f"{_HERE}label:command", "turn a filled-in label queue into training data"),
    },
    "Maintenance": {
        "clean": (f"{_HERE}clean:command", "show what retention would remove; --apply removes it"),
        "doctor": (f"{_HERE}doctor:command", "check the installation and the state folder; --repair repairs them"),
        "help": (f"{_HERE}help:command", "show this help, or the help of a command"),
    },
}


@click.group(
    cls=LazyGroup,
    sections=SECTIONS,
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog='Shell completion: eval "$(_NEWSDESK_COMPLETE=bash_source newsdesk)", or zsh_source or fish_source.',
)
def newsdesk() -> None:
    """Retrain a news classifier on a schedule, and release only models that pass its gates."""


def main(argv: list[str] | None = None) -> int:
    """Runs a command; returns its exit code."""
    paths.restrict_umask()
    try:
        env_file.load()
        return newsdesk.main(argv, prog_name="newsdesk", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except ConfigError as error:
        return _failed(error, ExitCode.USAGE)
    except locks.Locked as error:
        return _failed(error, ExitCode.LOCKED)
    except BrokenPipeError:  # `newsdesk models | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED
    except (errors.HomeError, RegistryError, OSError) as error:
        return _failed(error, ExitCode.FAILED)
    except (KeyboardInterrupt, click.Abort):
        return _failed("interrupted", ExitCode.INTERRUPTED)


def _failed(error: Exception | str, code: int) -> int:
    print(f"newsdesk: {error}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
