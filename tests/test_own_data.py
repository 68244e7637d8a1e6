"""A second task from its files to its predictions, every node real: init, retrain, release, predict."""

import json

import pytest
from run_kit import whole
from ticket_kit import TEAMS, tickets, write_tickets

from components.registry import model_registry
from pipelines.cli import main

pytestmark = pytest.mark.slow


def test_eight_teams_of_tickets_become_a_line_that_serves(tmp_path, capsys):
    source = write_tickets(tmp_path / "tickets")
    assert main.main(["init", str(source)]) == 0
    request = {"source": str(source), "line": "tickets", "preset": "linear", "set": {"gates.min_rows": 50}}
    states, outcome = whole("tickets", request, capsys)
    assert outcome["state"] == "released", (states, outcome["reasons"])
    card = model_registry.card("tickets", outcome["version"])
    assert set(card["metrics"]["per_class"]) == set(TEAMS) and card["metrics"]["accuracy"] > 0.9
    assert model_registry.champion("news") is None
    asked = tickets(8, seed=9)
    assert main.main(["predict", *(text for _, text in asked), "--line", "tickets", "--json"]) == 0
    answers = json.loads(capsys.readouterr().out)
    assert [answer["label"] for answer in answers] == [team for team, _ in asked]
