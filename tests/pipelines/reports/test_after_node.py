"""Pages are drawn from JSON after a node, and never decide how the node ended."""

from components.core import fileio, paths
from pipelines.reports import after_node

VERDICT = {
    "run": "r", "decision": "blessed", "reasons": ["<b>good</b>"], "warnings": [], "digest": "d" * 64, "comparisons": {},
    "metrics": {"accuracy": 0.9, "interval": [0.8, 1.0], "rows": 2, "confusion": [[1, 0], [0, 1]]},
}  # fmt: skip


def draw(folder, **shown):
    fileio.write_json(folder / "verdict.json", VERDICT)
    fileio.write_json(
        folder / "verdict_page.json",
        {"labels": ["A", "<script>"], "bins": [], "differing": None, "curves": [], "data": None, **shown},
    )
    after_node.draw("ModelGate", "r", {})


def test_the_verdict_page_is_drawn_from_the_json_that_the_node_left():
    folder = paths.run_dir("r")
    draw(folder)
    page = (folder / "verdict.html").read_text()
    assert 'Model verdict: <span class="good">blessed' in page
    assert "&lt;b&gt;good" in page and "<script>" not in page


def test_the_data_verdict_s_page_is_named_from_the_state_folder_on():
    folder = paths.run_dir("r")
    draw(
        folder, data={"decision": "pass", "reasons": [], "page": "../../artifacts/news/DataGate/verdict/4/verdict.html"}
    )
    page = (folder / "verdict.html").read_text()
    assert "<code>NEWSDESK_HOME/artifacts/news/DataGate/verdict/4/verdict.html</code>" in page
    assert "href=" not in page and str(paths.home()) not in page


def test_a_page_that_cannot_be_drawn_is_reported_and_fails_nothing(capsys):
    folder = paths.run_dir("r")
    draw(folder, differing={"not": "what it takes"})
    assert not (folder / "verdict.html").exists()
    assert "ModelGate: its page could not be drawn; the result stands" in capsys.readouterr().err


def test_a_node_without_a_page_draws_nothing():
    after_node.draw("StatisticsGen", "r", {})
    assert not paths.run_dir("r").exists()
