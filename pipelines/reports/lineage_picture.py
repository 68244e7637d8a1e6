"""The lineage drawn: a run's nodes in the order in which they read each other's artifacts, as one SVG."""

from markupsafe import Markup

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


def picture(nodes: list[dict]) -> Markup:
    """An SVG that takes the page's colours."""
    levels = columns(nodes)
    tall = max(len(column) for column in levels)
    place = {
        node["node"]: (x * (WIDE + BETWEEN), (y + (tall - len(column)) / 2) * (HIGH + APART))
        for x, column in enumerate(levels)
        for y, node in enumerate(column)
    }
    parts = [_line(place[name], place[node["node"]]) for node in nodes for name in parents(node, nodes)]
    parts += [_box(place[node["node"]], node) for node in nodes]
    return Markup(
        '<svg class="graph" viewBox="-4 -4 {w} {h}" role="img" aria-label="nodes and what they read">{parts}</svg>'
    ).format(w=len(levels) * (WIDE + BETWEEN) - BETWEEN + 8, h=tall * (HIGH + APART) + 8, parts=Markup("").join(parts))


def _line(start: tuple[float, float], end: tuple[float, float]) -> Markup:
    x, y, to_x, to_y = start[0] + WIDE, start[1] + HIGH / 2, end[0], end[1] + HIGH / 2
    bend = max(30, (to_x - x) / 2)
    return Markup(
        '<path class="edge" d="M{x:.0f} {y:.0f}C{a:.0f} {y:.0f} {b:.0f} {to_y:.0f} {to_x:.0f} {to_y:.0f}"/>'
    ).format(x=x, y=y, a=x + bend, b=to_x - bend, to_x=to_x, to_y=to_y)


def _box(at: tuple[float, float], node: dict) -> Markup:
    x, y = at
    return Markup(
        '<rect class="{kind}" x="{x:.0f}" y="{y:.0f}" width="{w}" height="{h}" rx="6"/>'
        '<text x="{middle:.0f}" y="{first:.0f}" class="middle name">{name}</text>'
        '<text x="{middle:.0f}" y="{second:.0f}" class="middle">#{id} {state}</text>'
    ).format(
        kind="box cached" if node["state"] == "CACHED" else "box", x=x, y=y, w=WIDE, h=HIGH, middle=x + WIDE / 2,
        first=y + 20, second=y + 38, name=node["node"], id=node["id"], state=node["state"].lower(),
    )  # fmt: skip
