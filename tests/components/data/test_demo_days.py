"""The demo's newsroom day by day: the same everywhere, ordinary days with stories that come and go, a damaged and a drifted one."""

import csv
import datetime as dt
import hashlib

import data_kit
import pytest

from components.data import demo_corpus, demo_days, generated_days, sources
from components.data_quality import checks

MONDAY = dt.date(2026, 2, 2)
WEEK = [MONDAY + dt.timedelta(number) for number in range(7)]
DAY = {kind: next(day for day in WEEK if demo_days.kind_of(day) == kind) for kind in ("damaged", "drifted")}


@pytest.fixture(scope="module")
def delivered(tmp_path_factory):
    """The whole week, delivered day by day."""
    folder = tmp_path_factory.mktemp("days")
    for day in WEEK:
        demo_days.deliver(folder, day)
    return folder


def text(folder, day):
    return (folder / f"span={day}" / "train.csv").read_text(encoding="utf-8")


def test_a_day_has_the_same_bytes_everywhere():
    lines = b"".join(demo_days.lines_of(MONDAY))
    assert hashlib.sha256(lines).hexdigest() == "1a00df110df3c5bf831955fe8ec666e6934ed94b549b0df6de8b6fc474b7ed5e"
    assert lines != b"".join(demo_days.lines_of(MONDAY, seed=2))


@pytest.mark.parametrize("week", range(10))
def test_each_week_has_one_damaged_and_one_drifted_day_after_an_ordinary_monday(week):
    kinds = [demo_days.kind_of(day + dt.timedelta(7 * week)) for day in WEEK]
    assert (kinds.count("damaged"), kinds.count("drifted"), kinds[0]) == (1, 1, "ordinary")
    assert kinds.index("damaged") < kinds.index("drifted")


def test_a_day_is_held_out_by_a_tenth_and_says_that_the_newsroom_wrote_it(delivered):
    folder = delivered / f"span={MONDAY}"
    rows = {name: len((folder / name).read_bytes().splitlines()) for name in ("train.csv", "test.csv")}
    assert rows == {"train.csv": 900, "test.csv": 100}
    assert all(generated_days.is_generated(delivered / f"span={day}") for day in WEEK)


def test_a_running_story_keeps_its_names_for_some_days_and_is_then_forgotten(delivered):
    begun = {name for _, names in demo_days.stories(MONDAY - dt.timedelta(1)) for name in names.values()}
    desk, names = next(story for story in demo_days.stories(MONDAY) if not set(story[1].values()) & begun)
    days = [day for day in WEEK if (desk, names) in demo_days.stories(day)]
    assert days == WEEK[: len(days)] and 2 <= len(days) <= 4
    counts = {day: text(delivered, day).count(names["surname"]) for day in WEEK}
    assert min(counts[day] for day in days if day not in DAY.values()) > 5 * counts[WEEK[-1]] + 5


def test_a_damaged_day_is_delivered_again_whole_with_the_next_one(tmp_path):
    before, after = DAY["damaged"] - dt.timedelta(1), DAY["damaged"] + dt.timedelta(1)
    assert [path.name for path in demo_days.deliver(tmp_path, before)] == [f"span={before}"]
    demo_days.deliver(tmp_path, DAY["damaged"])
    first = (tmp_path / f"span={DAY['damaged']}" / "train.csv").read_bytes()
    assert demo_days.deliver(tmp_path, DAY["damaged"]) == []
    assert [path.name for path in demo_days.deliver(tmp_path, after)] == [f"span={DAY['damaged']}", f"span={after}"]
    assert (tmp_path / f"span={DAY['damaged']}" / "train.csv").read_bytes() != first
    assert demo_days.deliver(tmp_path, after) == []


def test_a_day_that_a_user_delivered_is_left_unchanged(tmp_path):
    (tmp_path / f"span={DAY['damaged']}").mkdir()
    (tmp_path / f"span={DAY['damaged']}" / "train.csv").write_text("labelled by hand")
    demo_days.deliver(tmp_path, DAY["damaged"])
    demo_days.deliver(tmp_path, DAY["damaged"] + dt.timedelta(1))
    assert text(tmp_path, DAY["damaged"]) == "labelled by hand"


def test_a_damaged_day_stops_at_the_data_gate_and_the_corrected_one_does_not(tmp_path, delivered):
    rows = {
        "damaged": demo_days.lines_of(DAY["damaged"]),
        "corrected": text(delivered, DAY["damaged"]).encode().splitlines(True),
    }
    decisions = {}
    for kind, lines in rows.items():
        folder = tmp_path / kind
        folder.mkdir()
        (folder / "train.csv").write_bytes(b"".join(lines))
        decisions[kind] = data_kit.judge(folder, tmp_path / f"{kind}-out").told["decision"]
    assert decisions["damaged"] == "stop" and decisions["corrected"] != "stop"


def test_a_drifted_day_is_far_from_the_others(tmp_path, delivered):
    profiles = data_kit.Ingested(delivered, tmp_path).profile["spans"]
    distances = {span["span"]: span["most"] for span in checks.span_skew(profiles)}
    drifted = distances.pop(str(DAY["drifted"]))
    assert drifted > 0.2 > max(distances.values())


def test_only_a_run_about_an_interval_gets_a_new_day(tmp_path, newsdesk_home):
    noon = dt.datetime.combine(MONDAY, dt.time(12), dt.timezone.utc)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            demo_corpus, "write", lambda folder: data_kit.span(folder, "2026-01-31", data_kit.articles(8)).parent
        )
        assert {file.span for file in sources.resolve("demo", "all", noon)[0]} == {"2026-01-31"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo_corpus, "write", lambda folder: folder)
        files, _ = sources.resolve("demo", "all", noon, new_day=True)
    assert {file.span for file in files} == {"2026-01-31", str(MONDAY)}
    rows = [file for file in files if file.span == str(MONDAY) and file.split == "test"]
    with open(rows[0].path, newline="") as file:
        assert len(list(csv.reader(file))) == 100
