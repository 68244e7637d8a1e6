"""Artifact types that TFX does not have."""

from tfx.types.artifact import Artifact, Property, PropertyType


class Vocabulary(Artifact):
    """A tokenizer: `vocabulary.txt` (one token a line, id = line), `report.json` (fingerprint, coverage)."""

    TYPE_NAME = "NewsdeskVocabulary"
    PROPERTIES = {
        "tokens": Property(type=PropertyType.INT),
        "fingerprint": Property(type=PropertyType.STRING),
    }


class Quarantine(Artifact):
    """The rows that the Ingester could not use: `rows.csv` (source, line, column, value, reason) and `report.json` (counts)."""

    TYPE_NAME = "NewsdeskQuarantine"
    PROPERTIES = {"rows": Property(type=PropertyType.INT)}


class Verdict(Artifact):
    """A gate's decision: `verdict.json` and `verdict.html`; `decision` is "pass", "warn" or "stop"."""

    TYPE_NAME = "NewsdeskVerdict"
    PROPERTIES = {"decision": Property(type=PropertyType.STRING)}
