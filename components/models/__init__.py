"""Model families: one module each, named after itself, found by that name.

A family is a module that honours three names, and may offer four more. `network` is the preset's mapping of plain numbers and words.

    build_vocabulary(texts, network) -> list[str]
        texts: tf.data.Dataset of string[batch], the train split and nothing else, 1,024 or more a batch.
        Returns the tokens; a token's index is its id, and id 0 is padding. A family that comes with a vocabulary returns
        that one and does not look at the texts.
    build_tokenizer(tokens, network) -> tokenizer
        A tf.Module, called with string[batch] (raw text; it cleans inside, unless the family learns from text as it came and
        from some of it cleaned, which its setting `mended` says), returning a dict of integer tensors
        [batch, length] with one length for all of them. 0 is padding in each and stands at the end only, so a batch may be
        trimmed to its longest row. It works eagerly, in tf.data and in an exported graph, and answers for any bytes.
    build_network(tokens, network, classes) -> tf_keras.Model
        From that dict, at any length up to the longest, to float32 logits [batch, classes]. Padding changes no answer.

A family that is not trained by gradient steps alone offers `fit`; `components.training.loop.fit` then calls it instead of its own loop.

    fit(tokens, network, training, seed, train, eval, classes, workdir, report, start) -> (model, tokenizer, history)
        Arguments and answer as `components.training.loop.descend`, less the family. Weights that it fits anew, whatever `start`
        holds, have names that begin with `calibration.FITTED`. Equal arguments give equal weights.

A family that has attention to show offers `build_explainer`; one that has none leaves it out.

    build_explainer(model, tokens, network) -> callable, or None where this network has no attention
        model: as `build_network` returns it, with trained weights; the callable uses them and adds none of its own. Called
        with the tokenizer's dict, eagerly or in an exported graph, it returns
        "tokens": string[batch, length], each place's token as people read it, "" at padding;
        "attention": float32[batch, heads, from, length], what each place (from = length), or the one pooled answer
        (from = 1), takes from each place. A row adds up to 1 over real tokens and is 0 at padding; the row of a padded
        place, and of a text without tokens, is all 0. See `layers.attention_map`, which cleans and names.

A family that is a sum of what a text's words add offers `build_contributions`.

    build_contributions(model, tokenizer) -> callable
        Both as they are exported; the callable adds no table or weight of its own. Called with one text string[], it returns "features" string[features], as people read them, each once; "contributions"
        float32[features, classes], what each adds to each class's score; "bias" float32[classes].

A family whose settings can be searched (`tuning.trials`) declares where.

    SPACE: {"training.learning_rate": …, "network.width": …}
        What may be tried around each setting, see `components.training.search_space`. The vocabulary is built before: no setting that
        `build_vocabulary` reads belongs there.

`family(name, network)` puts the linear model beside any family but `linear` where `network["wide"]` is true: see
`components.training.wide`.

Loss, optimizer, schedule, metrics, checkpoints (`components.training.loop`), export and signatures (`components.training.export`) live
once, outside.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType, ModuleType


def families() -> tuple[str, ...]:
    """Names of the families there are, in alphabetical order. A module's underscores are dashes in its family's name."""
    return tuple(sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__)))


def family(name: str, network: Mapping = MappingProxyType({})) -> ModuleType:
    """The family's module; with `network["wide"]` an object of the same names that has the linear model beside it.

    Raises ValueError for a name that is no family; no name reaches the import system unchecked.
    """
    known = families()
    if name not in known:
        raise ValueError(f"A model family is one of {', '.join(known)}. Received: family={name!r}")
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    if not network.get("wide"):
        return module
    # Imported late: it needs TensorFlow, and the linear family of this package.
    return importlib.import_module("components.training.wide").Beside(module)


def search_space(name: str) -> Mapping:
    """The family's `SPACE`; empty where it declares none."""
    return getattr(family(name), "SPACE", {})


def contributions(module: ModuleType, model, tokenizer) -> Callable | None:
    """What the family's `build_contributions` gives; None where the answer is no sum over words."""
    build = getattr(module, "build_contributions", None)
    return build(model, tokenizer) if build else None


def explainer(module: ModuleType, model, tokens: Sequence[str], network: Mapping) -> Callable | None:
    """What the family's `build_explainer` gives; None where there is no attention to show."""
    build = getattr(module, "build_explainer", None)
    return build(model, tokens, network) if build else None
