"""The map as JSON, DOT, Mermaid and SVG, with the states of one run where there is a run.

All four hold the same nodes and edges. SVG and DOT share element ids and classes.
"""

from __future__ import annotations

import functools
import html
import json
import logging
from collections.abc import Mapping

import graphviz

from flows.runtime.graph.drawing import style
from flows.runtime.graph.drawing.mermaid import mermaid
from flows.runtime.graph.drawing.node_list import node_list
from flows.runtime.graph.drawing.style import NodeStatus
from flows.runtime.graph.drawing.svg import paint, shows
from flows.runtime.graph.workflow import Edge, Node, Workflow

__all__ = ["NodeStatus", "to_dot", "to_json", "to_mermaid", "to_svg"]

_MARGINS = {"diamond": "0.02,0.02", "hexagon": "0.04,0.08", "doubleoctagon": "0.02,0.02"}
"""Space between text and outline, in inches. Pointed shapes need less than a box."""
_NO_RUN: Mapping[str, NodeStatus] = {}

_log = logging.getLogger(__name__)


def to_json(workflow: Workflow, statuses: Mapping[str, NodeStatus] = _NO_RUN) -> str:
    """The map as JSON text: name, version, stages, nodes with their status, edges.

    In all four forms, a node without a status is pending. A status for a node that the map
    does not have is ignored.
    """
    content = {
        "name": workflow.name,
        "version": workflow.version,
        "stages": [
            {
                "name": stage,
                "weight": sum(node.weight for node in workflow.nodes_of(stage)),
                "checkpoint": workflow.checkpoint_of(stage),
                "fingerprint": workflow.fingerprint(stage),
            }
            for stage in workflow.stages
        ],
        "nodes": [
            {
                "id": node.id,
                "kind": node.kind,
                "stage": node.stage,
                "label": node.label,
                "weight": node.weight,
                "takes": [taken.__name__ for taken in node.takes],
                "gives": node.gives.__name__ if node.gives else None,
                "steps": list(node.steps),
                "checkpoint": node.checkpoint,
                "status": statuses.get(node.id, NodeStatus.PENDING),
            }
            for node in workflow.nodes
        ],
        "edges": [
            {
                "source": edge.source,
                "target": edge.target,
                "when": edge.predicate or None,
                "label": edge.label,
                "back": edge.back,
            }
            for edge in workflow.edges
        ],
    }
    return json.dumps(content, indent=2, ensure_ascii=False)


def to_dot(workflow: Workflow, statuses: Mapping[str, NodeStatus] = _NO_RUN) -> str:
    """The map in Graphviz's language. This only writes text and does not start `dot`."""
    digraph = graphviz.Digraph(
        workflow.name,
        graph_attr={
            "rankdir": "TB",
            "nodesep": "0.45",
            "ranksep": "0.38",
            "pad": "0.15",
            "bgcolor": style.BACKGROUND,
        },
        node_attr={"fontname": style.FONT, "fontsize": str(style.TITLE_SIZE)},
        edge_attr={
            "fontname": style.FONT,
            "fontsize": str(style.LABEL_SIZE),
            "arrowsize": "0.7",
            "penwidth": "1.2",
        },
    )
    for node in workflow.nodes:
        status = statuses.get(node.id, NodeStatus.PENDING)
        digraph.node(node.id, **_node_attributes(node, status))
    for edge in workflow.edges:
        digraph.edge(edge.source, edge.target, **_edge_attributes(edge))
    return str(digraph.source)


def to_mermaid(workflow: Workflow, statuses: Mapping[str, NodeStatus] = _NO_RUN) -> str:
    """The map in Mermaid's language, which code hosts and Prefect draw inside Markdown."""
    return mermaid(workflow, statuses)


def to_svg(workflow: Workflow, statuses: Mapping[str, NodeStatus] = _NO_RUN) -> str:
    """The map as one SVG element. It works as a file of its own and inside a page.

    The shapes come from the workflow's checked-in drawing. A workflow without one is drawn as
    a list of its nodes, and so is one whose drawing shows other nodes or edges than the map.
    Reads a file: where an event loop is running, call it from a thread.
    """
    return paint(_checked_in(workflow) or node_list(workflow), workflow, statuses)


def _node_attributes(node: Node, status: NodeStatus) -> dict[str, str]:
    look = style.look_of(node, status)
    lines = "".join(
        f'<BR/><FONT POINT-SIZE="{style.STEP_SIZE}">{html.escape(line)}</FONT>'
        for line in style.step_lines(node)
    )
    strokes = ["filled"]
    if style.SHAPES[node.kind] == "box":
        strokes.append("rounded")
    if look.dashed:
        strokes.append("dashed")
    return {
        "id": style.node_id(node),
        "class": style.node_class(node, status),
        "label": f"<{html.escape(node.label)}{lines}>",
        "shape": style.SHAPES[node.kind],
        "style": ",".join(strokes),
        "margin": _MARGINS.get(style.SHAPES[node.kind], "0.16,0.08"),
        "height": "0.7" if style.SHAPES[node.kind] == "diamond" else "0.42",
        "fillcolor": look.fill,
        "color": look.stroke,
        "fontcolor": look.ink,
        "penwidth": str(look.width),
    }


def _edge_attributes(edge: Edge) -> dict[str, str]:
    return {
        "id": style.edge_id(edge),
        "class": style.edge_class(edge),
        "label": f"  {edge.label}  " if edge.label else "",
        "style": "dashed" if edge.back else "solid",
        "color": style.WAY_BACK if edge.back else style.ARROW,
        "fontcolor": style.WAY_BACK if edge.back else style.QUIET_INK,
    }


def _checked_in(workflow: Workflow) -> str | None:
    if workflow.drawing is None:
        return None
    svg = workflow.drawing.read_text(encoding="utf-8")
    if shows(svg, workflow):
        return svg
    _warn_once(workflow.name)
    return None


@functools.cache
def _warn_once(name: str) -> None:
    """Once per process: browsers may ask for the drawing every few seconds."""
    _log.warning(
        "the checked-in drawing of %s does not show the nodes and edges of its map, so a list of"
        " nodes is shown: run `make drawing` and deploy again",
        name,
    )
