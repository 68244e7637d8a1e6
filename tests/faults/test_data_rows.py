"""Rows that are bad, double, leaked, skewed or mislabelled: none is lost, each is told, and no model is trained on them."""

import random

import pytest
from data_kit import LABELS, Ingested, Judged, articles, as_csv, judge, source, span

from components.core import clock, fileio
from components.data import sources

pytestmark = pytest.mark.faults


def stopped(judged, name: str) -> str:
    """The message of a check that stopped, with its examples."""
    assert judged.told["decision"] == "stop" and judged[name]["outcome"] == "stop", judged.outcomes
    return " ".join([judged[name]["message"], *judged[name]["examples"]])


def replaced(rows, at: int, row):
    return [*rows[:at], row, *rows[at + 1 :]]


# --- 19, 21: how rows are written --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [{}, {"header": True}, {"delimiter": ";"}, {"delimiter": "\t"}, {"lineterminator": "\r\n"}],
    ids=["raw", "header", "semicolon", "tab", "crlf"],
)
def test_7600_rows_stay_7600_in_every_form(tmp_path, form):
    rows = articles(7_600)
    folder = source(tmp_path / "s", articles(20, 3))
    (folder / "test.csv").write_bytes(b"\xef\xbb\xbf" * bool(form) + as_csv(rows, **form))
    done = Ingested(folder, tmp_path)
    assert sum(done.account["splits"]["test"].values()) == 7_600 and done.balanced
    assert done.account["splits"]["test"] == dict.fromkeys(("Business", "Sci/Tech", "Sports", "World"), 1_900)


HOSTILE = {
    "emoji": "😀👩‍👩‍👧", "bidi": "abc\u202edcba\u202c", "control": "bell\x07 and \x1b[31mred", "quoted newline": "a\r\nb\nc",
    "formula": "=cmd|' /C calc'!A0", "separators": "a\u2028b\u2029c\x85d", "joined": "e\u0301 \ufb01 \u200b",
}  # fmt: skip


def test_strange_but_legal_text_comes_through_unchanged(tmp_path):
    from components.data import tfrecords as records

    rows = [(1 + i % 4, text, "end") for i, text in enumerate(HOSTILE.values())]
    done = Ingested(source(tmp_path / "s", articles(20), rows), tmp_path)
    assert done.account["rows"]["quarantined"] == 0
    found = [raw.decode() for raw in records.load(done.examples.uri, "test")[0]]
    assert found == [f"{text} end" for text in HOSTILE.values()]


def test_bytes_that_are_no_text_go_to_quarantine_one_by_one(tmp_path):
    folder = source(tmp_path / "s", articles(400))
    lines = as_csv(articles(400)).splitlines(keepends=True)
    lines[9] = b'"1","caf\xe9","latin-1"\n'
    lines[19] = b'"2","nul","a\x00b"\n'
    lines[29] = b'"3","surrogate","\xed\xa0\x80"\n'
    lines[39] = b'"4","huge","' + b"x" * 5_000_000 + b'"\n'
    lines[49] = b'"4","odd "quote","end"\n'
    (folder / "train.csv").write_bytes(b"".join(lines))
    done = Ingested(folder, tmp_path, max_quarantined=0.009)
    assert done.balanced and done.account["rows"]["quarantined"] == 5
    assert [(row["line"], row["column"]) for row in done.quarantined] == [
        ("10", "title"), ("20", "description"), ("30", "description"), ("40", "row"), ("50", "row")]  # fmt: skip
    assert max(len(row["value"]) for row in done.quarantined) < 1_000
    told = stopped(Judged(done, tmp_path), "quarantine")
    assert "5 of 500 rows are unusable" in told and "train.csv, line 10, column title: 'caf" in told


def test_a_latin_1_file_stops_and_names_its_first_rows(tmp_path):
    folder = source(tmp_path / "s", articles(200))
    (folder / "train.csv").write_bytes(
        as_csv([(n, t, d + " é") for n, t, d in articles(300)]).decode().encode("latin-1")
    )
    judged = judge(folder, tmp_path)
    assert "train.csv, line 1, column description" in stopped(judged, "quarantine")


def test_a_utf_16_file_is_read_as_it_is(tmp_path):
    folder = source(tmp_path / "s", articles(300))
    (folder / "train.csv").write_bytes(as_csv(articles(300)).decode().encode("utf-16"))
    done = Ingested(folder, tmp_path)
    assert done.balanced and done.account["rows"]["in"] == 400 and not done.quarantined


# --- 20, 22: labels and classes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", ["0", "5", "", "news", "-1", "3.7", "１"])
def test_one_label_outside_the_classes_stops_with_line_and_expectation(tmp_path, label):
    judged = judge(source(tmp_path / "s", replaced(articles(600), 41, (label, "a title", "a text"))), tmp_path)
    told = stopped(judged, "foreign labels")
    assert "1 rows carry a label outside 1 to 4" in told
    assert f"train.csv, line 42, column label: {label!r} is outside the labels (expected 1 to 4 or one of World" in told


@pytest.mark.parametrize("label, number", [(" 3", 2), ("3.0", 2), ("Sports", 1), ("sci/tech", 3)])
def test_other_spellings_of_a_label_are_that_label(tmp_path, label, number):
    done = Ingested(source(tmp_path / "s", [(label, t, d) for _, t, d in articles(40)]), tmp_path)
    assert done.account["rows"]["quarantined"] == 0
    assert set(done.account["splits"]["train"]) == {("World", "Sports", "Business", "Sci/Tech")[number]}


def test_a_0_based_file_is_found_out_and_read_right_once_that_is_said(tmp_path):
    zero = [(n - 1, t, d) for n, t, d in articles(600)]
    folder = source(tmp_path / "s", zero, [(n - 1, t, d) for n, t, d in articles(100, 2)])
    told = stopped(judge(folder, tmp_path / "wrong"), "label numbers")
    assert "2 file(s) count classes from 0, not from 1" in told and "data.first_label=0" in told
    right = judge(folder, tmp_path / "right", first_label=0)
    assert right.told["decision"] == "pass", right.told["reasons"]


def test_a_single_0_based_span_is_found_out_although_foreign_labels_are_allowed(tmp_path):
    span(tmp_path / "s", "2026-11-20", articles(600))
    span(tmp_path / "s", "2026-11-21", [(n - 1, t, d) for n, t, d in articles(400, 3)])
    judged = judge(tmp_path / "s", tmp_path, max_foreign_labels=10_000, max_quarantined=1.0)
    assert "2026-11-21" in stopped(judged, "label numbers")


@pytest.mark.parametrize(
    "rows, check, told",
    [
        (articles(1), "rows", "1 rows to train on"),
        ([r for r in articles(800) if r[0] != 3], "classes present", "no train row of class Business"),
        ([r for r in articles(800) if r[0] == 2], "classes present", "no train row of class World, Business, Sci/Tech"),
        ([r for i, r in enumerate(articles(2_400)) if r[0] == 1 or i % 180 < 4], "largest class", "class World has 9"),
    ],
    ids=["one row", "one class missing", "one class only", "one class nearly alone"],
)
def test_too_few_rows_or_classes_stop(tmp_path, rows, check, told):
    assert told in stopped(judge(source(tmp_path / "s", rows), tmp_path), check)


# --- 23, 24: double rows and leakage -----------------------------------------------------------------------------------


def test_exact_duplicates_are_left_out_and_counted(tmp_path):
    rows = articles(400)
    judged = judge(source(tmp_path / "s", rows + [(n, t.upper(), d) for n, t, d in rows[:100]]), tmp_path)
    assert judged.told["rows"] == {"in": 600, "out": 500, "quarantined": 0, "duplicates": 100}


def test_near_duplicates_and_two_labels_for_one_text_are_told_with_examples(tmp_path):
    rows = articles(400)
    near = [(n, t, d + " updated") for n, t, d in rows[:120]]
    other = [(n % 4 + 1, t, d) for n, t, d in rows[120:160]]
    judged = judge(source(tmp_path / "s", rows + near + other), tmp_path)
    assert judged["near duplicates"]["outcome"] == "warn" and judged["near duplicates"]["value"] > 0.15
    assert "≈" in judged["near duplicates"]["examples"][0]
    assert judged["conflicting labels"]["outcome"] == "warn" and judged["conflicting labels"]["value"] == 40


@pytest.mark.parametrize(
    "printed",
    [lambda t: t, str.upper, lambda t: t.replace(" ", "  "), lambda t: t.replace("'", " #39;").replace("&", "&amp;")],
    ids=["as they are", "case", "spaces", "entities"],
)
def test_test_rows_in_training_stop_the_run(tmp_path, printed):
    test = articles(600, 2)
    copies = [(n, printed(t), printed(d)) for n, t, d in test[:500]]
    judged = judge(source(tmp_path / "s", articles(600) + copies, test), tmp_path)
    assert "500 train rows are also test rows" in stopped(judged, "leakage")
    assert judged.told["rows"]["duplicates"] == 500


def test_test_rows_with_a_word_changed_in_training_are_told(tmp_path):
    test = articles(600, 2)
    judged = judge(
        source(tmp_path / "s", articles(600) + [(n, t, d + " more") for n, t, d in test[:300]], test), tmp_path
    )
    assert judged["near leakage"]["outcome"] == "warn" and judged["near leakage"]["value"] > 250


# --- 25: rows that are well formed and wrong ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    """The champion's rows: 3,000 articles."""
    folder = tmp_path_factory.mktemp("before")
    return Ingested(source(folder / "s", articles(3_000), articles(600, 2)), folder)


def against(before, rows, tmp_path, test=None, labels=LABELS) -> Judged:
    from components import data_gate

    path = data_gate.registry_profile("news", 1)
    fileio.write_json(path, before.profile["train"])
    champion = {
        "version": 1,
        "source": "s",
        "window": "all",
        "rows": 3_000,
        "hash": "old",
        "profile": fileio.file_hash(path),
        "labels": before.labels,
    }
    folder = source(tmp_path / "s", rows, articles(600, 2) if test is None else test)
    done = Ingested(folder, tmp_path, labels=labels)
    assert done.balanced
    return Judged(done, tmp_path, champion=champion)


def test_a_shift_of_the_label_shares_is_flagged(tmp_path, before):
    rows = [r for i, r in enumerate(articles(6_000, 7)) if r[0] == 3 or i % 3 == 0]
    judged = against(before, rows, tmp_path)
    assert judged["drift labels"]["outcome"] == "warn" and judged["drift labels"]["value"] > 0.1


def test_titles_in_capitals_stop(tmp_path, before):
    judged = against(before, [(n, t.upper(), d) for n, t, d in articles(3_000, 7)], tmp_path)
    assert "100.0% of the titles are all capitals" in stopped(judged, "upper case")


def noisy(rows, share: float):
    rng = random.Random(5)
    return [(rng.choice([x for x in (1, 2, 3, 4) if x != n]) if rng.random() < share else n, t, d) for n, t, d in rows]


@pytest.mark.parametrize("test_too", [False, True], ids=["train", "train and test"])
def test_a_fifth_of_the_labels_wrong_is_flagged(tmp_path, before, test_too):
    test = noisy(articles(600, 2), 0.2) if test_too else None
    judged = against(before, noisy(articles(4_000, 7), 0.2), tmp_path, test)
    assert (
        judged["label noise"]["outcome"] in ("warn", "stop") and "labels look wrong" in judged["label noise"]["message"]
    )


@pytest.mark.parametrize("test_too", [False, True], ids=["train", "train and test"])
def test_two_labels_that_changed_places_stop(tmp_path, before, test_too):
    def swap(rows):
        return [({2: 3, 3: 2}.get(n, n), t, d) for n, t, d in rows]

    judged = against(before, swap(articles(3_000, 7)), tmp_path, swap(articles(600, 2)) if test_too else None)
    assert "Business and Sports" in stopped(judged, "swapped labels")


def test_two_names_that_changed_places_in_the_line_stop_on_the_champions_own_files(tmp_path, before):
    """The files number their classes, so that each row of two classes gets the other's name."""
    judged = against(before, articles(3_000), tmp_path, labels=("World", "Business", "Sports", "Sci/Tech"))
    message = stopped(judged, "swapped labels")
    assert "Sports and Business (these rows, by the champion's words)" in message, message


def test_good_new_rows_pass_beside_the_champions(tmp_path, before):
    judged = against(before, articles(3_000, 7), tmp_path)
    assert judged.told["decision"] == "pass", judged.told["reasons"]


# --- 26: a source that shrinks or repeats itself -----------------------------------------------------------------------


def test_a_source_that_lost_half_its_rows_stops(tmp_path, before):
    judged = against(before, articles(1_500, 7), tmp_path)
    assert "1,500 train rows read, 3,000 for version 1" in stopped(judged, "shrinking")


def test_yesterdays_file_again_stops_and_adds_no_row(tmp_path):
    span(tmp_path / "s", "2026-11-20", articles(600))
    span(tmp_path / "s", "2026-11-21", articles(600))
    done = Ingested(tmp_path / "s", tmp_path)
    assert done.account["rows"]["duplicates"] >= 500 and done.balanced
    told = stopped(Judged(done, tmp_path), "repeated")
    assert f"{tmp_path}/s/2026-11-21/train.csv is {tmp_path}/s/2026-11-20/train.csv again" in told


# --- 27: TFDS ----------------------------------------------------------------------------------------------------------


def test_a_failed_tfds_download_leaves_no_data_set_behind(monkeypatch, newsdesk_home):
    """TFDS prepares into a folder of another name; the one that a run reads must not exist after a failure."""
    import tensorflow_datasets as tfds

    class Broken:
        data_dir = str(newsdesk_home / "tfds" / "ag_news_subset" / "1.0.0")
        url_infos = {}  # noqa: RUF012  # nothing to reach: the download itself fails

        def download_and_prepare(self, **settings):
            raise (
                tfds.download.DownloadError("Artifact has wrong checksum")
                if hasattr(tfds.download, "DownloadError")
                else OSError("Artifact has wrong checksum")
            )

    monkeypatch.setattr(tfds, "builder", lambda name, data_dir: Broken())
    with pytest.raises(sources.SourceError, match=r"Artifact has wrong checksum"):
        sources.resolve("tfds", "all", clock.parse_time("2026-11-22", "as_of"))
    assert not (newsdesk_home / "tfds").exists()
