"""The gate's rules on plain numbers, with p values worked out by hand; then the node on small real artifacts."""

import json
import math
import warnings
from pathlib import Path

import numpy as np
import published
import pytest
import tensorflow_model_analysis as tfma
from tfx.types.standard_artifacts import Examples, Model, ModelBlessing, ModelEvaluation
from tfx.utils import path_utils

from components import examples as records
from components import export, modelgate, modelgate_page
from components import paired as paired_tests
from pipelines import home, registry

LIMITS = published.LIMITS
SOUND = {
    "accuracy": 0.9, "tfma_accuracy": 0.9, "rows": 7600, "predicted_classes": 4, "not_finite": 0, "uncompared": [],
}  # fmt: skip


def answered(won, lost, both, neither=0):
    """truth, ours, theirs with these counts of rows, spread evenly over four classes."""
    rows = won + lost + both + neither
    truth = np.arange(rows, dtype=np.int64) % 4
    right = np.array(
        [[True, False]] * won + [[False, True]] * lost + [[True, True]] * both + [[False, False]] * neither
    )
    return truth, *(np.where(right[:, i], truth, (truth + 1) % 4) for i in (0, 1))


def paired(won, lost, both=100, neither=0):
    """A comparison with these counts of rows."""
    return paired_tests.compare(*answered(won, lost, both, neither), LIMITS, published.LABELS)


def verdict(comparisons=None, unchanged=False, **metrics):
    decision, reasons, _ = modelgate.decide({**SOUND, **metrics}, comparisons or {}, LIMITS, unchanged)
    return decision, "; ".join(reasons)


# --- the paired test ---


@pytest.mark.parametrize(
    ("won", "lost", "p_worse", "p_better"),
    [
        (0, 0, 1.0, 1.0),
        (0, 5, 1 / 32, 1.0),
        (1, 5, 7 / 64, 63 / 64),  # (6 + 1) / 2^6
        (2, 10, 79 / 4096, 1 - 13 / 4096),  # (66 + 12 + 1) / 2^12; all but (1 + 12)
        (3, 3, 42 / 64, 42 / 64),  # (20 + 15 + 6 + 1) / 2^6
    ],
)
def test_p_is_the_exact_chance_of_so_many_rows_or_more(won, lost, p_worse, p_better):
    found = paired(won, lost)
    assert (found["won"], found["lost"]) == (won, lost)
    assert found["p_worse"] == pytest.approx(p_worse)
    assert found["p_better"] == pytest.approx(p_better)


def test_rows_that_both_have_right_or_wrong_decide_nothing():
    few, many = paired(1, 5, both=10), paired(1, 5, both=10_000, neither=500)
    assert few["p_worse"] == many["p_worse"]
    assert few["difference"] == pytest.approx(-4 / 16)


def test_models_are_compared_on_the_same_rows_and_on_some():
    row = np.zeros(1, np.int64)
    for truth, ours, theirs in ((row[:0], row[:0], row[:0]), (row, row, row[:0])):
        with pytest.raises(ValueError, match=r"on the same rows. Received: "):
            paired_tests.compare(truth, ours, theirs, LIMITS, published.LABELS)


def test_the_interval_of_a_share_is_wilson_s():
    # 81 of 263, from Newcombe 1998, table I: 0.2553 to 0.3662.
    assert paired_tests.interval(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert paired_tests.interval(1.0, 10)[1] == pytest.approx(1.0)
    assert paired_tests.interval(0.0, 10)[0] == 0.0


def test_the_interval_of_a_paired_difference_is_agresti_and_min_s():
    # 40 won, 20 lost of 1,000: (40.5 - 20.5) / 1002 -/+ 1.96 * sqrt(61 - 20^2 / 1002) / 1002.
    middle, half = 20 / 1002, 1.959964 * math.sqrt(61 - 400 / 1002) / 1002
    found = paired(40, 20, both=940)
    assert (found["low"], found["high"]) == pytest.approx((middle - half, middle + half))


# --- the rules ---


def test_a_sound_candidate_is_blessed_with_its_figures():
    decision, said = verdict()
    assert decision == "blessed"
    assert said == "test accuracy 0.9000 on 7,600 rows (floor 0.7500)"


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ({"accuracy": 0.74, "tfma_accuracy": 0.74}, "under the floor 0.7500"),
        ({"rows": 10}, "10 test rows are too few to decide on (least 20)"),
        ({"accuracy": math.nan}, "must be a finite number"),
        ({"accuracy": None, "rows": 0}, "must be a finite number (TFMA: 0.9, own count: None)"),
        ({"tfma_accuracy": math.nan}, "must be a finite number"),
        ({"tfma_accuracy": math.inf}, "must be a finite number"),
        ({"tfma_accuracy": None}, "must be a finite number (TFMA: None"),
        ({"tfma_accuracy": 0.902}, "TFMA's accuracy 0.9020 and the gate's own count 0.9000 must agree"),
        ({"predicted_classes": 1}, "gives every row the same class"),
        ({"not_finite": 3}, "3 rows got a probability that is no finite number"),
        ({"uncompared": ["champion"]}, "there is a champion, and nothing to compare with it"),
    ],
)
def test_what_is_missing_too_small_or_no_number_is_refused(metrics, said):
    decision, reasons = verdict(**metrics)
    assert decision == "refused"
    assert said in reasons


def test_the_floor_itself_is_enough():
    assert verdict(accuracy=0.75, tfma_accuracy=0.75)[0] == "blessed"


def test_the_same_content_as_the_champion_is_unchanged_and_not_a_release():
    assert verdict(unchanged=True)[0] == "unchanged"


def test_a_warning_where_the_candidate_does_not_beat_the_baseline():
    decision, _, said = modelgate.decide(SOUND, {"baseline": paired(5, 4)}, LIMITS, False)
    assert decision == "blessed"
    assert said[0].startswith("not significantly better than the baseline")
    assert modelgate.decide(SOUND, {"baseline": paired(50, 4)}, LIMITS, False)[2] == []


def test_every_reason_is_given_and_not_the_first_alone():
    _, said = verdict({"champion": paired(0, 9)}, accuracy=0.5, tfma_accuracy=0.7, predicted_classes=1)
    for part in ("must agree", "under the floor", "the same class", "worse than the champion"):
        assert part in said


def of_7600(points, discordant=500):
    """A comparison on 7,600 rows in which the candidate loses this many points."""
    net = round(76 * points)
    lost = (discordant + net) // 2
    return paired(lost - net, lost, both=7600 - discordant - 600, neither=600)


@pytest.mark.parametrize("name", ["champion", "best"])
@pytest.mark.parametrize(
    ("points", "decision"),
    [(-1, "blessed"), (0, "blessed"), (0.1, "blessed"), (0.3, "blessed"), (1, "refused"), (5, "refused")],
)
def test_against_champion_and_best_equal_and_a_little_worse_pass_and_a_point_does_not(name, points, decision):
    assert verdict({name: of_7600(points, max(500, round(80 * points)))})[0] == decision


def test_a_loss_within_the_noise_that_may_be_a_point_is_refused_with_the_interval():
    decision, said = verdict({"champion": of_7600(0.45, 300)})
    assert decision == "refused"
    decision, said = verdict({"champion": of_7600(0.5, 900)})
    assert decision == "refused"
    assert "not shown to be less than 0.0100 worse than the champion" in said
    assert "95% -0.0" in said


def test_where_the_rows_are_too_few_to_show_a_loss_a_bare_test_decides_and_a_warning_says_so():
    decision, _, said = modelgate.decide(SOUND, {"champion": paired(4, 6, both=110)}, LIMITS, False)
    assert decision == "blessed"
    assert said[0].startswith("too few rows to show a loss of 0.0100 against the champion")
    assert verdict({"champion": paired(2, 14, both=110)})[0] == "refused"


def test_a_class_that_falls_is_refused_although_the_whole_is_better():
    """Business (label 2) loses 5 points of recall, the other classes win 3 each."""
    truth = np.arange(7600, dtype=np.int64) % 4
    place = np.arange(7600) // 4  # 0..1899 within each class
    theirs = np.where(place < 1700, truth, (truth + 1) % 4)
    ours = np.where(place < np.array([1757, 1757, 1605, 1757])[truth], truth, (truth + 1) % 4)
    found = paired_tests.compare(truth, ours, theirs, LIMITS, published.LABELS)
    assert found["better"]
    decision, said = verdict({"champion": found})
    assert decision == "refused"
    assert said.startswith("recall of Business fell by 0.0500 against the champion (limit 0.0200, 1,900 rows")
    assert verdict({"baseline": found})[0] == "blessed"


def test_a_class_that_falls_by_a_few_rows_of_few_is_noise():
    truth = np.arange(400, dtype=np.int64) % 4
    ours = truth.copy()
    ours[[2, 6, 10]] = 0
    assert not any(
        part["fell"] for part in paired_tests.compare(truth, ours, truth, LIMITS, published.LABELS)["classes"].values()
    )


def trials(points, count=500):
    """Share of candidates refused whose true accuracy on 7,600 rows is so many points under champion, best and baseline."""
    draw, refused = np.random.default_rng(5), 0
    for _ in range(count):
        # 0.92 of the rows are right; 6% differ, as between two trainings of one network.
        rates = [0.03 - points / 200, 0.03 + points / 200, 0.89, 0.05]
        counts = draw.multinomial(7600, rates)
        found = paired(*counts)
        refused += verdict({"champion": found, "best": found, "baseline": found})[0] == "refused"
    return refused / count


def test_the_rules_accept_equals_and_refuse_losses_at_the_stated_rates():
    assert trials(0) <= 0.10
    assert trials(-1) <= 0.05
    assert trials(1) >= 0.80
    assert trials(2) >= 0.99


def test_a_slow_decline_is_stopped_before_it_has_cost_a_point():
    """52 candidates, each truly 0.1 point worse than the one before, against champion and best on the same 7,600 rows."""
    draw, lost = np.random.default_rng(7), []
    for _ in range(40):
        first = draw.random(7600) < 0.92
        champion, best, serves = first, first, 0.0
        for step in range(1, 53):
            accuracy = 0.92 - step / 1000
            # About 6% of the rows differ from the first model's answers, with this accuracy in the mean.
            flip = (0.06 - (0.92 - accuracy)) / 2
            right = np.where(first, draw.random(7600) > (0.06 - flip) / 0.92, draw.random(7600) < flip / 0.08)
            truth = np.arange(7600) % 4

            def said(rows, truth=truth):
                return np.where(rows, truth, (truth + 1) % 4)

            found = {
                name: paired_tests.compare(truth, said(right), said(other), LIMITS, published.LABELS)
                for name, other in (("champion", champion), ("best", best))
            }
            if verdict(found, accuracy=float(right.mean()), tfma_accuracy=float(right.mean()))[0] == "blessed":
                champion, serves = right, step / 1000
                best = max(best, right, key=np.mean)
        lost.append(serves)
    assert np.mean(np.array(lost) < 0.01) >= 0.9
    assert max(lost) < 0.015


# --- the node ---


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """(folder of 200 test examples, folder of TFMA's evaluation of the good model on them)."""
    folder = tmp_path_factory.mktemp("evaluated")
    with records.Writer(str(folder / "examples")) as writer:
        for text, label in zip(*published.articles(200, seed=7)):
            writer.write("test", text.decode(), int(label))
    spec = {"signature_name": "serving_default", "label_key": "label", "prediction_key": "probabilities"}
    config = tfma.EvalConfig(
        model_specs=[tfma.ModelSpec(**spec)],
        slicing_specs=[tfma.SlicingSpec(), tfma.SlicingSpec(feature_keys=["label"])],
        metrics_specs=[tfma.MetricsSpec(metrics=[tfma.MetricConfig(class_name="SparseCategoricalAccuracy")])],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Beam's and TFMA's own
        tfma.run_model_analysis(
            eval_shared_model=tfma.default_eval_shared_model(str(published.model("good")), eval_config=config),
            eval_config=config,
            data_location=records.files(str(folder / "examples"), "test")[0],
            file_format="tfrecords",
            output_path=str(folder / "evaluation"),
        )
    return folder / "examples", folder / "evaluation"


@pytest.fixture
def gate(evaluated, tmp_path):
    """Runs the node for a kind of candidate; returns (verdict, blessing artifact)."""

    def work(kind="good", champion=None, baseline=None, digest=None):
        def served(kind, name):
            artifact = Model()
            artifact.uri = str(tmp_path / f"{name}-{kind}")
            link = Path(path_utils.serving_model_dir(artifact.uri))
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(published.model(kind) if name == "baseline" else home.serving_dir(published.LINE) / "1")
            return artifact

        candidate, examples, evaluation, blessing = Model(), Examples(), ModelEvaluation(), ModelBlessing()
        candidate.uri = str(tmp_path / f"candidate-{kind}")
        folder = Path(path_utils.serving_model_dir(candidate.uri))
        folder.parent.mkdir(parents=True, exist_ok=True)
        if not folder.exists():
            folder.symlink_to(published.model(kind))
        examples.uri, evaluation.uri, blessing.uri = str(evaluated[0]), str(evaluated[1]), str(tmp_path / "blessing")
        Path(blessing.uri).mkdir(exist_ok=True)
        if champion:
            published.release("run-1", champion)
            digest = registry.champion(published.LINE)["digest"]
        modelgate.ModelGate.test_call(
            run="run-2", labels=json.dumps(published.LABELS), limits=json.dumps(LIMITS), champion_digest=digest or "",
            examples=examples, model=candidate, evaluation=evaluation, blessing=blessing,
            champion=served(champion, "champion") if champion else None,
            baseline=served(baseline, "baseline") if baseline else None,
        )  # fmt: skip
        return home.read_json(home.run_dir("run-2") / "verdict.json"), blessing

    return work


def test_tfma_s_figures_are_read_overall_and_by_class(evaluated):
    found = modelgate.tfma_metrics(str(evaluated[1]), published.LABELS)
    assert found == {"accuracy": 1.0, "per_class": dict.fromkeys(published.LABELS, 1.0)}


def test_the_first_candidate_has_only_the_floor_to_pass(gate):
    told, blessing = gate()
    assert told["decision"] == "blessed"
    assert told["comparisons"] == {}
    assert told["metrics"]["confusion"] == (np.eye(4, dtype=int) * 50).tolist()
    assert (Path(blessing.uri) / "BLESSED").exists()
    assert blessing.get_int_custom_property("blessed") == 1
    assert "Model verdict: blessed" in (home.run_dir("run-2") / "verdict.html").read_text()


def test_a_candidate_better_than_champion_and_baseline_is_blessed(gate):
    told, _ = gate(champion="shifted", baseline="swapped")
    assert told["decision"] == "blessed"
    assert told["comparisons"]["champion"]["won"] > 100
    assert told["comparisons"]["baseline"]["better"]
    assert told["warnings"] == []


def test_a_candidate_worse_than_the_champion_is_refused_and_tfma_s_other_figure_is_noticed(gate):
    told, blessing = gate("shifted", champion="good")
    said = "; ".join(told["reasons"])
    assert told["decision"] == "refused"
    for part in ("worse than the champion", "under the floor", "must agree"):
        assert part in said
    assert (Path(blessing.uri) / "NOT_BLESSED").exists()
    assert blessing.get_int_custom_property("blessed") == 0


@pytest.mark.parametrize(
    ("kind", "said"), [("nan", "200 rows got a probability that is no finite number"), ("stuck", "same class")]
)
def test_a_model_that_says_nothing_or_always_the_same_is_refused(gate, kind, said):
    told, _ = gate(kind)
    assert told["decision"] == "refused"
    assert said in "; ".join(told["reasons"])


def test_the_champion_again_is_unchanged(gate):
    told, blessing = gate("good", champion="good")
    assert told["decision"] == "unchanged"
    assert blessing.get_int_custom_property("blessed") == 0


def test_a_champion_that_gave_no_answers_is_not_taken_for_none(gate):
    told, _ = gate(digest="f" * 64)
    assert told["decision"] == "refused"
    assert "there is a champion, and nothing to compare with it" in "; ".join(told["reasons"])


def test_a_champion_damaged_since_it_was_published_is_refused_by_name(gate):
    gate(champion="shifted")
    (home.serving_dir(published.LINE) / "1" / "saved_model.pb").write_bytes(b"flipped")
    with pytest.raises(registry.RegistryError, match=r"must match its manifest"):
        gate("swapped", champion="shifted")


def test_a_model_and_rows_are_scored_once_and_a_damaged_result_is_scored_again(monkeypatch):
    texts, _ = published.articles(20)
    folder = published.model("good")
    calls = []
    real = export.predict
    monkeypatch.setattr(export, "predict", lambda *given: calls.append(given) or real(*given))
    first = modelgate.predictions(folder, "d" * 64, texts)
    np.testing.assert_array_equal(modelgate.predictions(folder, "d" * 64, texts), first)
    assert len(calls) == 1
    (kept,) = (home.home() / "predictions").iterdir()
    whole = kept.read_bytes()
    middle = len(whole) // 2
    for damaged in (b"", whole[:middle], whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]):
        kept.write_bytes(damaged)
        np.testing.assert_array_equal(modelgate.predictions(folder, "d" * 64, texts), first)
    assert len(calls) == 4
    modelgate.predictions(folder, "d" * 64, texts[:10])
    modelgate.predictions(folder, "e" * 64, texts)
    assert len(calls) == 6


def test_the_page_shows_reasons_and_figures_and_executes_nothing():
    told = {
        "run": "<script>1</script>", "decision": "refused", "reasons": ["<b>bad</b>"], "warnings": ["careful"], "digest": "d" * 64,
        "metrics": {"accuracy": None, "interval": (0.0, 0.3), "confusion": [[1, 0], [0, 1]]}, "comparisons": {"<i>": paired(3, 4)},
    }  # fmt: skip
    truth, ours = np.array([0, 1]), np.array([[0.1, 0.9], [0.2, 0.8]])
    rows = modelgate_page.disagreements([b"<img src=x>", b"fine"], truth, ours, ours[:, ::-1], ["A<", "B"])
    shown = modelgate_page.page(told, ["A<", "B"], modelgate_page.calibration(truth, ours), rows)
    assert "<img" not in shown
    assert "&lt;img src=x&gt;" in shown
    assert "<i>" not in shown
    assert "<script>1" not in shown
    assert "&lt;b&gt;bad" in shown
    assert "careful" in shown


def test_calibration_is_the_share_right_among_rows_of_alike_sureness():
    truth = np.array([0, 0, 1, 1])
    sure = np.array([[0.95, 0.05], [0.93, 0.07], [0.91, 0.09], [0.45, 0.55]])
    assert modelgate_page.calibration(truth, sure) == [
        {"sure": pytest.approx(0.55), "right": 1.0, "rows": 1},
        {"sure": pytest.approx(0.93), "right": pytest.approx(2 / 3), "rows": 3},
    ]


def test_disagreements_are_the_rows_lost_to_the_champion_the_surest_mistake_first():
    truth = np.array([0, 0, 0, 1])
    ours = np.array([[0.4, 0.6], [0.1, 0.9], [0.9, 0.1], [0.8, 0.2]])
    theirs = np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.9, 0.1]])
    found = modelgate_page.disagreements([b"a", b"b", b"c", b"d"], truth, ours, theirs, ["World", "Sports"])
    assert [(row["text"], row["true"], row["said"]) for row in found] == [
        ("b", "World", "Sports"),
        ("a", "World", "Sports"),
    ]
