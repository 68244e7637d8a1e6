"""A champion that is damaged and that no copy restores: a person records it as lost, so that the next run is judged without it.

The pointer still names its version; the move that says so is of kind `lost` and leads from that version to itself. The other rules of the
model gate hold. Standard library only.
"""

from components.core import locks
from components.core.states import Move
from components.registry import model_registry, store_publisher
from components.registry.manifest import RegistryError


def is_lost(pointer: dict | None) -> bool:
    """Whether a pointer says that its version is lost."""
    return bool(pointer) and pointer.get("event", {}).get("kind") == Move.LOST


def is_whole(line: str, version: int) -> bool:
    """Whether the folder of a served version is there and matches its manifest."""
    try:
        return bool(model_registry.verify(model_registry.served_folder(line, version)))
    except (RegistryError, OSError):
        return False


def way_back(line: str) -> int | None:
    """The version that a rollback would return to now; None where none would succeed."""
    previous = model_registry.rollback_target(line)
    return previous if previous is not None and is_whole(line, previous) else None


def record(line: str, expected: dict | None, reason: str) -> dict:
    """Records the champion as lost; returns the move. expected: the pointer that this was decided on.

    Raises:
        RegistryError: nothing serves, the champion is whole, it is recorded already, or a rollback would do.
        PointerMoved: the champion is no longer the expected one.
    """
    store = store_publisher.checked()
    with locks.line_lock(line):
        pointer = model_registry.check_champion(line, expected)
        if pointer is None or is_lost(pointer):
            raise RegistryError(f"only a champion can be recorded as lost. Received: line {line!r} has none")
        if is_whole(line, pointer["version"]):
            raise RegistryError(
                f"only a damaged champion can be recorded as lost. Received: version {pointer['version']} of {line!r} is whole"
            )
        if (previous := way_back(line)) is not None:
            raise RegistryError(
                f"a champion is recorded as lost only where no version can take its place. Received: line {line!r}, where "
                f"`newsdesk rollback` returns to version {previous}"
            )
        model_registry.repair_history(line)
        event = model_registry.new_move(pointer, pointer["version"], Move.LOST, reason, {})
        lost = {**pointer, "event": event}
        if store:
            store_publisher.move(store, line, lost)
        model_registry.write_move(line, lost)
    if store:
        store_publisher.follow(store, line)
    return event
