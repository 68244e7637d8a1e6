"""What a preset's network and training settings may be, by name, so that a wrong one is refused before any work.

A setting is declared here once: type, range and, for training, its default. The same name means the same in every family.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from components.core import processor
from components.core.validation import ConfigError, check
from components.networks.encoder_address import preprocessor_of, split_address
from pipelines.config.base import Settings

Setting = int | float | str | bool
Share = Annotated[float, Field(ge=0, le=0.95)]
Width = Annotated[int, Field(ge=1, le=4096)]


def _encoder(address: str) -> str:
    try:
        split_address(address)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    return address


def _preprocessor(address: str) -> str:
    check(
        not address or split_address(_encoder(address))[0] == "hub",
        "network.preprocessor must be empty or a hub: address",
        preprocessor=address,
    )
    return address


def _vectors(address: str) -> str:
    if address != "none":
        kind, _ = split_address(_encoder(address))
        check(kind != "hub", "network.vectors must be none or a pkg: or hf: address", vectors=address)
    return address


def _trained(layers: str) -> str:
    right = layers in ("none", "layers", "all") or bool(re.fullmatch(r"top [1-9]\d?", layers))
    rule = "network.trained must be none, all, layers (all but the embeddings) or 'top N' layers"
    check(right, rule, trained=layers)
    return layers


class Network(Settings):
    """Every setting that a family's network may have; a preset sets those of its family, which its module in `components/models`
    explains. None: not set."""

    section = "network"

    vocabulary: int = Field(None, ge=10, le=2_000_000, description="Words and pieces with an embedding of their own.")
    length: int = Field(None, ge=3, le=512, description="Tokens of a text; longer texts are cut.")
    width: Width = Field(None, description="Numbers of an embedding.")
    units: Width = Field(None, description="Units of a recurrent layer, in each direction.")
    attention_units: Width = Field(None, description="Units of additive attention.")
    heads: int = Field(None, ge=1, le=64, description="Attention heads.")
    key_width: int = Field(None, ge=1, le=1024, description="Numbers of a head's key.")
    feed_forward: int = Field(None, ge=1, le=16_384, description="Units of a block's feed-forward layer.")
    blocks: int = Field(None, ge=0, le=48, description="Attention blocks.")
    hidden: int = Field(None, ge=0, le=16_384, description="Units of the layer before the classes; 0: none.")
    buckets: int = Field(None, ge=0, le=2**24, description="Hash buckets for pairs of neighbours; 0: no pairs.")
    pair_width: int = Field(None, ge=0, le=1024, description="Numbers of a pair's embedding.")
    dropout: Share = Field(None, description="Before the classes.")
    encoder_dropout: Share = Field(None, description="Inside a pre-trained encoder.")
    word_dropout: Share = Field(None, description="Share of words left out in training.")
    pooling: Literal["mean", "mean+max", "pooled_output", "default", "cls", "layers"] = Field(
        None, description="How a text's vectors become one."
    )
    padding: Literal["longest", "max_length"] = Field(None, description="Length of a batch.")
    text: Literal["words", "marks"] = Field(
        None, description="What becomes a token: words, or words and punctuation marks."
    )
    wide: bool = Field(None, description="Whether a linear model is trained beside the family.")
    min_rows: int = Field(None, ge=1, le=1000, description="Rows that a word of a linear model must occur in.")
    penalty: float = Field(None, ge=1e-4, le=1000, description="Penalty of a linear model's weights.")
    mended: float = Field(None, ge=0, le=1, description="Share of train rows that are cleaned before a linear fit.")
    encoder: Annotated[str, AfterValidator(_encoder)] = Field(None, description="Address of a pre-trained encoder.")
    preprocessor: Annotated[str, AfterValidator(_preprocessor)] = Field(
        None, description="Of a hub: encoder, where it is not the one that is published for it."
    )
    trained: Annotated[str, AfterValidator(_trained)] = Field(
        None, description="Layers of the encoder that are trained."
    )
    vectors: Annotated[str, AfterValidator(_vectors)] = Field(
        None, description="Where the words' first vectors come from."
    )


class Training(Settings):
    """Settings that every preset has."""

    section = "training"

    epochs: int = Field(3, ge=1, le=1000, description="At most; see patience.")
    batch_size: int = Field(256, ge=1, le=65_536, description="Rows a step.")
    learning_rate: float = Field(1e-3, ge=1e-8, le=1, description="The peak, at the end of the warm-up.")
    warmup: Share = Field(0.1, description="Share of all steps.")
    weight_decay: float = Field(0.0, ge=0, le=10, description="AdamW's, a step at the peak rate times this.")
    label_smoothing: Share = Field(0.0, description="Share of the target spread over all classes.")
    patience: int = Field(2, ge=1, le=1000, description="Epochs without a better validation before training stops.")
    clip_norm: float = Field(1.0, ge=0, le=1e6, description="Norm of all gradients together; 0 clips nothing.")
    precision: Literal["float32", "bfloat16", "auto"] = Field(
        "float32",
        description="For training only; auto: bfloat16 where the processor multiplies it (AMX or AVX-512), else float32.",
    )
    calibrate: Literal["none", "temperature", "offsets", "sigmoid"] = Field(
        "offsets",
        description="On the validation rows: temperature and class offsets, temperature alone, a sigmoid for margins, or none.",
    )
    vocabulary_policy: Literal["rebuild", "extend", "freeze"] = Field(
        "rebuild", description="What becomes of the champion's vocabulary."
    )
    warm_start: bool = Field(False, description="Whether to go on from the champion's weights; needs its vocabulary.")

    @model_validator(mode="after")
    def _has_a_vocabulary(self) -> "Training":
        check(
            not self.warm_start or self.vocabulary_policy != "rebuild",
            "training.warm_start needs training.vocabulary_policy=extend or freeze, since weights belong to a vocabulary",
            vocabulary_policy=self.vocabulary_policy,
        )
        return self


class Tuning(Settings):
    """The search before the training (`components/tuner.py`)."""

    section = "tuning"

    trials: int = Field(0, ge=0, le=1000, description="Settings to try; 0: none, the Tuner is skipped.")
    rows: int = Field(20_000, ge=10, le=100_000_000, description="Train rows of a trial, at most.")


def check_together(family: str, network: Mapping[str, Any]) -> None:
    """Raises ConfigError where a network's settings cannot work together, so that no run begins with them.

    network: as `network` returns it.
    """
    address = str(network.get("encoder", ""))
    if not address.startswith("hub:"):
        given = network.get("preprocessor", "")
        check(
            not given, f"network.preprocessor belongs to a hub: encoder, and network.encoder is {address}", given=given
        )
        return
    check(family == "bert", f"the family {family} needs a pkg: or hf: encoder", encoder=address)
    check(
        network["trained"] in ("none", "all"),
        "a hub: encoder is trained as a whole or not at all: set network.trained to all or none",
        trained=network["trained"],
        encoder=address,
    )
    try:
        preprocessor_of(address, network.get("preprocessor", ""))
    except ValueError as error:
        raise ConfigError(str(error)) from None


def network(values: Mapping[str, Any]) -> Mapping[str, Setting]:
    """A family's network settings, checked, in the order given.

    Raises:
        ConfigError: an unknown name, a wrong type or a value out of range.
    """
    checked = Network.read(values)
    return MappingProxyType({name: getattr(checked, name) for name in values})


def training(values: Mapping[str, Any]) -> Mapping[str, Setting]:
    """All training settings, checked, with the defaults of what is left out. Raises as `network`."""
    return MappingProxyType(Training.read(values).model_dump())


def for_this_processor(values: Mapping[str, Setting]) -> Mapping[str, Setting]:
    """Training settings in which no precision is left open, so that records and cache keys name the one that is used."""
    return MappingProxyType({**values, "precision": processor.precision(values["precision"])})
