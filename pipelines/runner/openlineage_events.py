"""A run as OpenLineage events, for catalogues such as Marquez: START when it opens, COMPLETE or FAIL when it closes.

Off unless a variable of OpenLineage's own client says where to: `OPENLINEAGE_URL`, `OPENLINEAGE_CONFIG` or
`OPENLINEAGE__TRANSPORT__…`. Inputs are the data files with their hashes, the output is the model's version; the verdict is a facet of
the run. A refused model is a completed run. Events decide nothing: what cannot be sent is logged.

Source: the OpenLineage specification, 2-0-2.
"""

import os
import sys
import uuid
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

from components.core.records import RunRecord
from components.core.states import is_bad

NAMESPACE = "newsdesk"
PRODUCER = f"{NAMESPACE}/retraining"
_SETTINGS = ("OPENLINEAGE_URL", "OPENLINEAGE_CONFIG", "OPENLINEAGE__TRANSPORT")


def wanted() -> bool:
    return any(name.startswith(_SETTINGS) for name in os.environ)


def opened(record: RunRecord) -> None:
    """Sends START."""
    _send(record, "START", {})


def closed(record: RunRecord, outcome: Mapping) -> None:
    """Sends COMPLETE, or FAIL for a run that is bad. outcome: as `runs.close_run` gives it."""
    _send(record, "FAIL" if is_bad(outcome["state"]) else "COMPLETE", outcome)


def run_uuid(run_id: str) -> str:
    """OpenLineage's id of a run: the same in each of its events."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{NAMESPACE}/{run_id}"))


def _send(record: RunRecord, kind: str, outcome: Mapping) -> None:
    if not wanted():
        return
    try:
        from openlineage.client import OpenLineageClient

        client = OpenLineageClient()
        client.emit(event(record, kind, outcome))
        client.close()
    except Exception as error:  # of a network, a file or a configuration: none of them undoes a run
        print(f"OpenLineage: the event {kind} of run {record.run} was not sent: {error}", file=sys.stderr)


def event(record: RunRecord, kind: str, outcome: Mapping):
    """The event of a run. kind: START, COMPLETE or FAIL. outcome: `state`, `reasons`, `version`, `metrics`; empty for START."""
    from openlineage.client.event_v2 import Job, OutputDataset, Run, RunEvent, RunState
    from openlineage.client.facet_v2 import dataset_version_dataset, error_message_run, nominal_time_run

    facets = {"newsdesk_run": _run_facet(record, outcome)}
    if record.interval:
        start, end = record.interval
        facets["nominalTime"] = nominal_time_run.NominalTimeRunFacet(start, end)
    if kind == "FAIL":
        message = "; ".join(outcome.get("reasons") or []) or str(outcome["state"])
        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(message, "Python")
    outputs, version = [], outcome.get("version")
    if version is not None:
        facet = dataset_version_dataset.DatasetVersionDatasetFacet(str(version))
        outputs = [OutputDataset(NAMESPACE, f"models/{record.line}", facets={"version": facet})]
    return RunEvent(
        eventType=RunState[kind],
        eventTime=datetime.now(timezone.utc).isoformat(),
        run=Run(run_uuid(record.run), facets=facets),
        job=Job(NAMESPACE, f"{record.line}.retrain"),
        inputs=[_file(file) for file in record.files],
        outputs=outputs,
        producer=PRODUCER,
    )


def _run_facet(record: RunRecord, outcome: Mapping):
    """What the specification has no facet for: settings, code, data and verdict."""
    from openlineage.client.generated.base import RunFacet

    metrics = outcome.get("metrics") or {}
    return RunFacet().with_additional_properties(
        run=record.run,
        line=record.line,
        preset=record.config.preset,
        seed=record.config.seed,
        code=record.code,
        dataHash=record.data_hash,
        champion=(record.champion or {}).get("version"),
        state=outcome.get("state") and str(outcome["state"]),
        reasons=[str(reason) for reason in outcome.get("reasons") or []],
        accuracy=metrics.get("accuracy"),
    )


def _file(file: Mapping):
    """A data file as an input: its path is its name, its content hash its version."""
    from openlineage.client.event_v2 import InputDataset
    from openlineage.client.facet_v2 import dataset_version_dataset
    from openlineage.client.generated.base import DatasetFacet

    facets = {
        "version": dataset_version_dataset.DatasetVersionDatasetFacet(file["sha256"]),
        "newsdesk_file": DatasetFacet().with_additional_properties(split=file.get("split"), span=file.get("span")),
    }
    path = str(file["path"])
    return InputDataset("file", path if Path(path).is_absolute() else f"{NAMESPACE}/{path}", facets=facets)
