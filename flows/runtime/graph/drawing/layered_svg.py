"""A drawing of a map without Graphviz, with the ids and classes of every other drawing."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from flows.runtime.graph.drawing import style
from flows.runtime.graph.drawing.layered_layout import (
    GAP,
    LABEL_INDENT,
    LINE_HEIGHT,
    Piece,
    Point,
    Route,
    lay_out,
)
from flows.runtime.graph.drawing.style import NodeStatus
from flows.runtime.graph.workflow import Node, Workflow

_PORT_GAP = 18.0
_ARROW = 7.0


def layered_svg(workflow: Workflow, statuses: Mapping[str, NodeStatus]) -> str:
    """The map as one SVG element that stands alone."""
    layout = lay_out(workflow)
    drawn = [opening_tag(workflow, layout.width, layout.height)]
    drawn += [_edge(route) for route in layout.routes]
    drawn += [
        _node(piece, piece.node, statuses.get(piece.node.id, NodeStatus.PENDING))
        for piece in layout.pieces
        if piece.node
    ]
    return "\n".join([*drawn, "</svg>\n"])


def opening_tag(workflow: Workflow, width: float, height: float) -> str:
    """The root element with its size in pixels, the name for screen readers and the style."""
    name = html.escape(f"Map of {workflow.name}, version {workflow.version}")
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'class="workflow_map" role="img" aria-label="{name}" '
        f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.2f} {height:.2f}">\n'
        f"<style>\n{style.stylesheet()}\n</style>"
    )


def _edge(route: Route) -> str:
    """A smooth line through the pieces, an arrow head at the target, the label beside it."""
    edge, pieces = route.edge, route.pieces
    if edge.source == edge.target:
        points, head = _loop(pieces[0])
    else:
        first, last = pieces[0], pieces[-1]
        top = _port(first, pieces[1], first.below, downwards=True)
        bottom = _port(last, pieces[-2], last.above, downwards=False)
        points, head = _through(top, pieces[1:-1], bottom, upwards=edge.back)
    drawn = [
        f'<g id="{style.edge_id(edge)}" class="edge {style.edge_class(edge)}">',
        f"<title>{html.escape(str(edge))}</title>",
        f'<path fill="none" stroke="{style.ARROW}" d="{points}"/>',
        f'<polygon points="{head}"/>',
    ]
    if edge.label:
        x, y = _beside(route)
        drawn.append(_text(x, y, edge.label, style.LABEL_SIZE, anchor="start"))
    return "\n".join([*drawn, "</g>"])


def _beside(route: Route) -> Point:
    """Where the label of an edge begins; a loop has it to the right of its node."""
    piece = route.label or route.pieces[0]
    aside = 0.0 if route.label else piece.left + GAP / 2
    return piece.x + aside + LABEL_INDENT, piece.y + style.LABEL_SIZE / 3


def _port(piece: Piece, towards: Piece, beside: Sequence[Piece], downwards: bool) -> Point:
    """Where an edge meets the border of a node: several edges share the room, side by side."""
    turn = sorted(beside, key=lambda other: other.x).index(towards)
    room = min(_PORT_GAP, piece.left / max(len(beside), 1))
    shift = (turn - (len(beside) - 1) / 2) * room
    depth = _depth(piece, shift)
    return piece.x + shift, piece.y + (depth if downwards else -depth)


def _depth(piece: Piece, shift: float) -> float:
    """Half the height of a node's shape, `shift` pixels beside its middle."""
    half, aside = piece.height / 2, min(abs(shift) / piece.left, 1.0)
    match piece.node and style.SHAPES[piece.node.kind]:
        case "diamond":
            return half * (1 - aside)
        case "oval":
            return half * math.sqrt(1 - aside**2)
        case _:
            return half


def _through(
    top: Point, between: Sequence[Piece], bottom: Point, *, upwards: bool
) -> tuple[str, str]:
    """The line and its arrow head, which stands upright on either end."""
    (top_x, top_y), (bottom_x, bottom_y) = top, bottom
    if upwards:
        head = _head(top_x, top_y, top_y + _ARROW)
        top_y += _ARROW
    else:
        head = _head(bottom_x, bottom_y, bottom_y - _ARROW)
        bottom_y -= _ARROW
    ends = [(p.x, p.y + side * p.height / 2) for p in between if p.height for side in (-1, 1)]
    points = [(top_x, top_y), *ends, (bottom_x, bottom_y)]
    line = f"M{top_x:.1f},{top_y:.1f}"
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (y0 + y1) / 2
        line += f" C{x0:.1f},{middle:.1f} {x1:.1f},{middle:.1f} {x1:.1f},{y1:.1f}"
    return line, head


def _loop(piece: Piece) -> tuple[str, str]:
    """From the bottom of a node around its right side to its top."""
    x, out = piece.x + piece.left / 2, piece.x + piece.left + GAP / 2
    depth = _depth(piece, piece.left / 2)
    low, high = piece.y + depth, piece.y - depth
    line = (
        f"M{x:.1f},{low:.1f} C{x:.1f},{low + GAP / 2:.1f} {out:.1f},{low:.1f} "
        f"{out:.1f},{piece.y:.1f} C{out:.1f},{high:.1f} {x:.1f},{high - GAP:.1f} "
        f"{x:.1f},{high - _ARROW:.1f}"
    )
    return line, _head(x, high, high - _ARROW)


def _head(x: float, tip: float, base: float) -> str:
    return f"{x:.1f},{tip:.1f} {x - 3.2:.1f},{base:.1f} {x + 3.2:.1f},{base:.1f}"


def _node(piece: Piece, node: Node, status: NodeStatus) -> str:
    look = style.look_of(node, status)
    paint = f'fill="{look.fill}" stroke="{look.stroke}"'
    steps = style.step_lines(node)
    y = piece.y - LINE_HEIGHT * len(steps) / 2 + style.TITLE_SIZE * 0.35
    drawn = [
        f'<g id="{style.node_id(node)}" class="node {style.node_class(node, status)}">',
        f"<title>{html.escape(style.tooltip(node, status))}</title>",
        *_outline(piece, style.SHAPES[node.kind], paint),
        _text(piece.x, y, node.label, style.TITLE_SIZE),
    ]
    for line in steps:
        y += LINE_HEIGHT
        drawn.append(_text(piece.x, y, line, style.STEP_SIZE))
    return "\n".join([*drawn, "</g>"])


def _outline(piece: Piece, shape: str, paint: str) -> list[str]:
    x, y, wide, high = piece.x, piece.y, piece.left, piece.height / 2
    match shape:
        case "oval":
            return [f'<ellipse {paint} cx="{x:.1f}" cy="{y:.1f}" rx="{wide:.1f}" ry="{high:.1f}"/>']
        case "box":
            return [_rounded(x, y, wide, high, paint)]
        case "diamond":
            return [_polygon([(x - wide, y), (x, y - high), (x + wide, y), (x, y + high)], paint)]
        case "hexagon":
            return [_polygon(_cut_corners(x, y, wide, high, 14, high), paint)]
        case "octagon":
            return [_polygon(_cut_corners(x, y, wide, high, 11, 11), paint)]
        case _:
            inner = _cut_corners(x, y, wide - 4, high - 4, 9, 9)
            outer = _cut_corners(x, y, wide, high, 11, 11)
            return [_polygon(outer, paint), _polygon(inner, paint)]


def _rounded(x: float, y: float, wide: float, high: float, paint: str) -> str:
    corner = 8.0
    across, along = 2 * (wide - corner), 2 * (high - corner)
    return (
        f'<path {paint} d="M{x - wide + corner:.1f},{y - high:.1f} h{across:.1f} '
        f"q{corner},0 {corner},{corner} v{along:.1f} q0,{corner} {-corner},{corner} "
        f"h{-across:.1f} q{-corner},0 {-corner},{-corner} v{-along:.1f} "
        f'q0,{-corner} {corner},{-corner} z"/>'
    )


def _cut_corners(
    x: float, y: float, wide: float, high: float, across: float, along: float
) -> list[Point]:
    """An octagon; a hexagon where the cut takes half the height."""
    return [
        (x - wide + across, y - high),
        (x + wide - across, y - high),
        (x + wide, y - high + along),
        (x + wide, y + high - along),
        (x + wide - across, y + high),
        (x - wide + across, y + high),
        (x - wide, y + high - along),
        (x - wide, y - high + along),
    ]


def _polygon(points: Iterable[Point], paint: str) -> str:
    return f'<polygon {paint} points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'


def _text(x: float, y: float, words: str, size: float, anchor: str = "middle") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">'
        f"{html.escape(words)}</text>"
    )
