"""`newsdesk clean`: shows what the retention policy would remove and how much that frees; with `--apply`, removes it.

The plan alone is the default, because a deleted model cannot be restored. `make clean` is the other half, and does not ask:
what is made again by itself, in the checkout as well as in the state folder.
"""

import json
import sys
from collections.abc import Iterable

import click

from components.core import locks, paths
from components.registry import model_registry
from pipelines.cli import options
from pipelines.cli.command import Command
from pipelines.config import run_config
from pipelines.operations import retention
from pipelines.runner import mlmd_store

SHARED = "(no line)"
_NAMES = {
    "mlflow": ("folder of MLflow", "folders of MLflow"),
    "artifact": ("artifact folder", "artifact folders"),
    "scored": ("scored batch", "scored batches"),
    "cache": ("cache entry", "cache entries"),
    "staging": ("leftover", "leftovers"),
}


@click.command("clean", cls=Command, example="newsdesk clean --line news --apply")
@options.line("one registered model (default: every line, and what belongs to none)")
@click.option("--apply", "applied", is_flag=True, help="remove it")
@click.option("--dry-run", is_flag=True, help="only show it (the default)")
@options.as_json()
@click.pass_context
def command(ctx, line, applied, dry_run, as_json) -> int:
    """Show what the retention policy would remove and how much that frees; with --apply, remove it.

    Exit code 4: a run works on a line, which was left alone.
    """
    options.exclusive(ctx, apply=applied, dry_run=dry_run)
    return run(line, applied, as_json)


def run(line: str, applied: bool, as_json: bool) -> int:
    """Prints the plan, or what was removed; returns the exit code. line: empty for all."""
    settings = run_config.settings()
    paths.ensure()
    parts, code = [], 0
    policies = {
        name: run_config.section(settings, name, "retention") for name in ([line] if line else model_registry.lines())
    }
    for name, policy in policies.items():
        try:
            parts.append(_line(name, policy, applied))
        except locks.Locked as error:
            parts.append(_left_alone(name, "locked", error))
            code = 4
        except model_registry.RegistryError as error:
            parts.append(_left_alone(name, "damaged", error))
            code = 1
    if not line:
        parts.append(_shared(retention.most_patient(policies.values()), applied))
    left = [item["path"] for part in parts for item in part["remove"] if part["state"] == "done" and item["left"]]
    if as_json:
        total = sum(part["bytes"] for part in parts)
        print(json.dumps({"applied": applied, "bytes": total, "lines": parts}, indent=1))
    else:
        print("\n".join(_text(parts, applied)))
    for path in left:
        print(f"newsdesk clean: could not remove {path}", file=sys.stderr)
    return 1 if left else code


def _left_alone(line: str, state: str, error: Exception) -> dict:
    return {"line": line, "state": state, "says": str(error), "kept": {}, "remove": [], "bytes": 0}


def _line(line: str, policy: retention.RetentionSettings, applied: bool) -> dict:
    if applied:
        decided = retention.apply(line, policy)
        gone = [int(item.name) for item in decided.remove if item.kind in ("version", "held")]
        says = "; ".join(filter(None, [decided.blind, _update_mlflow(line, gone)]))
    else:
        decided = retention.plan(retention.look(line, store=mlmd_store.connect()), policy)
        says = decided.blind
    return {
        "line": line,
        "kept": {str(n): list(why) for n, why in decided.kept.items()},
        **_removals(decided.remove, applied, says),
    }


def _shared(policy: retention.RetentionSettings, applied: bool) -> dict:
    items = retention.measured(retention.shared(policy))
    if applied:
        model_registry.clear([item.path for item in items])
    return {"line": SHARED, "kept": {}, **_removals(items, applied, "")}


def _removals(items: Iterable[retention.Item], applied: bool, says: str) -> dict:
    items = list(items if applied else retention.measured(items))
    return {
        "state": "done" if applied else "planned",
        "says": says,
        "bytes": sum(item.bytes for item in items),
        "remove": [
            {"kind": i.kind, "name": i.name, "path": str(i.path), "bytes": i.bytes, "left": applied and i.path.exists()}
            for i in items
        ],
    }


def _text(parts: list[dict], applied: bool) -> Iterable[str]:
    """For people: one registered model after the other, then the sum."""
    for part in parts:
        if part["state"] in ("locked", "damaged"):
            yield f"{part['line']}: left alone. {part['says']}"
            continue
        if part["line"] != SHARED or part["remove"]:
            yield part["line"]
        for version, why in part["kept"].items():
            yield f"  keep    version {version:<6}{', '.join(why)}"
        for kind in ("version", "held", "run", "mlflow", "artifact", "scored", "cache", "staging"):
            items = [item for item in part["remove"] if item["kind"] == kind]
            if items and kind in ("version", "held"):
                for item in items:
                    yield f"  {'gone' if applied else 'remove':<8}version {item['name']:<14}{_mb(item['bytes'])}"
            elif items:
                amount = sum(item["bytes"] for item in items)
                yield f"  {'gone' if applied else 'remove':<8}{_counted(kind, len(items)):<22}{_mb(amount)}"
        if part["says"]:
            yield f"  {part['says']}"
    amount = _mb(sum(part["bytes"] for part in parts)).strip()
    yield f"{amount} freed" if applied else f"{amount} would be freed; `newsdesk clean --apply` does it"


def _counted(kind: str, count: int) -> str:
    one, many = _NAMES.get(kind, (kind, f"{kind}s"))
    return f"{count} {one if count == 1 else many}"


def _mb(amount: int) -> str:
    return f"{amount / 2**20:>9,.1f} MB"


def _update_mlflow(line: str, gone: list[int]) -> str:
    """Notes in MLflow that these versions are no longer kept; returns a message where that failed."""
    if not gone:
        return ""
    try:
        from components.registry import mlflow_sync

        mlflow_sync.note_removed(line, gone)
    except Exception as error:  # MLflow's and its database's: many classes
        return f"MLflow does not know yet ({type(error).__name__}: {error})"
    return ""
