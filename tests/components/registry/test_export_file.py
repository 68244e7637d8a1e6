"""An export that was damaged on its way is refused by name, wherever the damage is."""

import published_files
import pytest

from components.registry import export_file
from components.registry.manifest import RegistryError


def test_an_export_with_a_flipped_byte_is_refused_or_whole(tmp_path):
    content = "".join(chr(33 + number * number % 89) for number in range(2000))
    published_files.make(1, content)
    file = tmp_path / "news-1.zip"
    export_file.write("news", 1, file)
    whole, refused = file.read_bytes(), 0
    for at in [
        *range(0, len(whole), 7),
        *range(len(whole) - 22, len(whole)),
    ]:  # the last 22 tell where the list of files is
        for flip in (0xFF, 0x04, 0x02):
            file.write_bytes(whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :])
            try:
                model = export_file.unpack(file, tmp_path / "unpacked")[2]
            except RegistryError as error:
                assert str(file) in str(error) or "must match" in str(error)
                refused += 1
            else:  # a byte that says nothing about the files, such as their time
                assert (model / "saved_model.pb").read_text() == content
    assert refused > 100


def test_a_file_that_cannot_be_read_or_unpacked_is_no_damage(tmp_path, monkeypatch):
    published_files.make(1)
    export_file.write("news", 1, tmp_path / "news-1.zip")

    def full(*_):
        raise OSError(28, "No space left on device")

    with pytest.raises(FileNotFoundError):
        export_file.unpack(tmp_path / "news-2.zip", tmp_path)
    monkeypatch.setattr(export_file.shutil, "copyfileobj", full)
    with pytest.raises(OSError, match="No space left"):
        export_file.unpack(tmp_path / "news-1.zip", tmp_path)
