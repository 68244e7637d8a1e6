"""The table of `make bench-models`: a spread or no figure, and what an earlier page says of models that are not measured anew."""

import models
import models_page
import numpy as np
import pytest
import step_cost


def run(seed: int, test: float, **more) -> dict:
    return {
        "seed": seed, "test": test, "clean": test - 0.01, "eval": 0.9, "ece": 0.01, "recall": [test, 0.9], "seconds": 30.0,
        "p50": 1.0, "size": 12.0, "date": f"2026-11-2{seed}", **more,
    }  # fmt: skip


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_row_shows_mean_spread_and_the_seeds_it_ran_with():
    row = cells(models_page.line("`bag`", [run(1, 0.90), run(2, 0.92), run(4, 0.94)]))
    assert row[:3] == ["`bag`", "3 (seeds 1, 2, 4)", "0.9200 ± 0.0200"]
    assert row[5] == "0.900–0.940 0.900"
    assert row[-1] == "2026-11-24", "the day of the last run"


def test_one_seed_of_several_gives_no_figure_at_all():
    row = models_page.line("`bag`", [run(1, 0.9123)])
    assert "no figure" in row and "0.9" not in row
    assert len(cells(row)) == len(cells(models_page.HEAD.splitlines()[0]))


def test_a_model_without_a_seed_has_its_figure_from_one_run():
    assert cells(models_page.line("`linear`", [run(1, 0.9123, ece=None)], seedless=True))[1:3] == [
        "1 (no seed)",
        "0.9123",
    ]


@pytest.mark.parametrize(("taken", "shown"), [([900, 40, 60], "900, then 50"), ([70, 75, 80], "75")])
def test_seconds_of_a_run_that_filled_the_cache_stand_apart(taken, shown):
    runs = [run(seed, 0.9, seconds=seconds) for seed, seconds in enumerate(taken)]
    assert cells(models_page.line("`bert`", runs))[7] == shown


@pytest.fixture
def kept(tmp_path):
    """Measurements with two runs of `bag`, and the cost of one preset's steps."""
    kept = models.Kept(tmp_path / "models.jsonl", "abc")
    for seed in (1, 2):
        kept.put("bag", seed, run(seed, 0.91 + seed / 100))
    kept.put_cost("nightly", {"seconds": 3.6, "batch": 64, "steps": 2000, "precision": "float32"})
    return kept


ROWS = {split: (None, np.zeros(count)) for split, count in (("train", 900), ("eval", 60), ("test", 120))}


def test_a_page_written_again_is_the_same_page(kept):
    page = models.write(kept, ROWS, models.PAGE.read_text())
    assert models.write(kept, ROWS, page) == page


def test_rows_of_models_that_are_not_measured_here_stay_and_measured_ones_are_new(kept):
    before, after = models.PAGE.read_text(), models.write(kept, ROWS, models.PAGE.read_text())
    old, new = models_page.lines_of(before), models_page.lines_of(after)
    assert set(new) >= set(old) and len(old) > 3
    assert {name for name in old if old[name] != new[name]} == {"`bag`"}
    assert cells(new["`bag`"])[2] == "0.9250 ± 0.0071"


def test_presets_without_a_figure_are_named_with_what_they_cost_and_what_is_known_of_their_recipe(kept):
    page = models.write(kept, ROWS, "")
    missing = page.partition("no figure of it is quoted anywhere: ")[2].partition(".\n")[0]
    assert "`nightly`" in missing and "`linear`" in missing and "`bag`" not in missing
    assert "| `nightly` | float32 | 3.60 | 64 | 2,000 | 2.0 |" in page
    assert "measured with PyTorch on a GPU: 0.9398 ± 0.0010\n" in page


def test_a_measurement_is_found_by_rows_name_seed_and_settings_and_replaced_by_a_new_one(kept, monkeypatch):
    kept.put("bag", 2, run(2, 0.95))
    assert [each["test"] for each in kept.all("bag")] == [0.92, 0.95]
    assert kept.get("bag", 2)["test"] == 0.95 and kept.get("bag", 3) is None and not kept.all("linear")
    assert models.Kept(kept.path, "other rows").get("bag", 2) is None
    monkeypatch.setattr(models, "settings_of", lambda name: {"network": "another"})
    assert kept.get("bag", 2) is None


def test_an_encoder_page_without_the_recipe_is_an_error():
    with pytest.raises(ValueError, match="a row of `nightly`"):
        models_page.recipe("# The recipe\n| recipe | alone | both |\n")


def test_a_processor_is_named_with_what_it_can_multiply_by(tmp_path):
    path = tmp_path / "cpuinfo"
    path.write_text("model name : EPYC\nflags : fpu avx2 avx512f\n")
    assert step_cost.processor(path) == "EPYC (has avx2, avx512f; lacks avx512_bf16, amx_bf16)"
    assert step_cost.processor(tmp_path / "none").startswith("unknown (has none;")
