"""Pusher: TFX's Pusher with an executor of our own, because TFX takes version numbers from the clock and copies in place.

Reads: Model, ModelBlessing, InfraBlessing. Makes: `serving/<line>/<integer>/` in TensorFlow Serving's layout, complete or
absent, and PushedModel. Refuses, as an outcome (`pushed=0`): a model that a gate did not bless, one whose files are not those that
the gate judged, and one that was judged against a champion that no longer serves.

The order makes a crash at any point harmless: copy into `staging/`, sync, issue the number under the line's lock, write the
manifest last, rename into place. A run publishes once; a run that lost its line publishes nothing.
"""

import contextlib
import json
import os
import platform
import shutil
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2
from tfx import types
from tfx.components.pusher import component as tfx_component
from tfx.components.pusher import executor as tfx_executor
from tfx.dsl.components.base import executor_spec
from tfx.types import artifact_utils

from components.core import clock, fileio, locks, paths, run_record
from components.registry import manifest as folder_manifest
from components.registry import model_registry
from components.serving import mlflow_loader

WARM_UP = ("Markets rally as central bank holds rates", "Late goal decides the cup final")
CHECKPOINTS = ("copied", "numbered", "manifest", "renamed")


def published(line: str, run: str) -> tuple[int, Path] | None:
    """The version that a run has already published or holds, if any, and its folder. A damaged one does not count."""
    for root in (paths.serving_dir(line), model_registry.held_dir(line)):
        for version in model_registry.numbered(root):
            folder = root / str(version)
            with contextlib.suppress(model_registry.RegistryError, ValueError, OSError):
                if (fileio.read_json(folder / model_registry.MANIFEST) or {}).get(
                    "run"
                ) == run and model_registry.verify(folder):
                    return version, folder
    return None


def push(
    model_dir: Path,
    line: str,
    run: str,
    labels: list[str],
    judged: Mapping[str, str],
    allowed: Callable[[], object],
    hold: bool = False,
    at: Callable[[str], None] = lambda point: None,
) -> tuple[int, Path]:
    """Publishes a model folder as the line's next version; returns the number and the folder.

    judged: sha256 by file, as the gate judged them; the copy must equal it. allowed: called under the line's lock before anything
    becomes visible; raises where this run may not publish. hold: put it where nothing serves it. at: called with each name of
    `CHECKPOINTS` in turn (tests crash there).

    Raises:
        OSError: no space or no permission; nothing is published then.
        model_registry.Differs: the files are not those that were judged.
        model_registry.RegistryError: the folder holds no SavedModel, or links.
        Exception: whatever `allowed` raises.
    """
    paths.safe_name(run, "run id")
    own = [path for path in paths.staging_dir().glob("*") if path.name.rpartition(".")[0] == run]
    model_registry.clear(own + model_registry.leftovers(age=locks.LEASE))
    done = published(line, run)
    if done:
        return done
    if not (model_dir / "saved_model.pb").is_file():
        raise model_registry.RegistryError(
            f"a model to publish must be a SavedModel. Received: {model_dir} without saved_model.pb"
        )
    aside = paths.staging_dir() / f"{run}.{uuid.uuid4().hex}"
    try:
        shutil.copytree(model_dir, aside, symlinks=True)
        # The copy is checked, not its source: these bytes are published.
        folder_manifest.compare(
            model_registry.folder_hashes(aside), dict(judged), model_dir, "what the model gate judged"
        )
        write_warm_up(aside)
        write_mlmodel(aside, labels)
        sync(aside)
        at("copied")
        files = model_registry.folder_hashes(aside)
        with locks.line_lock(line):
            done = published(line, run)  # by another attempt of the same run, meanwhile
            if done:
                return done
            allowed()
            folder_manifest.compare(
                {n: files.get(n, "") for n in judged}, dict(judged), aside, "what the model gate judged"
            )
            version = model_registry.next_version(line)
            at("numbered")
            manifest = {
                "version": version,
                "line": line,
                "run": run,
                "digest": model_registry.content_digest(dict(judged)),
                "labels": labels,
                "files": files,
                "pushed": clock.now(),
            }
            fileio.write_json(aside / model_registry.MANIFEST, manifest)
            at("manifest")
            target = (model_registry.held_dir(line) if hold else paths.serving_dir(line)) / str(version)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.rename(aside, target)
            fileio.sync(target.parent)
        at("renamed")
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return version, target


def write_warm_up(folder: Path) -> None:
    """Writes requests that TensorFlow Serving replays before it serves a version (its SavedModel warm-up format)."""
    target = folder / "assets.extra" / "tf_serving_warmup_requests"
    target.parent.mkdir(exist_ok=True)
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = "classify"
    request.inputs["text"].CopyFrom(tf.make_tensor_proto(list(WARM_UP)))
    log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
    with tf.io.TFRecordWriter(str(target)) as writer:
        writer.write(log.SerializeToString())


def write_mlmodel(folder: Path, labels: list[str]) -> None:
    """Makes this folder loadable as an MLflow model that answers as `classify` does, without a second copy of the model."""
    (folder / "code").mkdir()
    # A file named as Python's folder of compiled modules: importing the loader must not add files to a version.
    (folder / "code" / "__pycache__").touch()
    shutil.copyfile(mlflow_loader.__file__, folder / "code" / "newsdesk_loader.py")
    outputs = [
        {"name": name, "type": kind, "required": True} for name, kind in (("label", "string"), ("label_id", "long"))
    ]
    outputs.append({"name": "probabilities", "type": "array", "items": {"type": "double"}, "required": True})
    function = {"loader_module": "newsdesk_loader", "code": "code", "python_version": platform.python_version()}
    model = {
        "flavors": {"python_function": function},
        "signature": {
            "inputs": json.dumps([{"name": "text", "type": "string", "required": True}]),
            "outputs": json.dumps(outputs),
        },
        "metadata": {"labels": labels},
        "saved_input_example_info": {
            "artifact_path": "input_example.json",
            "type": "dataframe",
            "pandas_orient": "split",
        },
    }
    example = {"columns": ["text"], "data": [[text] for text in WARM_UP]}
    (folder / "input_example.json").write_text(json.dumps(example))
    (folder / "MLmodel").write_text(json.dumps(model, indent=1))  # JSON is YAML


def sync(folder: Path) -> None:
    """Forces every file and folder below onto the disk."""
    for path in [*folder.rglob("*"), folder]:
        fileio.sync(path)


class _Executor(tfx_executor.Executor):
    """TFX's executor, publishing by `push`."""

    def Do(self, input_dict: dict, output_dict: dict, exec_properties: Mapping) -> None:
        pushed = artifact_utils.get_single_instance(output_dict["pushed_model"])
        if not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed)
            pushed.set_string_custom_property("headline", "not pushed: the model is not blessed")
            return
        config = json.loads(exec_properties["custom_config"])
        blessing = artifact_utils.get_single_instance(input_dict["model_blessing"])
        canary = artifact_utils.get_single_instance(input_dict["infra_blessing"])
        try:
            judged = folder_manifest.judged(Path(blessing.uri))
            _check_same_model(judged, canary.get_string_custom_property("digest"))
            version, folder = push(
                Path(self.GetModelPath(input_dict)),
                config["line"],
                config["run"],
                config["labels"],
                judged,
                partial(may_publish, config["line"], config["run"], config["attempt"]),
                hold=config["release"] == "hold",
            )
        except (model_registry.Differs, model_registry.PointerMoved) as error:
            self._MarkNotPushed(pushed)
            pushed.set_string_custom_property("refused", str(error))
            pushed.set_string_custom_property("headline", f"not pushed: {error}")
            return
        self._MarkPushed(pushed, pushed_destination=str(folder), pushed_version=str(version))
        pushed.set_string_custom_property("headline", f"version {version} in {folder}")


def may_publish(line: str, run: str, attempt: str) -> None:
    """Checks that a run holds its line and that the champion is the one of its verdict. Under the line's lock.

    Raises:
        locks.LostClaim, locks.Superseded, model_registry.PointerMoved: why it may not publish.
    """
    locks.check(line, run, "Pusher", attempt)
    model_registry.check_champion(line, run_record.load(run).champion)


def _check_same_model(judged: Mapping[str, str], queried: str | None) -> None:
    """Raises where the canary queried another model than the gate judged."""
    digest = model_registry.content_digest(dict(judged))
    if queried != digest:
        raise model_registry.Differs(
            f"the canary must have queried the model that the gate judged, {digest[:12]}. Received: {(queried or 'none')[:12]}"
        )


class Pusher(tfx_component.Pusher):
    """TFX Pusher whose `custom_config` holds line, run, attempt, labels and release. outputs: `pushed_model`."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(_Executor)

    def __init__(
        self,
        model: types.BaseChannel,
        model_blessing: types.BaseChannel,
        infra_blessing: types.BaseChannel,
        config: Mapping,
    ):
        super().__init__(
            model=model, model_blessing=model_blessing, infra_blessing=infra_blessing, custom_config=dict(config)
        )
