"""`newsdesk promote` and `newsdesk rollback`: a person moves the champion pointer, with a reason that is kept."""

import argparse
import os
import sys

from pipelines import home, registry


def run(args: argparse.Namespace, line: str) -> int:
    """Moves the pointer, tells MLflow; returns the exit code."""
    if not args.reason.strip():
        print(f"newsdesk {args.command}: --reason must say why. Received: {args.reason!r}", file=sys.stderr)
        return 2
    event = promote(line, args.version, args.reason) if args.command == "promote" else rollback(line, args.reason)
    print(f"{line}: version {event['to']} serves now (before: {event['from']})")
    _tell_catalogue(line, event["to"])
    return 0


def promote(line: str, version: int, reason: str) -> dict:
    """Makes a version the champion; one that was held is moved to where it is served first.

    Raises:
        registry.RegistryError: there is no such version, or it is damaged.
    """
    held, served = home.registry_dir(line) / "held" / str(version), home.serving_dir(line) / str(version)
    if held.is_dir() and not served.exists():
        registry.verify(held)
        served.parent.mkdir(parents=True, exist_ok=True)
        os.rename(held, served)
        home.sync_folder(served.parent)
    if not served.is_dir():
        raise registry.RegistryError(f"a version must exist to be promoted. Received: line {line!r}, version {version}")
    return registry.move_champion(line, registry.champion(line), version, "promote", reason, {})


def rollback(line: str, reason: str) -> dict:
    """Makes the version that served before the champion serve again.

    Raises:
        registry.RegistryError: there was none before.
    """
    pointer = registry.champion(line)
    before = pointer and pointer["event"]["from"]
    if before is None:
        raise registry.RegistryError(f"a rollback needs a version that served before. Received: line {line!r} has none")
    return registry.move_champion(line, pointer, before, "rollback", reason, {})


def _tell_catalogue(line: str, version: int) -> None:
    card = next((c for c in registry.versions(line) if c["version"] == version), None)
    if card:
        from components import catalogue

        folder = home.serving_dir(line) / str(version)
        catalogue.follow(line, {**card, "folder": str(folder)}, registry.aliases(line))
