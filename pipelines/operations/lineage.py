"""`newsdesk lineage N`: from a version to the data files, the code, the settings and every node's artifacts, as text, JSON and a page.

The version's record and its origin are files that stay as long as the registry does; what each node read and made is asked from MLMD,
without TFX. The page is written to `NEWSDESK_HOME/lineage/<line>-<N>.html`.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from components.core import fileio, paths
from components.registry import model_registry
from pipelines.reports import page_blocks
from pipelines.reports.lineage_picture import picture
from pipelines.runner import mlmd_store


def collect(line: str, version: int) -> dict:
    """Everything known about the origin of a version.

    `nodes` are MLMD's executions as `mlmd.executions` gives them, without their parameters; `mlmd` is empty, or the reason why there are
    none. `present` on a data file: whether it still exists where it was read; its content is not checked.

    Raises:
        model_registry.RegistryError: the version is not registered.
    """
    card = model_registry.card(line, version)
    if card is None:
        raise model_registry.RegistryError(f"a version must be registered in line {line!r}. Received: {version}")
    origin = fileio.read_json(model_registry.origin_path(line, version)) or {}
    record = origin.get("record") or fileio.read_json(paths.run_dir(card["run"]) / "run.json") or {}
    config = record.get("config", {})
    files = origin.get("files") or record.get("files", [])
    nodes, no_nodes = _nodes(line, card["run"])
    folder = model_registry.folder(line, version)
    manifest = (fileio.read_json(folder / model_registry.MANIFEST) if folder else None) or {}
    return {
        "line": line,
        "version": version,
        "aliases": model_registry.aliases(line).get(version, []),
        "digest": card["digest"],
        "folder": str(folder) if folder else None,
        "removed": model_registry.removed(line).get(version) if not folder else None,
        "files": manifest.get("files", {}),
        "created": card["created"],
        "metrics": card["metrics"],
        "run": {
            "id": card["run"],
            "airflow": record.get("airflow", ""),
            "mlmd": f"{line}.{card['run']}",
            "trigger": record.get("trigger", ""),
            "interval": record.get("interval"),
            "created": record.get("created", ""),
        },
        "data": {
            **{name: card["data"][name] for name in ("source", "window", "as_of", "hash", "rows")},
            "files": [{**file, "present": Path(file.get("path", "")).exists()} for file in files],
        },
        "code": card["code"],
        "seed": card["seed"],
        "preset": card["preset"],
        "parameters": {part: config.get(part, {}) for part in ("network", "training", "data", "gates")},
        "libraries": origin.get("libraries", {}),
        "vocabulary": (origin.get("vocabulary") or {}).get("fingerprint", ""),
        "nodes": nodes,
        "mlmd": no_nodes,
        "promotions": [e for e in model_registry.history(line) if version in (e["from"], e["to"])],
    }


def _nodes(line: str, run: str) -> tuple[list[dict], str]:
    store = mlmd_store.connect()
    if store is None:
        return [], "MLMD cannot be read here: no metadata.sqlite, or an environment without ml_metadata"
    # The last of each node: earlier ones failed, or were withdrawn when the node was repeated.
    nodes = list({node["node"]: node for node in mlmd_store.executions(store, line, run)}.values())
    for node in nodes:
        del node["parameters"]  # the run's record has them, and here they would hold the list of files once a node
    return nodes, "" if nodes else f"MLMD has no execution of run {run}"


def blocks(lineage: dict) -> Iterator[tuple]:
    """The page's blocks (`pipelines.reports.page_blocks`). lineage: as `collect` gives it."""
    yield from _version_blocks(lineage)
    yield from _data_blocks(lineage["data"])
    yield from _settings_blocks(lineage)
    yield from _run_blocks(lineage)
    yield from _serving_blocks(lineage)


def _facts(*rows: tuple) -> tuple:
    """A table of names and values."""
    return "table", ("", ""), list(rows)


def _version_blocks(lineage: dict) -> Iterator[tuple]:
    removed = (lineage["removed"] or {}).get("why", "its folder is gone")
    yield _facts(
        ("version", ", ".join([f"{lineage['version']} of {lineage['line']}", *lineage["aliases"]])),
        ("test accuracy", f"{lineage['metrics']['accuracy']:.4f} on {lineage['metrics']['rows']:,} rows"),
        ("folder", lineage["folder"] or f"no longer kept: {removed}"),
        ("content digest", lineage["digest"]),
        ("made", lineage["created"]),
    )
    if lineage["nodes"]:
        yield "drawing", picture(lineage["nodes"])


def _data_blocks(data: dict) -> Iterator[tuple]:
    yield "heading", "Data"
    yield (
        "text",
        f"{data['source']}, window {data['window']}, as of {data['as_of']}: {data['rows']:,} train rows. Hash of the list {data['hash']}",
    )
    rows = [
        (
            f.get("path", ""),
            f.get("split", ""),
            str(f.get("in", "")),
            f.get("sha256", ""),
            "yes" if f["present"] else "no",
        )
        for f in data["files"]
    ]
    table = ("table", ("file", "split", "rows", "sha256", "still there"), rows)
    yield table if len(rows) <= 12 else ("folded", f"{len(rows)} files", [table])


def _settings_blocks(lineage: dict) -> Iterator[tuple]:
    yield "heading", "Code and settings"
    versions = ", ".join(f"{name} {number}" for name, number in lineage["libraries"].items())
    yield _facts(
        ("code and libraries", lineage["code"]),
        ("preset", lineage["preset"]),
        ("seed", lineage["seed"]),
        ("vocabulary", lineage["vocabulary"] or "not recorded"),
        ("versions", versions or "not recorded"),
    )
    settings = [
        (f"{part}.{name}", _short(value)) for part, of in lineage["parameters"].items() for name, value in of.items()
    ]
    yield "folded", f"{len(settings)} settings", [("table", ("setting", "value"), settings)]


def _run_blocks(lineage: dict) -> Iterator[tuple]:
    run = lineage["run"]
    yield "heading", "Run"
    yield _facts(
        ("run", run["id"]),
        ("Airflow run", run["airflow"] or "none recorded"),
        ("MLMD run context", run["mlmd"]),
        ("trigger", run["trigger"] or "not recorded"),
        ("interval", " to ".join(run["interval"] or []) or "none"),
    )
    yield "heading", "Nodes and artifacts"
    if lineage["mlmd"]:
        yield "text", lineage["mlmd"]
    for node in lineage["nodes"]:
        rows = [
            (side[:-1], a["key"], a["id"], a["type"], a["uri"], f"execution {a['made_by']}", a["state"].lower())
            for side in ("inputs", "outputs")
            for a in node[side]
        ]
        heads = ("", "key", "artifact", "type", "URI", "made by", "state")
        yield "folded", f"{node['node']}: execution {node['id']}, {node['state'].lower()}", [("table", heads, rows)]


def _serving_blocks(lineage: dict) -> Iterator[tuple]:
    yield "heading", "Promotions"
    events = [
        (e["time"], e["kind"], f"{e['from'] or 'none'} to {e['to']}", e["who"], e["reason"])
        for e in lineage["promotions"]
    ]
    if events:
        yield "table", ("time", "kind", "champion", "by", "why"), events
    else:
        yield "text", "It has never served."
    if lineage["files"]:
        yield "heading", "What serves"
        table = ("table", ("file", "sha256"), sorted(lineage["files"].items()))
        yield "folded", f"{len(lineage['files'])} files", [table]


def page(lineage: dict) -> Path:
    """Writes the page; returns where."""
    path = paths.home() / "lineage" / f"{lineage['line']}-{lineage['version']}.html"
    fileio.write_text(path, page_blocks.as_html(f"Lineage: {lineage['line']} {lineage['version']}", blocks(lineage)))
    return path


def text(lineage: dict) -> list[str]:
    """The same for a terminal, one line each."""
    run, data = lineage["run"], lineage["data"]
    lines = [
        f"{lineage['line']} version {lineage['version']} ({', '.join(lineage['aliases']) or 'no alias'}), digest {lineage['digest'][:12]}",
        f"  folder   {lineage['folder'] or 'no longer kept'}",
        f"  data     {data['source']}, {data['rows']:,} rows, {len(data['files'])} files, list {data['hash'][:12]}",
    ]
    lines += [
        f"             {f.get('sha256', '')[:12]}  {f.get('split', ''):<6}{f.get('path', '')}"
        for f in data["files"][:20]
    ]
    if len(data["files"]) > 20:
        lines.append(f"             and {len(data['files']) - 20} more; the page lists them")
    lines += [
        f"  code     {lineage['code'][:12]}, preset {lineage['preset']}, seed {lineage['seed']}, vocabulary {lineage['vocabulary'][:12] or '-'}",
        f"  run      {run['id']}, trigger {run['trigger'] or '-'}, Airflow {run['airflow'] or '-'}",
    ]
    for node in lineage["nodes"]:
        made = ", ".join(f"{a['key']} #{a['id']}" for a in node["outputs"])
        lines.append(f"  {node['node']:<18}execution {node['id']:<5}{node['state'].lower():<10}{made}")
    lines += [f"  {lineage['mlmd']}"] if lineage["mlmd"] else []
    for e in lineage["promotions"]:
        lines.append(f"  {e['time']}  {e['kind']} {e['from']} -> {e['to']} by {e['who']}: {e['reason']}")
    return lines


def _short(value) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
