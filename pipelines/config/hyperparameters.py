"""What a preset's network and training settings may be, by name, so that a wrong one is refused before any work. Standard library."""

import re
from collections.abc import Mapping
from typing import Any

from components.networks.encoder_address import preprocessor_of, split_address

# (least, most) of numbers, both allowed; a tuple of words is a choice. The same name means the same in every family.
RULES: Mapping[str, tuple] = {
    # network
    "vocabulary": (10, 2_000_000),
    "length": (3, 512),
    "width": (1, 4096),
    "units": (1, 4096),
    "attention_units": (1, 4096),
    "heads": (1, 64),
    "key_width": (1, 1024),
    "feed_forward": (1, 16_384),
    "blocks": (0, 48),
    "hidden": (0, 16_384),
    "buckets": (0, 2**24),
    "pair_width": (0, 1024),
    "dropout": (0.0, 0.95),
    "encoder_dropout": (0.0, 0.95),
    "word_dropout": (0.0, 0.95),
    "pooling": ("mean", "mean+max", "pooled_output", "default", "cls", "layers"),
    "padding": ("longest", "max_length"),
    "min_rows": (1, 1000),
    "penalty": (1e-4, 1000.0),
    "mended": (0.0, 1.0),
    # training
    "calibrate": ("none", "temperature", "offsets"),
    "epochs": (1, 1000),
    "batch_size": (1, 65_536),
    "learning_rate": (1e-8, 1.0),
    "warmup": (0.0, 0.95),
    "weight_decay": (0.0, 10.0),
    "label_smoothing": (0.0, 0.95),
    "patience": (1, 1000),
    "clip_norm": (0.0, 1e6),
    "precision": ("float32", "bfloat16"),
    "vocabulary_policy": ("rebuild", "extend", "freeze"),
    "warm_start": (False, True),
}


def network_fault(family: str, network: Mapping[str, Any]) -> str | None:
    """What in a network's settings does not go together, known before any work; None when nothing does.

    network: values that `fault` finds nothing wrong with.
    """
    address = str(network.get("encoder", ""))
    if not address.startswith("hub:"):
        given = network.get("preprocessor")
        return f"network.preprocessor belongs to a hub: encoder, and network.encoder is {address}" if given else None
    if family != "bert":
        return f"the family {family} needs a pkg: or hf: encoder, and network.encoder is {address}"
    if network["trained"] not in ("none", "all"):
        return (
            f"a hub: encoder is trained as a whole or not at all: set network.trained to all or none, not "
            f"{network['trained']!r}; network.encoder is {address}"
        )
    try:
        preprocessor_of(address, network.get("preprocessor", ""))
    except ValueError as error:
        return str(error)
    return None


def fault(name: str, value: Any) -> str | None:
    """What is wrong with a setting's value, as a rule without the value; None when nothing is."""
    if name == "encoder" or (name == "vectors" and value != "none"):
        try:
            kind, _ = split_address(value)
        except ValueError as error:
            return str(error).partition(". Received")[0]
        return "must be none or a pkg: or hf: address" if (name, kind) == ("vectors", "hub") else None
    if name == "preprocessor":
        try:
            return None if not value or split_address(value)[0] == "hub" else "must be empty or a hub: address"
        except ValueError as error:
            return str(error).partition(". Received")[0]
    if name == "trained":
        fits = value in ("none", "layers", "all") or re.fullmatch(r"top [1-9]\d?", str(value))
        return None if fits else "must be none, all, layers (all but the embeddings) or 'top N' layers"
    if name not in RULES:
        return None
    rule = RULES[name]
    if isinstance(rule[0], (str, bool)):
        return None if value in rule else f"must be one of {', '.join(map(str, rule))}"
    return None if rule[0] <= value <= rule[1] else f"must lie in {rule[0]:g}..{rule[1]:g}"
