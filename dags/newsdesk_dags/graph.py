"""The flow as a graph that a person can read: no edge that other edges already imply."""

from collections.abc import Iterable, Mapping

from pipelines.flow import Node


def direct(flow: Iterable[Node]) -> dict[str, set[str]]:
    """The upstream nodes that are left of each node when those are taken out that another upstream node waits for anyway (the
    transitive reduction). Failures and skips still reach every node: each passes them on to the next."""
    upstream = {node.name: set(node.upstream) for node in flow}
    behind = {name: _behind(name, upstream) for name in upstream}
    return {
        name: {one for one in before if not any(one in behind[other] for other in before)}
        for name, before in upstream.items()
    }


def last(edges: Mapping[str, set[str]]) -> list[str]:
    """The nodes for which a task must wait that starts when all have ended. edges: as `direct` gives them.

    A node with one upstream node ends after it. A node with several may end, as failed, while one of them still runs: these are
    waited for, as are the nodes that nothing follows.
    """
    waited_for = {name for before in edges.values() if len(before) == 1 for name in before}
    return [name for name in edges if name not in waited_for]


def _behind(name: str, upstream: Mapping[str, set[str]]) -> set[str]:
    """All that a node waits for, directly or not."""
    return {node for one in upstream[name] for node in (one, *_behind(one, upstream))}
