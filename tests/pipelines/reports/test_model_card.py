"""The model card: everything a reader needs, from the version's files, in two forms, whatever the files hold."""

import html.parser
import json
import re

import pytest

from components.core import fileio, intervals, paths
from components.registry import model_registry
from pipelines.reports import model_card, page_blocks

LINE = "news"
HOSTILE = '<script>alert("x")</script> | `rm` [a](javascript:x) & *b*'


@pytest.fixture
def version():
    """Version 2 with a record and an origin, as the Registrar writes them."""
    card = {
        "version": 2, "line": LINE, "preset": "bag", "created": "2026-11-22T10:00:00+00:00", "digest": "d1" * 32,
        "folder": "/serving/news/2", "run": "run-2", "seed": 3, "code": "c0de", "vocabulary": "f00d", "warnings": [HOSTILE],
        "metrics": {
            "accuracy": 0.9, "interval": [0.88, 0.92], "rows": 400, "per_class": {"World": 0.8, "Sports": 1.0},
            "calibration_error": 0.0134, "coverage": [{"min_confidence": 0.95, "rows": 250, "coverage": 0.625, "accuracy": 0.984}],
        },
        "comparisons": {
            "champion": {"accuracy": 0.89, "won": 9, "lost": 5, "low": -0.01, "high": 0.03, "p_worse": 0.9},
        },
        "data": {"source": HOSTILE, "window": "all", "as_of": "2026-11-22", "hash": "da7a", "rows": 9000, "files": 1},
    }  # fmt: skip
    origin = {
        "record": {
            "airflow": "scheduled__2026-11-22", "trigger": "scheduled",
            "config": {"family": "bag", "labels": ["World", "Sports"], "network": {"width": 32}, "training": {"epochs": 3}},
        },
        "files": [{"path": f"/data/{HOSTILE}.csv", "split": "train", "span": "", "sha256": "ab" * 32, "in": 9000}],
        "vocabulary": {"fingerprint": "f00d", "tokens": 1070, "eval": {"unknown_share": 0.013}},
        "training": {"epochs": 3, "seconds": 54.2, "accuracy": 0.9205}, "canary": {"p50_ms": 1.25, "p99_ms": 2.5},
        "confusion": [[160, 40], [0, 200]], "bytes": 5 * 2**20,
        "behaviour": {"typo": {"rows": 300, "flipped": 6, "share": 0.02, "champion": 0.03}},
    }  # fmt: skip
    fileio.write_json(paths.registry_dir(LINE) / "versions" / "2.json", card)
    fileio.write_json(model_registry.origin_path(LINE, 2), origin)
    return card


def written():
    return {kind: path.read_text() for kind, path in model_card.write(LINE, 2).items()}


def test_both_forms_say_what_it_is_what_it_learned_from_how_good_it_is_and_how_to_load_it(version):
    for kind, text in written().items():
        plain = re.sub(r"\\(.)|<[^>]*>", r"\1", text)
        for fact in (
            "Test accuracy 0.9000 (95% interval 0.8800 to 0.9200) on 400 held-out rows", "9,000", "da7a", "f00d", "c0de",
            "1,070 tokens, 1.3% of unseen text outside them", "3 epochs, 54 s, validation accuracy 0.9205", "5.0 MB",
            "Expected calibration error 0.013", "62.5%", "0.9840", "9 rows won, 5 lost, 95% interval -0.0100 to +0.0300", "0.7391 to 0.8495", "2.0%", "1.2 ms", "2.5 ms",
            "scheduled__2026-11-22", "news.run-2", "network.width", "Not for decisions about people", "non-commercial",
            "It waits for a person", "Client(", "saved_model.load(", "models:/news@champion",
        ):  # fmt: skip
            assert fact in plain.replace("&quot;", '"'), (kind, fact)


def test_what_came_from_data_is_escaped_in_both_forms(version):
    found = written()
    assert "<script>" not in found["html"] and "&lt;script&gt;" in found["html"]
    assert "<script>" not in found["md"]
    assert "[a](javascript" not in found["md"]
    cells = [line for line in found["md"].splitlines() if line.startswith("| source")]
    assert len(re.findall(r"(?<!\\)\|", cells[0])) == 3


def test_the_page_is_whole_and_asks_for_nothing_from_elsewhere(version):
    class Reader(html.parser.HTMLParser):
        asked, tags = [], []

        def handle_starttag(self, tag, attributes):
            self.tags.append(tag)
            self.asked += [value for name, value in attributes if name in ("src", "href", "srcset")]

    reader = Reader()
    reader.feed(written()["html"])
    assert reader.asked == []
    assert {"style", "table", "h2", "details"} <= set(reader.tags) and not {"script", "link", "img"} & set(reader.tags)
    assert "prefers-color-scheme: dark" in written()["html"]


def test_a_version_of_before_the_origin_was_kept_has_a_card_that_says_what_it_does_not_know(version):
    model_registry.origin_path(LINE, 2).unlink()
    assert "not recorded" in written()["md"]


def test_the_interval_of_a_class_is_the_one_that_the_gate_uses(version):
    low, high = intervals.wilson(0.8, 200)
    assert f"{low:.4f} to {high:.4f}" == "0.7391 to 0.8495"  # as worked by hand
    assert all("0.7391 to 0.8495" in text for text in written().values())


def test_a_version_that_is_not_registered_has_no_card(version):
    assert model_card.write(LINE, 9) == {}
    assert model_registry.card(LINE, 9) is None


def test_a_block_that_is_none_is_refused():
    for form in (page_blocks.as_html, page_blocks.as_markdown):
        with pytest.raises(ValueError, match=r"a block must be one of.*Received: "):
            form("title", [("picture", "x")])


def test_the_version_s_record_stays_readable_as_json_beside_it(version):
    written()
    assert json.loads((paths.registry_dir(LINE) / "versions" / "2.json").read_text()) == version
    assert [card["version"] for card in model_registry.versions(LINE)] == [2]
