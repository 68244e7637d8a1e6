"""Addresses of pre-trained encoders. Standard library only, so that a wrong one is refused before any work."""

KINDS = ("pkg", "hf", "hub")


class EncoderError(ValueError):
    """An encoder is missing or cannot be used; the message says which, why, and what to do."""


def not_fetched(address: str, error: Exception, instead: str) -> str:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
    return f"{address} could not be fetched ({reason}). Check the name and the network, or fetch it elsewhere and give {instead}"


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
