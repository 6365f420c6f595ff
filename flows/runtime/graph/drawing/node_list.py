"""A workflow without a checked-in drawing: its nodes in one column, as SVG.

There is no layout here. Every edge is a line of text beside the node it leads out of.
"""

from __future__ import annotations

import html

from flows.runtime.graph.drawing import style
from flows.runtime.graph.drawing.style import NodeStatus
from flows.runtime.graph.drawing.svg import framed
from flows.runtime.graph.workflow import Edge, Node, Workflow

_MARGIN = 16.0
_GAP = 14.0
_PADDING = 11.0
_LINE = 15.0
_LETTER = 0.62
"""Width of an average letter, as a share of the font size. Wide enough for most texts."""


def node_list(workflow: Workflow) -> str:
    """The map as SVG: one box per node in table order, with the ids and classes of `to_dot`."""
    box_width = max(_text_width(node) for node in workflow.nodes) + 2 * _PADDING
    edges_x = _MARGIN + box_width + _GAP
    drawn: list[str] = []
    y = _MARGIN
    for node in workflow.nodes:
        leading_out = workflow.edges_from(node.id)
        height = _LINE * max(1 + len(style.step_lines(node)), len(leading_out)) + _PADDING
        drawn.append(_box(node, y, box_width, height))
        for line, edge in enumerate(leading_out):
            drawn.append(_edge(edge, _label(edge, workflow), edges_x, _baseline(y, line)))
        y += height + _GAP
    labels = [len(_label(edge, workflow)) for edge in workflow.edges]
    width = edges_x + max(labels) * style.LABEL_SIZE * _LETTER + _MARGIN
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.2f} {y:.2f}">'
    background = f'<rect width="100%" height="100%" fill="{style.BACKGROUND}"/>'
    return framed("\n".join([opening, background, *drawn, "</svg>"]), workflow)


def _box(node: Node, y: float, width: float, height: float) -> str:
    look = style.look_of(node, NodeStatus.PENDING)
    x = _MARGIN + _PADDING
    drawn = [
        f'<g id="{style.node_id(node)}" class="node {style.node_class(node, NodeStatus.PENDING)}">',
        f"<title>{html.escape(style.tooltip(node, NodeStatus.PENDING))}</title>",
        f'<rect x="{_MARGIN}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="6"'
        f' fill="{look.fill}" stroke="{look.stroke}"/>',
        _text(x, _baseline(y, 0), node.label, style.TITLE_SIZE, look.ink),
    ]
    for line, step in enumerate(style.step_lines(node), start=1):
        drawn.append(_text(x, _baseline(y, line), step, style.STEP_SIZE, look.ink))
    return "\n".join([*drawn, "</g>"])


def _edge(edge: Edge, label: str, x: float, y: float) -> str:
    ink = style.WAY_BACK if edge.back else style.QUIET_INK
    return "\n".join(
        [
            f'<g id="{style.edge_id(edge)}" class="edge {style.edge_class(edge)}">',
            f"<title>{html.escape(str(edge))}</title>",
            _text(x, y, label, style.LABEL_SIZE, ink),
            "</g>",
        ]
    )


def _label(edge: Edge, workflow: Workflow) -> str:
    """The target of an edge and its condition: `→ Editor: needs an editor`."""
    arrow = "↩" if edge.back else "→"
    condition = f": {edge.label}" if edge.label else ""
    return f"{arrow} {workflow.node(edge.target).label}{condition}"


def _text_width(node: Node) -> float:
    steps = (len(line) * style.STEP_SIZE for line in style.step_lines(node))
    return max(len(node.label) * style.TITLE_SIZE, *steps, 0) * _LETTER


def _baseline(top: float, line: int) -> float:
    return top + _PADDING / 2 + _LINE * line + style.TITLE_SIZE * 0.85


def _text(x: float, y: float, words: str, size: float, ink: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-family="{style.FONT}" font-size="{size}"'
        f' fill="{ink}">{html.escape(words)}</text>'
    )
