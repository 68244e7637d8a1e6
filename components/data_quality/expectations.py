"""Great Expectations on a sample of the train rows, with browsable Data Docs.

On pandas it holds every row in memory several times, so it gets at most `SAMPLE` rows, drawn uniformly with a fixed seed: a fault
in one row of 10,000 is missed by 50,000 rows with probability 0.7%. The Ingester and TFDV check every row for what must hold of all
(labels, empty texts, types, counts).
"""

from collections.abc import Sequence
from pathlib import Path

from components.data_quality.checks import check

SAMPLE = 50_000
SIZES = ("characters", "words")  # columns that say how long a row is


def frame_of(texts: Sequence[str], ids: Sequence[int], labels: Sequence[str]):
    """Rows as the DataFrame of the expectations: text, label (class name), characters, words."""
    import pandas as pd

    text = pd.Series(list(texts), dtype="object")
    names = [labels[i] if 0 <= i < len(labels) else str(i) for i in ids]
    return pd.DataFrame({"text": text, "label": names, "characters": text.str.len(), "words": text.str.count(r"\S+")})


def expectation_checks(frame, suite: list[dict], folder: Path) -> list[dict]:
    """Findings of a suite on a frame of rows; its Data Docs are built under `folder`.

    suite: `{"type", "kwargs"}` an expectation.
    """
    import great_expectations as gx  # 6 s of import that only this node pays for
    from great_expectations.checkpoint import UpdateDataDocsAction
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.expectations.registry import get_expectation_impl

    context = gx.get_context(mode="file", project_root_dir=str(folder))
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    expectations = [get_expectation_impl(e["type"])(**e["kwargs"]) for e in suite]
    asset = context.data_sources.add_pandas("rows").add_dataframe_asset("train")
    validation = context.validation_definitions.add(
        gx.ValidationDefinition(
            name="gate",
            data=asset.add_batch_definition_whole_dataframe("all"),
            suite=context.suites.add(gx.ExpectationSuite(name="news", expectations=expectations)),
        )
    )
    checkpoint = gx.Checkpoint(
        name="gate",
        validation_definitions=[validation],
        actions=[UpdateDataDocsAction(name="data_docs")],
        result_format={"result_format": "SUMMARY", "partial_unexpected_count": 3},
    )
    outcome = context.checkpoints.add(checkpoint).run(batch_parameters={"dataframe": frame})
    (result,) = outcome.run_results.values()
    return [_finding(each, frame) for each in result.results]


def docs_page(folder: Path) -> str:
    """The page of Data Docs with each expectation and its result, relative to `folder`; "" where none was built.

    Not the index of Data Docs: that is a table filled by scripts from other hosts.
    """
    pages = folder.glob("gx/uncommitted/data_docs/local_site/validations/*/*/*/*.html")
    return next((path.relative_to(folder).as_posix() for path in pages), "")


def _finding(result, frame) -> dict:
    kwargs = dict(result.expectation_config.kwargs)
    column = kwargs.pop("column", "table")
    kwargs.pop("batch_id", None)
    raised = [info for info in _infos(result.exception_info or {}) if info.get("raised_exception")]
    if raised:
        state, value = "could not be computed", str(raised[0].get("exception_message"))[:200]
    else:
        state, value = "holds" if result.success else "does not hold", result.result.get("observed_value")
    examples = [str(item)[:120] for item in result.result.get("partial_unexpected_list", [])[:3]]
    if column in SIZES and not result.success and not raised:
        examples = _outliers(frame, column, kwargs.get("min_value"), kwargs.get("max_value"), value)
    if missing := result.result.get("partial_missing_list"):
        state += f": no row has {', '.join(sorted(map(str, missing)))}"  # of a set: in any order
        value = f"{len(missing)} missing"
    if value is None:
        value = f"{result.result.get('unexpected_percent') or 0:.2f}% unexpected"
    name = result.expectation_config.type.removeprefix("expect_").removeprefix("column_")
    return check(f"expect ({column}: {name})", bool(result.success), value, kwargs, f"expectation {state}", examples)


def _outliers(frame, column: str, low: float | None, high: float | None, mean: float | None) -> list[str]:
    """The rows whose size is the furthest outside the limits, on the side of the mean where that is what was judged."""
    import pandas as pd

    sizes, beyond = frame[column], []
    if low is not None and (mean is None or mean < low):
        beyond.append(low - sizes)
    if high is not None and (mean is None or mean > high):
        beyond.append(sizes - high)
    if not beyond:
        return []
    furthest = pd.concat(beyond, axis=1).max(axis=1).nlargest(3)
    return [f"{sizes[at]:,} {column}: {frame['text'][at][:80]!r}" for at, by in furthest.items() if by > 0]


def _infos(info: dict) -> list[dict]:
    return [info] if "raised_exception" in info else [each for each in info.values() if isinstance(each, dict)]
