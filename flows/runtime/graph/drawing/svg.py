"""The drawing as SVG: a frame around it, and the states of one run on it."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree as ET

from flows.runtime.graph.drawing import style
from flows.runtime.graph.drawing.style import NodeStatus
from flows.runtime.graph.workflow import Node, Workflow

_NAMESPACE = "http://www.w3.org/2000/svg"
_SVG = f"{{{_NAMESPACE}}}"

# Without a registered prefix, ElementTree would write <ns0:svg>, which HTML parsers do not know.
ET.register_namespace("", _NAMESPACE)


def framed(svg: str, workflow: Workflow) -> str:
    """Give a drawing its root element: size in pixels, a name for screen readers, the style.

    The size comes from the drawing's `viewBox`.
    """
    root = _parsed(svg)
    view_box = root.attrib["viewBox"]
    width, height = (float(number) for number in view_box.split()[2:])
    root.attrib.clear()
    root.attrib |= {
        "class": "workflow_map",
        "role": "img",
        "aria-label": f"Map of {workflow.name}, version {workflow.version}",
        "width": f"{width:.0f}",
        "height": f"{height:.0f}",
        "viewBox": view_box,
    }
    sheet = ET.Element(f"{_SVG}style")
    sheet.text = f"\n{style.stylesheet()}\n"
    sheet.tail = "\n"
    root.insert(0, sheet)
    return _written(root)


def shows(svg: str, workflow: Workflow) -> bool:
    """Whether a drawing has an element for each node and edge of the map, and no others."""
    expected = {style.node_id(node) for node in workflow.nodes}
    expected |= {style.edge_id(edge) for edge in workflow.edges}
    return _groups(_parsed(svg)).keys() == expected


def paint(svg: str, workflow: Workflow, statuses: Mapping[str, NodeStatus]) -> str:
    """Put the states of a run onto a drawing that shows the map.

    Each node gets the class of its status. It also gets the colours as attributes, because a
    page whose Content-Security-Policy forbids inline styles ignores the drawing's own style.
    """
    root = _parsed(svg)
    groups = _groups(root)
    for node in workflow.nodes:
        status = statuses.get(node.id, NodeStatus.PENDING)
        _paint_node(groups[style.node_id(node)], node, status)
    return _written(root)


def _paint_node(group: ET.Element, node: Node, status: NodeStatus) -> None:
    look = style.look_of(node, status)
    group.set("class", f"node {style.node_class(node, status)}")
    for element in group.iter():
        if element.tag == f"{_SVG}title":
            element.text = style.tooltip(node, status)
        elif element.tag == f"{_SVG}text":
            element.set("fill", look.ink)
        elif element.tag != f"{_SVG}g":
            element.set("stroke", look.stroke)
            element.set("stroke-width", str(look.width))
            # The outer of two outlines is drawn with fill="none" and has to stay empty.
            if element.get("fill") != "none":
                element.set("fill", look.fill)
            if look.dashed:
                element.set("stroke-dasharray", style.DASHES)


def _groups(root: ET.Element) -> dict[str, ET.Element]:
    """The elements of nodes and edges, by id."""
    return {
        group.attrib["id"]: group
        for group in root.iter(f"{_SVG}g")
        if group.get("class", "").startswith(("node ", "edge "))
    }


def _parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - from this package or from dot, never from a caller


def _written(root: ET.Element) -> str:
    return f"{ET.tostring(root, encoding='unicode')}\n"
