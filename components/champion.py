"""Champion: the model that serves now, as an artifact that Evaluator and ModelGate can read.

Reads: the line's champion, as the run's record names it. Makes: Model, a link to the served folder, which never changes. Skipped
while the line has no champion, and when the candidate is that one. Raises for a champion whose files do not match its manifest.

Version and digest are parameters, so the result may be cached: equal values mean the same model. ModelGate, which is never cached,
compares the files with the manifest again.
"""

from pathlib import Path

from tfx.dsl.component.experimental.annotations import OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Model
from tfx.utils import path_utils

from components.registry import model_registry


@component
def Champion(
    line: Parameter[str],
    version: Parameter[int],
    digest: Parameter[str],
    model: OutputArtifact[Model],
    code: Parameter[str] = "",
):
    """version, digest: from `registry/<line>/champion.json`; code: hash of code and libraries, for the cache."""
    folder = model_registry.verified_folder(line, version, digest)
    link = Path(path_utils.serving_model_dir(model.uri))
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)  # a failed attempt's
    link.symlink_to(folder, target_is_directory=True)
    model.set_int_custom_property("version", version)
    model.set_string_custom_property("headline", f"version {version} serves now")
