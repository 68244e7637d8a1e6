"""`newsdesk data check` on the terminal: what was judged, and what was not read."""

import pytest

from components.core import fileio, paths
from components.core.states import DataDecision, NodeState
from pipelines.cli import data, node_runs, retrain

IGNORED = ["20261123/: not a dated folder (YYYY-MM-DD)", "notes.txt: not a data file (csv, tsv, jsonl, parquet)"]


@pytest.fixture
def ended(monkeypatch):
    """A check whose nodes are replaced: its run record lists `IGNORED`, and it ends with what is set in `ended`."""
    end: dict = {"verdict": None}

    def run_nodes(run_id, *_):
        fileio.write_json(paths.run_dir(run_id) / "run.json", {"run": run_id, "ignored": IGNORED})
        return end["result"]

    monkeypatch.setattr(retrain, "check_request", lambda request: None)
    monkeypatch.setattr(node_runs, "run_nodes", run_nodes)
    monkeypatch.setattr(node_runs, "run_node", lambda *_: (0, {}))
    monkeypatch.setattr(data, "_verdict", lambda run_id: end["verdict"])
    return end


@pytest.mark.parametrize(
    ("state", "code", "headline"),
    [
        (NodeState.FAILED, 1, "No data verdict: the check ended with failed"),
        (NodeState.USAGE, 2, "No data verdict: the check ended with usage"),
        (NodeState.STOPPED, 3, "Data verdict: stop"),
    ],
)
def test_a_verdict_is_told_only_where_the_data_is_the_reason(ended, capsys, state, code, headline):
    ended["result"] = {"state": state, "reasons": ["no space left"]}
    assert data.run({}, False) == code
    assert capsys.readouterr().out.splitlines()[1:3] == [headline, "  no space left"]


@pytest.mark.parametrize("as_json", [False, True])
def test_nodes_that_end_well_and_leave_no_verdict_are_a_failure(ended, capsys, as_json):
    ended["result"] = None
    assert data.run({}, as_json) == 1
    assert "no verdict" in capsys.readouterr().out


def test_what_was_not_read_is_listed_with_and_without_a_verdict(ended, capsys):
    ended["result"] = {"state": NodeState.STOPPED, "reasons": []}
    data.run({}, False)
    shown = capsys.readouterr().out
    ended["verdict"] = {
        "decision": DataDecision.PASS, "findings": [], "rows": {"quarantined": 0}, "quarantine": "q", "page": "p",
    }  # fmt: skip
    ended["result"] = None
    data.run({}, False)
    for text in (shown, capsys.readouterr().out):
        assert [line for line in text.splitlines() if "not read" in line] == [f"  not read: {what}" for what in IGNORED]


def test_a_retraining_s_end_lists_it_too_and_not_without_end(newsdesk_home):
    many = [f"old-{number}/: not a dated folder (YYYY-MM-DD)" for number in range(30)]
    fileio.write_json(paths.run_dir("r1") / "run.json", {"run": "r1", "ignored": many})
    shown = retrain.summary("r1", {"state": "failed", "reasons": ["x"]})
    assert f"not read: {many[0]}" in shown and "not read: 10 more" in shown and many[20] not in shown
