"""Lines are added whole or not at all, whatever an earlier writer left behind; a damaged file is named."""

import contextlib
import os
import resource

import pytest

from components.core import errors, fileio, paths

LONG = {"text": "é" * 5000}  # over one block, and two bytes a character


@contextlib.contextmanager
def room(size):
    """No file may grow over this size within the block: a disk that fills up in the middle of a write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("torn", [b'{"half": ', b'{"text": "\xc3', '{"text": "é'.encode() * 4000])
def test_a_line_that_was_cut_short_is_unseen_and_does_not_spoil_the_next(tmp_path, torn):
    path = tmp_path / "lines.jsonl"
    fileio.append_json(path, LONG)
    with open(path, "ab") as file:
        file.write(torn)
    assert fileio.read_json_lines(path) == [LONG]
    fileio.append_json(path, {"n": 2})
    assert fileio.read_json_lines(path) == [LONG, {"n": 2}]


def test_a_file_with_nothing_but_half_a_line_begins_anew(tmp_path):
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b'{"half": ')
    fileio.append_json(path, {"n": 1})
    assert fileio.read_json_lines(path) == [{"n": 1}]


def test_a_line_for_which_there_is_no_room_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "lines.jsonl"
    fileio.append_json(path, {"n": 1})
    before = path.read_bytes()
    with room(100), pytest.raises(OSError, match="No space left"):
        fileio.append_json(path, LONG)
    assert path.read_bytes() == before
    fileio.append_json(path, LONG)
    assert fileio.read_json_lines(path) == [{"n": 1}, LONG]


@pytest.mark.parametrize("content", [b"", b'{"half": ', b'{"text": "\xff"}', b"[" * 100_000])
def test_a_damaged_file_is_named_with_what_to_do(tmp_path, content):
    path = tmp_path / "1.json"
    path.write_bytes(content)
    with pytest.raises(errors.DamagedFile, match=rf"{path} is damaged.*doctor --repair") as caught:
        fileio.read_json(path)
    assert caught.value.path == path
    assert isinstance(caught.value, (errors.HomeError, ValueError))


@pytest.mark.parametrize("line", [b'{"n": ', b"[]", b"7"])
def test_a_damaged_line_of_a_file_is_named_with_its_number(tmp_path, line):
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b'{"n": 1}\n' + line + b'\n{"n": 3}\n')
    with pytest.raises(errors.DamagedFile, match=rf"{path} is damaged.*line 2"):
        fileio.read_json_lines(path)


def test_a_path_that_a_database_s_address_would_cut_off_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("NEWSDESK_HOME", str(tmp_path / "what?" / "home"))
    with pytest.raises(errors.HomeError, match=r"must be a path without `\?`"):
        paths.ensure()
    assert not (tmp_path / "what?").exists()


@pytest.mark.parametrize(("given", "made"), [(0o000, 0o775), (0o022, 0o755), (0o077, 0o700)])
def test_nothing_is_made_writable_for_everybody_and_a_stricter_umask_stays(tmp_path, given, made):
    before = os.umask(given)
    try:
        paths.restrict_umask()
        (tmp_path / "made").mkdir()
    finally:
        os.umask(before)
    assert (tmp_path / "made").stat().st_mode & 0o777 == made
