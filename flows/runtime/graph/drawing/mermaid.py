"""A map in Mermaid's language, with the same kinds of shapes and the same colours as in SVG."""

from __future__ import annotations

from collections.abc import Mapping

from flows.runtime.graph.drawing import style
from flows.runtime.graph.drawing.style import Look, NodeStatus
from flows.runtime.graph.workflow import Edge, Kind, Node, Workflow

_SHAPES = {
    Kind.START: ("([", "])"),
    Kind.AGENT: ("(", ")"),
    Kind.DECISION: ("{", "}"),
    Kind.FAN_OUT: ("[/", "\\]"),
    Kind.FAN_IN: ("[\\", "/]"),
    Kind.HITL: ("{{", "}}"),
    Kind.SUB_WORKFLOW: ("[[", "]]"),
    Kind.END: ("([", "])"),
}


def mermaid(workflow: Workflow, statuses: Mapping[str, NodeStatus]) -> str:
    """The map as a flowchart from top to bottom. The text ends in a line break."""
    looks: dict[str, Look] = {}
    lines = ["flowchart TB"]
    for node in workflow.nodes:
        status = statuses.get(node.id, NodeStatus.PENDING)
        name = f"kind_{node.kind}" if status is NodeStatus.PENDING else f"status_{status}"
        looks[name] = style.look_of(node, status)
        lines.append(f"    {_node(node)}:::{name}")
    lines += [f"    {_edge(edge, workflow)}" for edge in workflow.edges]
    lines += [f"    classDef {name} {_css(look)}" for name, look in sorted(looks.items())]
    return "\n".join(lines) + "\n"


def _node(node: Node) -> str:
    opening, closing = _SHAPES[node.kind]
    text = "<br/>".join(_escaped(line) for line in (node.label, *style.step_lines(node)))
    return f'{style.node_id(node)}{opening}"{text}"{closing}'


def _edge(edge: Edge, workflow: Workflow) -> str:
    source, target = (workflow.node(end) for end in (edge.source, edge.target))
    arrow = "-.->" if edge.back else "-->"
    label = f'|"{_escaped(edge.label)}"|' if edge.label else ""
    return f"{style.node_id(source)} {arrow}{label} {style.node_id(target)}"


def _css(look: Look) -> str:
    dash = ",stroke-dasharray:4 3" if look.dashed else ""
    return (
        f"fill:{look.fill},stroke:{look.stroke},stroke-width:{look.width}px,color:{look.ink}{dash}"
    )


def _escaped(text: str) -> str:
    """Escape a text for Mermaid.

    Mermaid writes entities as `#name;` and not as `&name;`. It reads the rest as HTML.
    """
    text = text.replace("#", "#35;")
    for character, name in {"&": "amp", "<": "lt", ">": "gt", '"': "quot"}.items():
        text = text.replace(character, f"#{name};")
    return text
