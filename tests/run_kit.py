"""Whole runs in one process, every node real, through the function behind `python -m pipelines.run_node`."""

import json

from pipelines import run_node
from pipelines.flow import FLOW

# A bag of so few articles gets half of the reviewed pairs wrong, which differ in their words' order, and is far behind the linear
# baseline on its 120 test rows: the comparisons are held elsewhere (tests/components/test_model_gate.py).
SMALL = {
    "gates.floor": 0.5, "gates.min_rows": 100, "gates.max_flips": 0.49, "gates.flip_margin": 0.49, "gates.alpha": 1e-9,
}  # fmt: skip
BAG = {"preset": "bag", "set": {**SMALL, "training.epochs": 8, "data.min_rows": 100}}


def node(name: str, run: str, config: dict, attempt: str = "", capsys=None) -> tuple[int, dict]:
    args = ["--node", name, "--run-id", run, "--config", json.dumps(config), "--attempt", attempt]
    code = run_node.execute(run_node.parse(args))
    captured = capsys.readouterr()
    return code, json.loads(captured.out.strip().splitlines()[-1])


def whole(run: str, config: dict, capsys) -> tuple[dict, dict]:
    """States of all nodes and the outcome of a run."""
    states = {}
    for each in FLOW:
        code, result = node(each.name, run, config, capsys=capsys)
        states[each.name] = result["state"]
        if code not in (0, 99):
            break
    return states, node("close", run, {}, capsys=capsys)[1]["outcome"]
