"""What `newsdesk doctor` checks between the state folder and the object store of `NEWSDESK_STORE`, and what `--repair` mends."""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from components.core import fileio, locks, paths
from components.registry import model_registry, object_store, store_layout, store_publisher
from components.registry.champion_pointer import named
from components.registry.manifest import MANIFEST
from components.registry.object_store import ObjectStore, StoreError
from components.registry.store_reader import StoreReader
from pipelines.operations.doctor_state import Finding, Mended

LEFT = timedelta(hours=1)  # since the last object of an upload: another desk's may be under way


def store() -> Iterator[Finding]:
    """Whether the store answers and refuses what it must refuse."""
    if object_store.configured():
        yield "object store", True, f"{store_publisher.checked().uri} answers and honours conditional writes"


def check(line: str) -> Iterator[Finding]:
    """Pointer, champion's files, what follows from them, and unfinished uploads of one line."""
    there = object_store.configured()
    if there is None:
        return
    what, ours = f"object store's {line}", model_registry.champion(line)
    theirs, events = store_publisher.newer(there, line)
    if events:
        yield (
            what,
            False,
            f"{there.uri} has {named(theirs)}, {len(events)} moves after this folder's {named(ours)}; --repair takes them over",
        )
        return
    if theirs and store_publisher.apart(there, line, theirs) and not store_publisher.known(line, theirs):
        yield what, False, apart(there, line, theirs)
        return
    if ours and (theirs is None or theirs["event"] != ours["event"]):
        yield what, False, f"{there.uri} has {named(theirs)}, this folder is at {named(ours)}; --repair publishes it"
        return
    if ours:
        lacking = missing_files(there, line, ours["version"])
        message = f"{there.uri}/{store_layout.version_key(line, ours['version'])} lacks {', '.join(lacking[:3])}; --repair sends it again"
        yield (
            what,
            not lacking,
            message if lacking else f"{there.uri} has {named(theirs)}, as this folder, and its files",
        )
    for version in unfinished(there, line):
        yield what, False, f"an upload of version {version} broke off; --repair removes it after an hour"


def repair(line: str) -> Iterator[Mended]:
    """Takes over newer moves of the store, publishes this folder's, sends lost files, removes what an upload left."""
    there = store_publisher.checked()
    if there is None:
        return
    theirs, events = store_publisher.newer(there, line)
    if events:
        yield from take_over(there, line, theirs, events)
        return
    if theirs and not store_publisher.known(line, theirs):
        yield False, apart(there, line, theirs)
        return
    ours = model_registry.champion(line)
    if ours:
        if store_publisher.upload(there, line, ours["version"]):
            yield True, f"sent version {ours['version']} of {line} to {there.uri}"
        elif lost := missing_files(there, line, ours["version"]):
            store_publisher.send_again(there, line, ours["version"], lost)
            yield True, f"sent {', '.join(lost)} of version {ours['version']} of {line} to {there.uri} again"
        if theirs is None or theirs["event"] != ours["event"]:
            with locks.line_lock(line):
                store_publisher.move(there, line, ours)
            yield True, f"moved the pointer of {line} in {there.uri} to {named(ours)}"
        written = store_publisher.mirror(there, line)
        if written:
            yield True, f"wrote {len(written)} objects of {line} that {there.uri} lacked"
    for version, last in unfinished(there, line).items():
        if datetime.now(timezone.utc) - last > LEFT:
            there.remove(there.keys(store_layout.version_key(line, version)))
            yield True, f"removed an upload of version {version} of {line} that broke off"


def take_over(there: ObjectStore, line: str, theirs: dict, events: list[dict]) -> Iterator[Mended]:
    """Brings versions that this folder lacks, with their records, and then the moves; nothing where one cannot be brought."""
    for version in sorted({event["to"] for event in events}):
        place = model_registry.served_folder(line, version)
        manifest = store_layout.manifest_of(there, line, version)
        if manifest is None and version != theirs["version"]:  # it served once, and was removed since
            continue
        if manifest and place.is_dir():
            if model_registry.verify(place)["files"] != manifest["files"]:
                yield (
                    False,
                    f"version {version} of {line} is another one here than in {there.uri}; move {place} away, then --repair again",
                )
                return
            continue
        _bring(there, line, version)
        yield True, f"brought version {version} of {line} from {there.uri}"
    with locks.line_lock(line):
        model_registry.adopt(line, theirs, events)
    yield (
        True,
        f"took over {len(events)} moves of {line} from {there.uri}: {named(theirs)} serves; --repair once more writes its cards",
    )


def _bring(there: ObjectStore, line: str, version: int) -> None:
    staged = StoreReader(there.uri, line, paths.staging_dir() / "store.cache").folder(version)
    if staged is None:
        raise StoreError(
            f"the version that serves must be in the store. Received: {there.uri} has no version {version} of {line}"
        )
    target = model_registry.served_folder(line, version)
    target.parent.mkdir(parents=True, exist_ok=True)
    staged.rename(target)
    records = there.keys(f"registry/{line}/versions")
    for key in (key for key in records if key.rpartition("/")[2].startswith(f"{version}.")):
        place = paths.registry_dir(line) / "versions" / paths.safe_name(key.rpartition("/")[2], "record")
        place.parent.mkdir(parents=True, exist_ok=True)
        there.download(key, place)
    card = model_registry.card(line, version)
    if card:
        fileio.write_json(model_registry.card_path(line, version), {**card, "folder": str(target)})


def apart(there: ObjectStore, line: str, theirs: dict) -> str:
    return (
        f"{there.uri} has {named(theirs)} of another history than this folder's {named(model_registry.champion(line))}: "
        f"desk {theirs.get('desk', 'unknown')} publishes there. Give each desk a store of its own (NEWSDESK_STORE), or one of them another line"
    )


def missing_files(there: ObjectStore, line: str, version: int) -> list[str]:
    """Files of the version's manifest that the store lacks, the manifest itself among them."""
    prefix = store_layout.version_key(line, version)
    keys, manifest = there.keys(prefix), store_layout.manifest_of(there, line, version)
    if manifest is None:
        return [MANIFEST]
    return sorted(name for name in manifest["files"] if f"{prefix}/{name}" not in keys)


def unfinished(there: ObjectStore, line: str) -> dict[int, datetime]:
    """Versions in the store that have files and no manifest, with the time of the last one."""
    whole, last = set(), {}
    for key, time in there.keys(f"serving/{line}").items():
        number, _, name = key.split("/", 2)[2].partition("/")
        if number.isdigit() and name:
            last[int(number)] = max(time, last.get(int(number), time))
            whole |= {int(number)} if name == MANIFEST else set()
    return {number: time for number, time in sorted(last.items()) if number not in whole}
