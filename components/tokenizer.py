"""Tokenizer: the vocabulary, adapted on the train split alone, as an artifact of its own.

Reads: Examples(train), the family, the champion's vocabulary where the policy keeps or extends it. Makes: Vocabulary
(`vocabulary.txt`, `report.json` with fingerprint and coverage). Raises for an empty train split.
"""

import json
from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Examples

from components.artifacts import Vocabulary
from components.data import rows
from components.models import family as family_named
from components.registry.model_registry import verified_folder
from components.training import vocabulary as vocabularies
from components.training import warm_start


@component
def Tokenizer(
    family: Parameter[str],
    network: Parameter[str],
    policy: Parameter[str],
    before: Parameter[str],
    code: Parameter[str],
    examples: InputArtifact[Examples],
    vocabulary: OutputArtifact[Vocabulary],
    encoders: Parameter[str] = "{}",
):
    """network: JSON of the preset's network settings; policy: see `decide`; before: JSON of the champion to go on from or null;
    encoders: JSON of the run's encoders with their content; code: hash of code and libraries; both for the cache."""
    settings, champion = json.loads(network), json.loads(before)
    train = rows.from_split(examples.uri, "train")
    known, reason = [], ""
    if champion:
        folder = verified_folder(**champion)
        reason = warm_start.incompatibility_reason(folder, family, settings) or ""
        known = [] if reason else vocabularies.load(folder / warm_start.FOLDER)
    # A family of features takes what enough rows have, however many that are.
    size = None if "min_rows" in settings or settings.get("wide") else settings.get("vocabulary", len(known))
    tokens = vocabularies.decide(policy, lambda: vocabularies.adapt(family, settings, train), known, size)
    vocabularies.save(Path(vocabulary.uri), tokens)
    held_out = rows.from_split(examples.uri, "eval")
    report = {
        "family": family,
        "tokens": len(tokens),
        "fingerprint": vocabularies.fingerprint(tokens),
        "policy": policy,
        "kept": len(known),
        "eval": vocabularies.coverage(
            family_named(family, settings).build_tokenizer(tokens, settings), tokens, held_out
        ),
    }
    Path(vocabulary.uri, "report.json").write_text(json.dumps(report, indent=1))
    vocabulary.tokens, vocabulary.fingerprint = len(tokens), report["fingerprint"]
    vocabulary.set_string_custom_property(
        "headline",
        f"{len(tokens):,} tokens, {report['eval']['unknown_share']:.1%} of unseen text outside them"
        + (f"; {len(known):,} are the champion's" if known else f"; adapted anew: {reason}" if reason else ""),
    )
