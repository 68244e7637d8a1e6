"""Stands in for the Python of the TFX environment where a test is about Airflow: `<this file> -m pipelines.run_node …`.

The node process, the run's record, the line's lock, the registry and the command line are the real ones. Only what needs TFX's
packages is replaced: the launcher, ML Metadata's database and the check of a line's schema. A node waits while a file `hold-<node>`
is in NEWSDESK_HOME.
"""

import json
import os
import signal
import sys
import time
import types

from components.core import clock, fileio, locks, paths
from components.registry import model_registry

LABELS = ["World", "Sports", "Business", "Sci/Tech"]


def launch(record: dict, name: str, attempt: str = "", again: bool = False):
    """What `pipelines.runner.tfx_launcher.launch` does, as far as Airflow and the registry can see it."""
    run = record["run"]
    fileio.append_json(paths.home() / "launched.jsonl", {"run": run, "node": name, "again": again})
    while (paths.home() / f"hold-{name}").exists():
        time.sleep(0.1)
    folder, line = paths.run_dir(run), record["config"]["line"]
    if name == "ModelGate":
        refused = record["config"]["seed"] == 13
        verdict = {
            "decision": "refused" if refused else "blessed",
            "reasons": ["seed 13 brings no luck" if refused else "good enough"],
            "metrics": {"accuracy": 0.5 if refused else 0.9},
        }
        fileio.write_json(folder / "verdict.json", verdict)
    if name == "Pusher" and not (folder / "pushed.json").exists():
        with locks.line_lock(line):
            version = model_registry.next_version(line)
            held = record["config"]["release"] == "hold"
            model = (model_registry.held_dir(line) if held else paths.serving_dir(line)) / str(version)
            fileio.write_text(model / "saved_model.pb", run)
            files = model_registry.folder_hashes(model)
            manifest = {"version": version, "digest": model_registry.content_digest(files), "files": files}
            fileio.write_json(model / model_registry.MANIFEST, manifest)
        fileio.write_json(
            folder / "pushed.json", {"version": version, "folder": str(model), "digest": manifest["digest"]}
        )
    if name == "Registrar":
        pushed = fileio.read_json(folder / "pushed.json")
        verdict, version = fileio.read_json(folder / "verdict.json"), pushed["version"]
        metrics = {**verdict["metrics"], "interval": [0.88, 0.92], "rows": 400, "per_class": dict.fromkeys(LABELS, 0.9)}
        data = {"source": record["config"]["source"], "window": "all", "as_of": record["as_of"], "hash": "da7a"}
        card = {
            **{"version": version, "line": line, "preset": "bag", "created": clock.now(), "run": run, "seed": 1},
            **{"digest": pushed["digest"], "folder": pushed["folder"], "code": record["code"], "metrics": metrics},
            **{"comparisons": {}, "warnings": [], "data": {**data, "rows": 400, "files": len(record["files"])}},
        }
        fileio.write_json(paths.registry_dir(line) / "versions" / f"{version}.json", card)
        state = "released" if record["config"]["release"] == "auto" else "held"
        if state == "released" and not any(event["to"] == version for event in model_registry.history(line)):
            model_registry.move_champion(line, record["champion"], version, "release", "good enough", {"run": run})
        fileio.write_json(folder / "release.json", {"state": state, "version": version, "folder": pushed["folder"]})
    return types.SimpleNamespace(state="done", properties={"blessed": 1}, uris={})


def main() -> int:
    _, module, *arguments = sys.argv[1:]
    sys.argv = [module, *arguments]
    if module == "pipelines.run_node":
        os.environ["NEWSDESK_COLD"] = "1"
        sys.modules["pipelines.runner.tfx_launcher"] = types.SimpleNamespace(launch=launch)
        from pipelines import run_node
        from pipelines.runner import line_folder, mlmd_store

        line_folder.check = lambda line, labels: None
        mlmd_store.ensure, mlmd_store.mend = lambda: 0, lambda: None

        return run_node.main()
    if module == "pipelines.cli.main":
        from pipelines.cli import main

        return main.main()
    if module == "pipelines.serving.answers":
        signal.pause()  # a part of the stack: it stays
    print(json.dumps({"stood in for": module}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
