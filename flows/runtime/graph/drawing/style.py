"""How a map looks in every form: shapes, colours, words, element ids and classes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from flows.runtime.graph.elements import Edge, Kind, Node, in_words

FONT = "Helvetica,Arial,sans-serif"
TITLE_SIZE = 13
STEP_SIZE = 10
LABEL_SIZE = 10.5
INK = "#1f2933"
QUIET_INK = "#52606d"
ARROW = "#7b8794"
WAY_BACK = "#9a5b13"
BACKGROUND = "#ffffff"
DASHES = "4 3"

_STEPS_LINE = 30


class NodeStatus(StrEnum):
    """The state of one node in one run."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    TAKEN_OVER = "taken_over"
    """Done by the run that it was forked from, or by a batch."""


@dataclass(frozen=True)
class Look:
    """The colours and the outline of a node."""

    fill: str
    stroke: str
    width: float = 1.2
    ink: str = INK
    dashed: bool = False


SHAPES = {
    Kind.START: "oval",
    Kind.AGENT: "box",
    Kind.DECISION: "diamond",
    Kind.FAN_OUT: "octagon",
    Kind.FAN_IN: "octagon",
    Kind.HITL: "hexagon",
    Kind.SUB_WORKFLOW: "doubleoctagon",
    Kind.END: "oval",
}

_KINDS = {
    Kind.START: Look("#f3f4f6", "#7b8794"),
    Kind.AGENT: Look("#eaf1fb", "#5b83b8"),
    Kind.DECISION: Look("#fbeef0", "#b5657a"),
    Kind.FAN_OUT: Look("#eef2f1", "#6b8a84"),
    Kind.FAN_IN: Look("#eef2f1", "#6b8a84"),
    Kind.HITL: Look("#fff4d9", "#c28a1b", 2.0),
    Kind.SUB_WORKFLOW: Look("#f0ecfa", "#8069b8"),
    Kind.END: Look("#f3f4f6", "#7b8794"),
}

_STATUSES = {
    NodeStatus.RUNNING: Look("#cfe3ff", "#1d5fd1", 2.6),
    NodeStatus.WAITING: Look("#ffd98a", "#a85a00", 2.8),
    NodeStatus.DONE: Look("#dff3e4", "#2f7d4f", 1.6),
    NodeStatus.TAKEN_OVER: Look("#f1f8f3", "#2f7d4f", 1.4, dashed=True),
    NodeStatus.SKIPPED: Look("#fafafa", "#9aa5b1", 1.2, "#616e7c", dashed=True),
    NodeStatus.FAILED: Look("#fddedb", "#b42318", 2.6),
}


def look_of(node: Node, status: NodeStatus) -> Look:
    """The look of the status. A pending node has the look of its kind."""
    return _STATUSES.get(status, _KINDS[node.kind])


def node_id(node: Node) -> str:
    return f"node_{node.id}"


def node_class(node: Node, status: NodeStatus) -> str:
    """Without the leading `node`: Graphviz adds that word itself."""
    return f"kind_{node.kind} status_{status}"


def edge_id(edge: Edge) -> str:
    return f"edge_{edge.source}__{edge.target}"


def edge_class(edge: Edge) -> str:
    """Without the leading `edge`: Graphviz adds that word itself."""
    condition = "conditional" if edge.when else "unconditional"
    return f"{condition} way_back" if edge.back else condition


def step_lines(node: Node) -> list[str]:
    """The steps inside a node, in a few short lines, without a step of the node's own name."""
    lines: list[str] = []
    for step in node.steps:
        if in_words(step).casefold() == node.label.casefold():
            continue
        if lines and len(lines[-1]) + len(step) + 3 <= _STEPS_LINE:
            lines[-1] += f" · {step}"
        else:
            lines.append(step)
    return lines


def tooltip(node: Node, status: NodeStatus) -> str:
    """Screen readers read it aloud. Browsers show it while the pointer rests on the node."""
    return f"{node.label}: {status.replace('_', ' ')}"


def stylesheet() -> str:
    """The look as CSS, by class, for pages and browsers that allow an inline style."""
    rules = [
        f".workflow_map text {{ font-family: {FONT}; fill: {INK}; }}",
        f".workflow_map .edge path {{ fill: none; stroke: {ARROW}; stroke-width: 1.2; }}",
        f".workflow_map .edge polygon {{ fill: {ARROW}; stroke: {ARROW}; }}",
        f".workflow_map .edge text {{ fill: {QUIET_INK}; }}",
        f".workflow_map .way_back path {{ stroke: {WAY_BACK}; stroke-dasharray: 5 3; }}",
        f".workflow_map .way_back polygon {{ fill: {WAY_BACK}; stroke: {WAY_BACK}; }}",
        f".workflow_map .way_back text {{ fill: {WAY_BACK}; }}",
    ]
    for kind, look in _KINDS.items():
        rules += _rules(f"kind_{kind}", look)
    for status, look in _STATUSES.items():
        rules += _rules(f"status_{status}", look)
    return "\n".join(rules)


def _rules(name: str, look: Look) -> list[str]:
    here = f".workflow_map .{name}"
    dashes = DASHES if look.dashed else "none"
    return [
        f"{here} :is(polygon, path, ellipse, rect) {{ stroke: {look.stroke}; "
        f"stroke-width: {look.width}; stroke-dasharray: {dashes}; }}",
        f"{here} :not([fill=none]):not(text) {{ fill: {look.fill}; }}",
        f"{here} text {{ fill: {look.ink}; }}",
    ]
