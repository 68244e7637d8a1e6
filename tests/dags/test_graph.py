"""The graph has no edge too many, and the last task still waits for every node, whatever fails."""

import random

import pytest
from newsdesk_dags import graph

from pipelines.flow import FLOW, NODES

EDGES = graph.direct(FLOW)


def waits_for(edges, name):
    return {found for one in edges[name] for found in (one, *waits_for(edges, one))}


@pytest.mark.parametrize("node", FLOW, ids=lambda node: node.name)
def test_every_node_still_waits_for_all_that_its_row_names(node):
    whole = {each.name: set(each.upstream) for each in FLOW}
    assert waits_for(EDGES, node.name) == waits_for(whole, node.name) >= set(node.upstream)


def test_no_edge_is_left_that_the_others_imply():
    for name, found in EDGES.items():
        for one in found:
            fewer = {**EDGES, name: found - {one}}
            assert one not in waits_for(fewer, name)
    assert sum(map(len, EDGES.values())) == 16


def ended(edges, failing, seconds):
    """When each node has ended: after its upstream nodes, or as failed as soon as one of them has failed."""
    at, well = {}, {}
    for name, before in edges.items():  # the flow is in the order of its edges
        failed = [at[one] for one in before if not well[one]]
        at[name] = min(failed) if failed else max([at[one] for one in before], default=0) + seconds[name]
        well[name] = not failed and name != failing
    return at


@pytest.mark.parametrize("failing", [None, *NODES])
def test_who_waits_for_the_last_nodes_waits_for_all_whatever_fails_and_whoever_is_slow(failing):
    draw = random.Random(1)
    for _ in range(50):
        at = ended(EDGES, failing, {name: draw.choice((1, 10, 100)) for name in EDGES})
        assert max(at[name] for name in graph.last(EDGES)) == max(at.values())


def test_the_last_nodes_are_few():
    assert graph.last(EDGES) == ["StatisticsGen", "ImportSchemaGen", "Baseline", "Evaluator", "Registrar"]
