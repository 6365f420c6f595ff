"""The map as JSON, DOT, Mermaid and SVG, with the states of one run where there is a run.

SVG comes from Graphviz where `dot` is installed, and from a layout of our own where it is
not; both hold the same elements under the same ids and classes.
"""

from __future__ import annotations

import functools
import html
import json
import logging
import re
import shutil
import subprocess
from collections.abc import Mapping

import graphviz

from flows.runtime.graph.drawing import style
from flows.runtime.graph.drawing.layered_svg import layered_svg, opening_tag
from flows.runtime.graph.drawing.mermaid import mermaid
from flows.runtime.graph.drawing.style import NodeStatus
from flows.runtime.graph.workflow import Edge, Node, Workflow

__all__ = ["NodeStatus", "to_dot", "to_json", "to_mermaid", "to_svg"]

_DOT_TIMEOUT_SECONDS = 10.0
_MARGINS = {"diamond": "0.02,0.02", "hexagon": "0.04,0.08", "doubleoctagon": "0.02,0.02"}
"""Room between text and shape, in inches: pointed shapes bring enough of their own."""
_NO_RUN: Mapping[str, NodeStatus] = {}

_log = logging.getLogger(__name__)


def to_json(workflow: Workflow, statuses: Mapping[str, NodeStatus] = _NO_RUN) -> str:
    """The map as JSON text: name, version, stages, nodes with their status, edges.

    Here and in the other drawings, nodes without a status are pending, and a status of a node
    that the map does not have is left out.
    """
    drawn = {
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
                "status": _status(node, statuses),
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
    return json.dumps(drawn, indent=2, ensure_ascii=False)


def to_dot(workflow: Workflow, statuses: Mapping[str, NodeStatus] = _NO_RUN) -> str:
    """The map in Graphviz's language."""
    drawing = graphviz.Digraph(
        workflow.name,
        graph_attr={
            "rankdir": "TB",
            "nodesep": "0.45",
            "ranksep": "0.38",
            "pad": "0.15",
            "bgcolor": "transparent",
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
        drawing.node(node.id, **_node_attributes(node, _status(node, statuses)))
    for edge in workflow.edges:
        drawing.edge(edge.source, edge.target, **_edge_attributes(edge))
    return str(drawing.source)


def to_mermaid(workflow: Workflow, statuses: Mapping[str, NodeStatus] = _NO_RUN) -> str:
    """The map in Mermaid's language, which code hosts and Prefect draw inside Markdown."""
    return mermaid(workflow, statuses)


def to_svg(workflow: Workflow, statuses: Mapping[str, NodeStatus] = _NO_RUN) -> str:
    """The map as one SVG element that stands alone and can be put into a page as it is.

    Waits for `dot`, at most ten seconds: call it from a thread where an event loop is running.
    Without `dot`, or with one that fails, the layout is our own, and a log line says so once.
    """
    drawn = _drawn_by_dot(workflow, statuses)
    return drawn if drawn is not None else layered_svg(workflow, statuses)


def _status(node: Node, statuses: Mapping[str, NodeStatus]) -> NodeStatus:
    return statuses.get(node.id, NodeStatus.PENDING)


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
    colour = style.WAY_BACK if edge.back else style.ARROW
    return {
        "id": style.edge_id(edge),
        "class": style.edge_class(edge),
        "label": f"  {edge.label}  " if edge.label else "",
        "style": "dashed" if edge.back else "solid",
        "color": colour,
        "fontcolor": style.WAY_BACK if edge.back else style.QUIET_INK,
    }


def _drawn_by_dot(workflow: Workflow, statuses: Mapping[str, NodeStatus]) -> str | None:
    dot = shutil.which("dot")
    if dot is None:
        _say_once("it is not installed")
        return None
    try:
        answer = subprocess.run(
            [dot, "-Tsvg"],
            input=to_dot(workflow, statuses).encode(),
            capture_output=True,
            timeout=_DOT_TIMEOUT_SECONDS,
            check=True,
        )
    except subprocess.TimeoutExpired:
        _say_once(f"it gave no answer within {_DOT_TIMEOUT_SECONDS:g} s")
        return None
    except (OSError, subprocess.CalledProcessError) as error:
        _say_once(f"it failed with {type(error).__name__}")
        return None
    drawn = _finished(answer.stdout.decode(errors="replace"), workflow, statuses)
    if drawn is None:
        _say_once("its answer is not a drawing of the map")
    return drawn


def _finished(drawn: str, workflow: Workflow, statuses: Mapping[str, NodeStatus]) -> str | None:
    """Give Graphviz's drawing our opening tag and tooltips; None when elements are missing."""
    for node in workflow.nodes:
        status = _status(node, statuses)
        element = f'<g id="{style.node_id(node)}" class="node {style.node_class(node, status)}">'
        untitled = re.search(re.escape(element) + r"\s*<title>[^<]*</title>", drawn)
        if untitled is None:
            return None
        titled = f"{element}\n<title>{html.escape(style.tooltip(node, status))}</title>"
        drawn = drawn.replace(untitled[0], titled)
    head = re.search(r'<svg\s[^>]*viewBox="[\d.]+ [\d.]+ ([\d.]+) ([\d.]+)"[^>]*>', drawn)
    if head is None:
        return None
    width, height = float(head[1]), float(head[2])
    return opening_tag(workflow, width, height) + drawn[head.end() :]


@functools.cache
def _say_once(reason: str) -> None:
    _log.warning("dot cannot draw the map (%s); using the built-in layout", reason)
