"""The command `newsdesk`. Exit codes: 0 done (a refused or unchanged model included), 2 bad usage, 3 data stop, 4 locked, 1 else.

Heavy imports stay inside the commands that need them, so that help, models and doctor answer at once.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from components.core import errors, locks, paths
from components.registry import model_registry
from pipelines.cli import serve
from pipelines.config import run_config
from pipelines.config.presets import PRESETS
from pipelines.reports import model_card


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="newsdesk", description="Retrains a news classifier and releases only models that have earned it."
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, help: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=help, description=help)

    retrain = add("retrain", "one retraining run, without Airflow")
    run_arguments(retrain)
    data = add("data", "looks at data without training")
    check = data.add_subparsers(dest="data_command", required=True, metavar="check").add_parser(
        "check", help="the data verdict of a source"
    )
    check.add_argument("source")
    check.add_argument("--line", default="", help="default: the one whose schedule reads the source, else news")
    check.add_argument("--window", default="", help="default: the schedule's, else all")
    check.add_argument("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE")
    check.add_argument("--json", action="store_true")
    predict = add("predict", "label and probabilities of texts")
    predict.add_argument("texts", nargs="*", metavar="TEXT")
    predict.add_argument("--file", type=Path, help="CSV with a header (title, description), JSONL or Parquet")
    predict.add_argument("--output", type=Path, help="where the scored file goes (default: standard output)")
    predict.add_argument("--version", default="@champion", help="@champion, or a version number")
    predict.add_argument("--line", default="", help="default: news where it has a champion, else the demo's")
    predict.add_argument("--json", action="store_true")
    explain = add("explain", "where the model looks in texts, as PNG and HTML")
    explain.add_argument("texts", nargs="+", metavar="TEXT")
    explain.add_argument("--output", type=Path, metavar="FOLDER", help="default: explain/ in NEWSDESK_HOME")
    explain.add_argument("--version", default="@champion", help="@champion, or a version number")
    explain.add_argument("--line", default="", help="default: news where it has a champion, else the demo's")
    explain.add_argument("--json", action="store_true")
    explain.set_defaults(file=None)
    models = add("models", "the versions of the registry")
    models.add_argument("--line", default="")
    models.add_argument("--on", metavar="WHEN", help="what served then: YYYY-MM-DD or YYYY-MM-DDTHH:MM, in UTC")
    models.add_argument("--json", action="store_true")
    show = add("show", "one version: metrics, data, lineage")
    show.add_argument("version", type=int)
    show.add_argument("--line", default="")
    show.add_argument("--json", action="store_true")
    for name, help in (
        ("promote", "makes a version the champion"),
        ("rollback", "makes the champion before the present one serve again"),
    ):
        move = add(name, help)
        if name == "promote":
            move.add_argument("version", type=int)
        else:
            move.add_argument("--to", type=int, metavar="VERSION", help="only if this is the version it returns to")
        move.add_argument(
            "--after", type=int, metavar="MOVE", help="only if the line's last move has this number; 0: none"
        )
        move.add_argument("--reason", required=True)
        move.add_argument("--line", default="")
    for name, help in (
        ("pin", "keeps a version whatever its age"),
        ("unpin", "lets retention treat a version like any other"),
    ):
        pin = add(name, help)
        pin.add_argument("version", type=int)
        pin.add_argument("--reason", required=True)
        pin.add_argument("--line", default="")
    clean = add("clean", "what the retention policy would remove; --apply removes it")
    clean.add_argument("--line", default="", help="default: every line, and what belongs to none")
    doing = clean.add_mutually_exclusive_group()
    doing.add_argument("--apply", action="store_true", help="remove it")
    doing.add_argument("--dry-run", action="store_true", help="say it only (the default)")
    clean.add_argument("--json", action="store_true")
    lineage = add("lineage", "where a version came from: data, code, settings, every node's artifacts; and a page")
    lineage.add_argument("version", type=int)
    lineage.add_argument("--line", default="")
    lineage.add_argument("--json", action="store_true")
    monitor = add("monitor", "the champion on recent articles: predictions, drift, texts to label")
    monitor.add_argument("folder", nargs="?", default="", help="default: the one in newsdesk.toml")
    monitor.add_argument("--window", default="", help="dated folders to look at, as for retrain (default: all)")
    monitor.add_argument("--line", default="", help="default: news where it has a champion, else the demo's")
    monitor.add_argument("--json", action="store_true")
    label = add("label", "a filled-in label queue becomes a dated folder of the source")
    label.add_argument("queue", type=Path, metavar="QUEUE.csv")
    label.add_argument("--into", default="", metavar="SOURCE", help="default: what the line's schedule reads")
    label.add_argument("--span", default="", metavar="DATE", help="the new folder's day (default: today)")
    label.add_argument("--line", default="", help="default: news where it has a champion, else the demo's")
    label.add_argument("--json", action="store_true")
    demo = add("demo", "writes the demo's articles, or one drifted or damaged day of them, into a folder")
    demo.add_argument("folder", type=Path)
    day = demo.add_mutually_exclusive_group()
    day.add_argument("--drifted", default="", metavar="DATE", help="one day of other words and other shares of classes")
    day.add_argument("--damaged", default="", metavar="DATE", help="one day with wrong and unreadable rows")
    demo.add_argument("--articles", type=int, help="how many (default: 10,000, or 2,000 a day)")
    demo.add_argument("--seed", type=int, default=1)
    serve.add_arguments(add("serve", "the champion over HTTP, as TensorFlow Serving answers"))
    doctor = add("doctor", "what is installed, reachable, in step, and what is wrong")
    doctor.add_argument("--repair", action="store_true", help="mends what a crash left")
    doctor.add_argument(
        "--free",
        default="",
        metavar="LINE",
        help="repairs, and takes the line from a run that showed no life for 15 minutes",
    )
    doctor.add_argument("--stop-server", action="store_true", help="ends the warm node server")
    doctor.add_argument("--json", action="store_true")
    return top


def run_arguments(target: argparse.ArgumentParser) -> None:
    """The parameters of a run, the same wherever one starts."""
    target.add_argument("--source", default="", help="demo, tfds, or a folder (default: newsdesk.toml's, else demo)")
    target.add_argument(
        "--line", default="", help="default: the one whose schedule reads the source, else news; demo: news-demo"
    )
    target.add_argument(
        "--window", default="", help="all, 'last Nd', or one day YYYY-MM-DD (default: the schedule's, else all)"
    )
    target.add_argument(
        "--as-of", default="", help="the window's last moment as an ISO time, in UTC unless it says else (default: now)"
    )
    target.add_argument("--preset", default="", choices=["", *PRESETS], metavar="PRESET", help=", ".join(PRESETS))
    target.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="such as training.epochs=2 seed=2"
    )
    target.add_argument("--seed", type=int, help="default: the schedule's, else 1")
    target.add_argument("--release", default="", choices=["", *run_config.RELEASES], metavar="auto|hold|never")
    target.add_argument("--force", action="store_true", help="train anew although nothing changed")
    target.add_argument("--json", action="store_true", help="the outcome as JSON on standard output")


def request_of(args: argparse.Namespace) -> dict:
    """A run's parameters from the command line, as the door takes them."""
    return {
        "source": absolute(args.source), "window": args.window, "preset": args.preset, "set": run_config.parse_overrides(args.set),
        "seed": args.seed, "release": args.release, "force": args.force, "as_of": args.as_of, "trigger": "cli", "line": args.line,
    }  # fmt: skip


def absolute(source: str) -> str:
    """A folder against the caller's working folder; names of sources stay."""
    if not run_config.is_folder(source):
        return source
    return os.path.normpath(Path(source).expanduser().absolute())


def known_lines() -> list[str]:
    """The lines that have a schema, a champion or a version, or a table in `newsdesk.toml`."""
    schemas = {path.name for path in (paths.REPOSITORY / "data_schemas").iterdir() if path.is_dir()}
    used = {line for line in model_registry.lines() if model_registry.versions(line) or model_registry.champion(line)}
    return sorted({run_config.REAL_LINE, run_config.DEMO_LINE, *schemas, *used, *run_config.settings()})


def check_line(line: str) -> None:
    """Raises ConfigError where no part of Newsdesk knows a line that was asked for."""
    if line and line not in (run_config.REAL_LINE, run_config.DEMO_LINE):
        known = known_lines()
        run_config.check(line in known, f"Unknown line {line!r}. Known lines: {', '.join(known)}")


def default_line(asked: str) -> str:
    """The line to work on: the one asked for, else the real one where it has a champion, else the demo's."""
    if asked:
        return paths.safe_name(asked, "line")
    if model_registry.champion(run_config.REAL_LINE) or not model_registry.champion(run_config.DEMO_LINE):
        return run_config.REAL_LINE
    return run_config.DEMO_LINE


def line_to_answer(args: argparse.Namespace) -> str:
    line = default_line(args.line)
    if not args.line and line == run_config.DEMO_LINE:
        print(f"line {run_config.REAL_LINE} has no champion yet; the demo's answers (line {line})", file=sys.stderr)
    return line


def models(args: argparse.Namespace) -> int:
    listed = []
    for line in [args.line] if args.line else model_registry.lines():
        names = model_registry.aliases(line)
        for card in model_registry.versions(line):
            keys = ("version", "line", "preset", "created", "metrics", "data", "digest", "run")
            listed.append({"aliases": names.get(card["version"], []), **{key: card[key] for key in keys}})
    if args.json:
        print(json.dumps(listed, indent=1, ensure_ascii=False))
    elif not listed:
        print("no versions yet; `make retrain` or `newsdesk retrain` makes one")
    else:
        print(
            f"{'line':<12}{'version':>7}  {'aliases':<20}{'preset':<22}{'accuracy':>8}  {'rows':>9}  {'created':<26}source"
        )
        for m in listed:
            print(f"{m['line']:<12}{m['version']:>7}  {','.join(m['aliases']):<20}{m['preset']:<22}{m['metrics']['accuracy']:>8.4f}"
                  f"  {m['data']['rows']:>9,}  {m['created']:<26}{m['data']['source']}")  # fmt: skip
    return 0


def show(args: argparse.Namespace) -> int:
    line = default_line(args.line)
    card = next((c for c in model_registry.versions(line) if c["version"] == args.version), None)
    if card is None:
        print(f"a version must be registered in line {line!r}. Received: {args.version}", file=sys.stderr)
        return 1
    history = [e for e in model_registry.history(line) if args.version in (e["from"], e["to"])]
    if args.json:
        print(
            json.dumps(
                {**card, "aliases": model_registry.aliases(line).get(args.version, []), "history": history}, indent=1
            )
        )
        return 0
    low, high = card["metrics"]["interval"]
    names = ", ".join(model_registry.aliases(line).get(args.version, [])) or "no alias"
    print(
        f"{line} version {card['version']} ({names}), preset {card['preset']}, seed {card['seed']}, made {card['created']}"
    )
    print(
        f"  test accuracy {card['metrics']['accuracy']:.4f} (95% {low:.4f} to {high:.4f}) on {card['metrics']['rows']:,} rows"
    )
    for name, value in card["metrics"]["per_class"].items():
        print(f"    {name:<12}{value:.4f}")
    for name, found in card["comparisons"].items():
        print(
            f"  against the {name} ({found['accuracy']:.4f}): {found['won']} rows won, {found['lost']} lost, p = {found['p_worse']:.3g}"
        )
    print(
        f"  data   {card['data']['source']}, window {card['data']['window']}, {card['data']['rows']:,} rows, hash {card['data']['hash'][:12]}"
    )
    print(f"  run    {paths.run_dir(card['run'])}")
    print(f"  folder {card['folder']}")
    for kind, path in model_card.card_files(line, args.version).items():
        print(f"  card   {path}" if path.exists() else f"  card   no {kind} form; newsdesk doctor --repair writes it")
    for event in history:
        print(
            f"  {event['time']}  {event['kind']} {event['from']} -> {event['to']} by {event['who']}: {event['reason']}"
        )
    return 0


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    paths.restrict_umask()
    try:
        paths.safe_name(getattr(args, "line", "") or run_config.REAL_LINE, "line")
    except ValueError as error:
        print(f"newsdesk: {error}", file=sys.stderr)
        return 2
    try:
        check_line(getattr(args, "line", "") or getattr(args, "free", ""))
        return _run(args)
    except (run_config.ConfigError, errors.HomeError) as error:
        print(f"newsdesk: {error}", file=sys.stderr)
        return 2 if isinstance(error, run_config.ConfigError) else 1
    except locks.Locked as error:
        print(f"newsdesk: {error}", file=sys.stderr)
        return 4
    except BrokenPipeError:  # `newsdesk models | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (model_registry.RegistryError, OSError) as error:
        print(f"newsdesk: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("newsdesk: stopped", file=sys.stderr)
        return 1


def _run(args: argparse.Namespace) -> int:
    if args.command == "models" and args.on:
        from components.registry import serving_history

        return serving_history.run(args)
    if args.command in ("models", "show"):
        return {"models": models, "show": show}[args.command](args)
    if args.command == "retrain":
        from pipelines.cli import retrain

        return retrain.run(request_of(args), as_json=args.json)
    if args.command == "data":
        from pipelines.cli import retrain

        asked = {"source": absolute(args.source), "window": args.window, "line": args.line}
        asked["set"] = run_config.parse_overrides(args.set)
        return retrain.check(asked, as_json=args.json)
    if args.command == "predict":
        from pipelines.cli import predict

        return predict.run(args, line_to_answer(args))
    if args.command == "explain":
        from pipelines.cli import explain

        return explain.run(args, line_to_answer(args))
    if args.command == "monitor":
        from pipelines.monitoring import monitor

        return monitor.run(args, line_to_answer(args))
    if args.command == "label":
        from pipelines.monitoring import label_import

        return label_import.run(args, default_line(args.line))
    if args.command == "demo":
        from pipelines.cli import demo

        return demo.run(args)
    if args.command in ("promote", "rollback"):
        from pipelines.cli import release

        return release.run(args, default_line(args.line))
    if args.command in ("pin", "unpin"):
        from components.registry import pins

        return pins.run(args, default_line(args.line))
    if args.command == "clean":
        from pipelines.cli import clean

        return clean.run(args)
    if args.command == "serve":
        return serve.run(args, line_to_answer(args))
    if args.command == "lineage":
        from pipelines.operations import lineage

        return lineage.run(args, default_line(args.line))
    from pipelines.operations import doctor

    return doctor.run(args)


if __name__ == "__main__":
    sys.exit(main())
