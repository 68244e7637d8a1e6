"""The lineage drawn: a run's nodes in the order in which they read each other's artifacts, as one SVG. Standard library only."""

import html

WIDE, HIGH, APART, BETWEEN = 150, 48, 24, 26  # of a box, between two of a column, between two columns; SVG units


def columns(nodes: list[dict]) -> list[list[dict]]:
    """Nodes by how many others stand before them, at most, on the way from the first. nodes: as `mlmd.executions` gives them."""
    depth: dict[str, int] = {}
    for node in nodes:  # in the order in which they ran, so that what is read was made before
        depth[node["node"]] = max((depth[name] + 1 for name in parents(node, nodes) if name in depth), default=0)
    return [[node for node in nodes if depth[node["node"]] == level] for level in range(max(depth.values()) + 1)]


def parents(node: dict, nodes: list[dict]) -> list[str]:
    """The names of the nodes whose outputs a node reads."""
    made = {artifact["id"]: other["node"] for other in nodes for artifact in other["outputs"]}
    return sorted({made[a["id"]] for a in node["inputs"] if a["id"] in made and made[a["id"]] != node["node"]})


def picture(nodes: list[dict]) -> str:
    """A self-contained SVG that follows the page's colours."""
    found = columns(nodes)
    tall = max(len(column) for column in found)
    place = {
        node["node"]: (x * (WIDE + BETWEEN), (y + (tall - len(column)) / 2) * (HIGH + APART))
        for x, column in enumerate(found)
        for y, node in enumerate(column)
    }
    width = len(found) * (WIDE + BETWEEN) - BETWEEN
    height = tall * (HIGH + APART)
    lines = "".join(_line(place[name], place[node["node"]]) for node in nodes for name in parents(node, nodes))
    boxes = "".join(_box(place[node["node"]], node) for node in nodes)
    return (
        f'<div class=wide><svg viewBox="-4 -4 {width + 8} {height + 8}" role=img aria-label="nodes and what they read" '
        f'style="min-width:{width * 0.62:.0f}px;width:100%;height:auto;font:14px system-ui">{lines}{boxes}</svg></div>\n'
    )


def _line(start: tuple[float, float], end: tuple[float, float]) -> str:
    x, y, to_x, to_y = start[0] + WIDE, start[1] + HIGH / 2, end[0], end[1] + HIGH / 2
    bend = max(30, (to_x - x) / 2)
    return (
        f'<path d="M{x:.0f} {y:.0f}C{x + bend:.0f} {y:.0f} {to_x - bend:.0f} {to_y:.0f} {to_x:.0f} {to_y:.0f}" fill="none" '
        'stroke="var(--mark)" stroke-opacity=".45"/>'
    )


def _box(at: tuple[float, float], node: dict) -> str:
    x, y = at
    cached = ' stroke-dasharray="5 3"' if node["state"] == "CACHED" else ""
    name, state = html.escape(node["node"]), html.escape(node["state"].lower())
    return (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{WIDE}" height="{HIGH}" rx="6" fill="Canvas" stroke="var(--mark)"{cached}/>'
        f'<text x="{x + WIDE / 2:.0f}" y="{y + 20:.0f}" text-anchor="middle" fill="currentColor" font-weight="600">{name}</text>'
        f'<text x="{x + WIDE / 2:.0f}" y="{y + 38:.0f}" text-anchor="middle" fill="currentColor" font-size="12.5">'
        f"#{node['id']} {state}</text>"
    )
