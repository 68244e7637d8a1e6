"""Model families: one module each, named after itself, found by that name.

A family is a module that honours three names. `network` is the preset's mapping of plain numbers and words.

    build_vocabulary(texts, network) -> list[str]
        texts: tf.data.Dataset of string[batch], the train split and nothing else, 1,024 or more a batch.
        Returns the tokens; a token's index is its id, and id 0 is padding. A family that comes with a vocabulary returns
        that one and does not look at the texts.
    build_tokenizer(tokens, network) -> tokenizer
        A tf.Module, called with string[batch] (raw text; it cleans inside), returning a dict of integer tensors
        [batch, length] with one length for all of them. 0 is padding in each and stands at the end only, so a batch may be
        trimmed to its longest row. It works eagerly, in tf.data and in an exported graph, and answers for any bytes.
    build_network(tokens, network, classes) -> tf_keras.Model
        From that dict, at any length up to the longest, to float32 logits [batch, classes]. Padding changes no answer.

Loss, optimizer, schedule, metrics, checkpoints (`components.training`), export and signatures (`components.export`) live
once, outside.
"""

import importlib
import pkgutil
from types import ModuleType


def families() -> tuple[str, ...]:
    """Names of the families there are, in alphabetical order. A module's underscores are dashes in its family's name."""
    return tuple(sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__)))


def family(name: str) -> ModuleType:
    """The family's module.

    Raises ValueError for a name that is no family; no name reaches the import system unchecked.
    """
    known = families()
    if name not in known:
        raise ValueError(f"A model family is one of {', '.join(known)}. Received: family={name!r}")
    return importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
