"""Addresses of pre-trained encoders. Standard library only, so that a wrong one is refused before any work."""

KINDS = ("pkg", "hf", "hub")


class EncoderError(ValueError):
    """An encoder is missing or cannot be used; the message names it, the reason and the remedy."""


def not_fetched(address: str, error: Exception, instead: str) -> str:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
    return f"{address} could not be fetched ({reason}). Check the name and the network, or fetch it elsewhere and give {instead}"


# Which preprocessor is published for a Hub encoder, by a word of the encoder's address; Kaggle writes it with dashes.
PREPROCESSORS = {
    "multi_cased": "https://tfhub.dev/tensorflow/bert_multi_cased_preprocess/3",
    "en_cased": "https://tfhub.dev/tensorflow/bert_en_cased_preprocess/3",
    "en_uncased": "https://tfhub.dev/tensorflow/bert_en_uncased_preprocess/3",
}


def preprocessor_of(address: str, given: str = "") -> str:
    """Where the preprocessor of a `hub:` encoder is: the given one (`hub:…`), `preprocess/` in its folder, or the published one.

    Raises:
        EncoderError: none was given, and the address does not name the one it needs.
    """
    _, where = split_address(given or address)
    if given:
        return where
    if where.startswith("/"):
        return f"{where.rstrip('/')}/preprocess"
    spelled = where.lower().replace("-", "_")
    for word, published in PREPROCESSORS.items():
        if word in spelled:
            return published
    raise EncoderError(
        f"a hub: address says which preprocessor it needs by one of {', '.join(PREPROCESSORS)}; give others as "
        f"network.preprocessor, or save the encoder as a folder with its preprocessor in preprocess/. Received: {address}"
    )


def split_address(address: str) -> tuple[str, str]:
    """("pkg" | "hf" | "hub", where).

    Raises ValueError for another form; a folder must be absolute, because nodes run in another working directory.
    """
    kind, colon, where = str(address).partition(":")
    relative = kind == "hub" and not where.startswith(("/", "https://"))
    climbing = ".." in where.split("/")
    if not colon or kind not in KINDS or not where or relative or climbing or not where.isprintable() or " " in where:
        raise ValueError(
            "an encoder's address is pkg:NAME, hf:NAME, hf:NAME@REVISION, hf:/folder, hub:/folder or hub:https://…. "
            f"Received: encoder={str(address)[:80]!r}"
        )
    return kind, where
