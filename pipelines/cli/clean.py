"""`newsdesk clean`: says what the retention policy would remove and how much that frees; with `--apply`, removes it.

The plan alone is the default, because a model that is gone is not made again by itself. `make clean` is the other half, and asks nobody:
what is made again by itself, in the checkout as well as in the state folder.
"""

import argparse
import json
import sys
from collections.abc import Iterable

from components.core import locks, paths
from components.registry import model_registry
from pipelines.config import run_config
from pipelines.operations import retention
from pipelines.runner import mlmd_store

SHARED = "(no line)"
_NAMES = {
    "artifact": ("artifact folder", "artifact folders"), "scored": ("scored batch", "scored batches"),
    "cache": ("cache entry", "cache entries"), "staging": ("leftover", "leftovers"),
}  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Prints the plan, or what was done; returns the exit code: 4 where a run works on a line and that was left alone."""
    settings = run_config.settings()
    paths.ensure()
    told, code = [], 0
    lines = [paths.safe_name(args.line, "line")] if args.line else model_registry.lines()
    policies = {line: run_config.section(settings, line, "retention") for line in lines}
    for line, policy in policies.items():
        try:
            told.append(_line(line, policy, args.apply))
        except locks.Locked as error:
            told.append({"line": line, "state": "locked", "says": str(error), "kept": {}, "remove": [], "bytes": 0})
            code = 4
        except model_registry.RegistryError as error:
            told.append({"line": line, "state": "damaged", "says": str(error), "kept": {}, "remove": [], "bytes": 0})
            code = 1
    if not args.line:
        told.append(_shared(retention.most_patient(policies.values()), args.apply))
    left = [item["path"] for part in told for item in part["remove"] if part["state"] == "done" and item["left"]]
    if args.json:
        print(json.dumps({"applied": args.apply, "bytes": sum(p["bytes"] for p in told), "lines": told}, indent=1))
    else:
        print("\n".join(_shown(told, args.apply)))
    for path in left:
        print(f"newsdesk clean: could not remove {path}", file=sys.stderr)
    return 1 if left else code


def _line(line: str, policy: retention.Policy, applied: bool) -> dict:
    if applied:
        decided = retention.apply(line, policy)
        gone = [int(item.name) for item in decided.remove if item.kind in ("version", "held")]
        says = "; ".join(filter(None, [decided.blind, _tell_catalogue(line, gone)]))
    else:
        decided = retention.plan(retention.look(line, store=mlmd_store.connect()), policy)
        says = decided.blind
    return {
        "line": line,
        "kept": {str(n): list(why) for n, why in decided.kept.items()},
        **_told(decided.remove, applied, says),
    }


def _shared(policy: retention.Policy, applied: bool) -> dict:
    items = retention.measured(retention.shared(policy))
    if applied:
        model_registry.clear([item.path for item in items])
    return {"line": SHARED, "kept": {}, **_told(items, applied, "")}


def _told(items: Iterable[retention.Item], applied: bool, says: str) -> dict:
    items = list(items if applied else retention.measured(items))
    return {
        "state": "done" if applied else "planned", "says": says, "bytes": sum(item.bytes for item in items),
        "remove": [
            {"kind": i.kind, "name": i.name, "path": str(i.path), "bytes": i.bytes, "left": applied and i.path.exists()}
            for i in items
        ],
    }  # fmt: skip


def _shown(told: list[dict], applied: bool) -> Iterable[str]:
    """For people: a line of the registry after the other, then the sum."""
    for part in told:
        if part["state"] in ("locked", "damaged"):
            yield f"{part['line']}: left alone. {part['says']}"
            continue
        if part["line"] != SHARED or part["remove"]:
            yield part["line"]
        for version, why in part["kept"].items():
            yield f"  keep    version {version:<6}{', '.join(why)}"
        for kind in ("version", "held", "run", "artifact", "scored", "cache", "staging"):
            found = [item for item in part["remove"] if item["kind"] == kind]
            if found and kind in ("version", "held"):
                for item in found:
                    yield f"  {'gone' if applied else 'remove':<8}version {item['name']:<14}{_mb(item['bytes'])}"
            elif found:
                amount = sum(item["bytes"] for item in found)
                yield f"  {'gone' if applied else 'remove':<8}{_counted(kind, len(found)):<22}{_mb(amount)}"
        if part["says"]:
            yield f"  {part['says']}"
    amount = _mb(sum(part["bytes"] for part in told)).strip()
    yield f"{amount} freed" if applied else f"{amount} would be freed; `newsdesk clean --apply` does it"


def _counted(kind: str, count: int) -> str:
    one, many = _NAMES.get(kind, (kind, f"{kind}s"))
    return f"{count} {one if count == 1 else many}"


def _mb(amount: int) -> str:
    return f"{amount / 2**20:>9,.1f} MB"


def _tell_catalogue(line: str, gone: list[int]) -> str:
    """Says in MLflow that these versions are kept no longer; returns what there is to say where that failed."""
    if not gone:
        return ""
    try:
        from components.registry import mlflow_sync

        mlflow_sync.note_removed(line, gone)
    except Exception as error:  # MLflow's and its database's: many classes
        return f"MLflow does not know yet ({type(error).__name__}: {error})"
    return ""
