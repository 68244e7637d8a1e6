"""For tests of the registry's files: versions with one small file in them, no TensorFlow."""

from components.core import fileio, paths
from components.registry import model_registry

LINE = "news"


def make(number, content="model", held=False, **more):
    """A complete version with one file in it. more: fields of its manifest."""
    root = model_registry.held_dir(LINE) if held else paths.serving_dir(LINE)
    folder = root / str(number)
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_text(content)
    files = model_registry.folder_hashes(folder)
    manifest = {
        "version": number,
        "run": f"run-{number}",
        "digest": model_registry.content_digest(files),
        "files": files,
        **more,
    }
    fileio.write_json(folder / model_registry.MANIFEST, manifest)
    return folder


def move(number, kind="release"):
    return model_registry.move_champion(LINE, model_registry.champion(LINE), number, kind, "because", {})


def pointer():
    return model_registry.champion(LINE)
