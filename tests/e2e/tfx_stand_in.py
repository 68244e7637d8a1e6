"""Stands in for the Python of the TFX environment where a test is about Airflow: `<this file> -m pipelines.run_node …`.

The door, the run's record, the line's claim, the registry and the command line are the real ones; only `pipelines.launch`, which
would start TFX, is replaced. A node waits while a file `hold-<node>` lies in NEWSDESK_HOME.
"""

import json
import os
import sys
import time
import types

from pipelines import claims, home, registry

LABELS = ["World", "Sports", "Business", "Sci/Tech"]


def launch(record: dict, name: str, again: bool = False):
    """What `pipelines.launch.launch` does, as far as Airflow and the registry can see it."""
    run = record["run"]
    home.append_json(home.home() / "launched.jsonl", {"run": run, "node": name, "again": again})
    while (home.home() / f"hold-{name}").exists():
        time.sleep(0.1)
    folder, line = home.run_dir(run), record["config"]["line"]
    if name == "ModelGate":
        refused = record["config"]["seed"] == 13
        verdict = {
            "decision": "refused" if refused else "blessed",
            "reasons": ["seed 13 brings no luck" if refused else "good enough"],
            "metrics": {"accuracy": 0.5 if refused else 0.9},
        }
        home.write_json(folder / "verdict.json", verdict)
    if name == "Pusher" and not (folder / "pushed.json").exists():
        with claims.line_lock(line):
            version = registry.next_version(line)
            held = record["config"]["release"] == "hold"
            model = (registry.held_dir(line) if held else home.serving_dir(line)) / str(version)
            home.write_text(model / "saved_model.pb", run)
            files = registry.folder_hashes(model)
            manifest = {"version": version, "digest": registry.content_digest(files), "files": files}
            home.write_json(model / registry.MANIFEST, manifest)
        home.write_json(
            folder / "pushed.json", {"version": version, "folder": str(model), "digest": manifest["digest"]}
        )
    if name == "Registrar":
        pushed = home.read_json(folder / "pushed.json")
        verdict, version = home.read_json(folder / "verdict.json"), pushed["version"]
        metrics = {**verdict["metrics"], "interval": [0.88, 0.92], "rows": 400, "per_class": dict.fromkeys(LABELS, 0.9)}
        data = {"source": record["config"]["source"], "window": "all", "as_of": record["as_of"], "hash": "da7a"}
        card = {
            **{"version": version, "line": line, "preset": "bag", "created": home.now(), "run": run, "seed": 1},
            **{"digest": pushed["digest"], "folder": pushed["folder"], "code": record["code"], "metrics": metrics},
            **{"comparisons": {}, "warnings": [], "data": {**data, "rows": 400, "files": len(record["files"])}},
        }
        home.write_json(home.registry_dir(line) / "versions" / f"{version}.json", card)
        state = "released" if record["config"]["release"] == "auto" else "held"
        if state == "released" and not any(event["to"] == version for event in registry.history(line)):
            registry.move_champion(line, record["champion"], version, "release", "good enough", {"run": run})
        home.write_json(folder / "release.json", {"state": state, "version": version, "folder": pushed["folder"]})
    return types.SimpleNamespace(state="done", properties={"blessed": 1}, uris={})


def main() -> int:
    _, module, *arguments = sys.argv[1:]
    sys.argv = [module, *arguments]
    if module == "pipelines.run_node":
        os.environ["NEWSDESK_COLD"] = "1"
        sys.modules["pipelines.launch"] = types.SimpleNamespace(launch=launch)
        from pipelines import run_node

        return run_node.main()
    if module == "pipelines.cli":
        from pipelines import cli

        return cli.main()
    print(json.dumps({"stood in for": module}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
