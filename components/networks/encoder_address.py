"""Addresses of pre-trained encoders. Standard library only, so that a wrong one is refused before any work."""

KINDS = ("pkg", "hf", "hub")


def split_address(address: str) -> tuple[str, str]:
    """("pkg" | "hf" | "hub", where).

    Raises ValueError for another form; a folder must be absolute, because nodes run elsewhere than the caller.
    """
    kind, colon, where = str(address).partition(":")
    relative = kind == "hub" and not where.startswith(("/", "https://"))
    climbing = ".." in where.split("/")
    if not colon or kind not in KINDS or not where or relative or climbing or not where.isprintable() or " " in where:
        raise ValueError(
            "an encoder's address is pkg:NAME, hf:NAME, hf:/folder, hub:/folder or hub:https://…. "
            f"Received: encoder={str(address)[:80]!r}"
        )
    return kind, where
