"""Records of runs and versions: files of 0.2.0 are read, damage is named with its path, nothing is lost in writing."""

import json

import pytest

from components.core import errors, fileio, paths, run_record
from components.core.records import RunRecord, Verdict, VersionCard

RUN = "cli.20261128T000334.3d778d"


def kept(now, written):
    """`now` without the fields that `written` does not have, at every depth."""
    if not isinstance(written, dict) or not isinstance(now, dict):
        return now
    return {name: kept(now[name], written[name]) for name in written if name in now}


def test_the_files_of_0_2_0_are_read_and_written_again_as_they_were(home_of_0_2_0):
    run, versions = paths.run_dir(RUN), paths.registry_dir("news-demo") / "versions"
    for kind, path in (
        (RunRecord, run / "run.json"),
        (Verdict, run / "verdict.json"),
        (VersionCard, versions / "1.json"),
    ):
        record, written = kind.read(path), json.loads(path.read_text())
        assert kept(record.to_json(), written) == written  # later fields are added, none is lost
        assert kind.from_json(record.to_json()) == record
    record = run_record.load(RUN)
    assert (record.line, record.config.preset, record.config.release, len(record.files)) == (
        "news-demo",
        "bag",
        "auto",
        6,
    )
    assert record.champion is None and record.config.milder_checks == {}
    assert VersionCard.read(versions / "1.json").accuracy == 0.882


def test_a_file_from_before_a_field_has_its_default_and_one_from_after_keeps_what_is_unknown():
    record = RunRecord.from_json({"run": "r", "config": {"line": "news", "later": 1}, "new": [1]})
    assert record.code_files == {} and record.config.labels == []
    assert record.to_json()["new"] == [1] and record.to_json()["config"]["later"] == 1
    assert record["config"]["line"] == "news" and "nothing" not in record


@pytest.mark.parametrize(
    ("kind", "value", "expected", "received"),
    [
        (RunRecord, {"config": {}}, "`run` of a RunRecord", "only config"),
        (RunRecord, {"run": "r", "config": {"line": 5}}, "`line` as str", "line=5"),
        (RunRecord, {"run": "r", "champion": "none"}, "`champion` as dict or NoneType", "champion='none'"),
        (Verdict, {"decision": "refused", "reasons": "why"}, "`reasons` as list", "reasons='why'"),
        (VersionCard, {"version": "3"}, "`version` as int", "version='3'"),
        (VersionCard, {"version": True}, "`version` as int", "version=True"),
        (VersionCard, [3], "a VersionCard", r"\[3\]"),
    ],
)
def test_damage_is_named_with_the_files_path(newsdesk_home, kind, value, expected, received):
    path = newsdesk_home / "file.json"
    fileio.write_json(path, value)
    with pytest.raises(errors.DamagedFile, match=f"{path} is damaged: it must hold {expected}. Received: {received}"):
        kind.read(path)


def test_no_file_is_no_record(newsdesk_home):
    assert VersionCard.read(newsdesk_home / "none.json") is None
