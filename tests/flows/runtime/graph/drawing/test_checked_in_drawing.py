"""The drawing that is checked in shows the map of underwriting as it is today."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib.resources import files
from xml.etree import ElementTree as ET

import pytest

from flows.runtime.graph.drawing import style
from flows.runtime.graph.drawing.drawing import NodeStatus, to_svg
from flows.runtime.graph.drawing.redraw import draw_with_dot
from flows.runtime.graph.workflow import Workflow
from flows.workflow import WORKFLOW
from tests.flows.runtime.graph.drawing.dot import NEEDS_DOT

SVG = "{http://www.w3.org/2000/svg}"
CHECKED_IN = files("flows") / "workflow.svg"
REDRAW = "flows/workflow.svg is not the drawing of today's map: run `make drawing`"


@dataclass(frozen=True)
class Shown:
    """What a reader sees of a node or an edge, without its place on the page."""

    classes: str
    title: str
    texts: tuple[str, ...]
    colours: frozenset[str]


def shown(svg: str) -> dict[str, Shown]:
    """Every node and edge of a drawing, by id."""
    root = ET.fromstring(svg)  # noqa: S314 - checked in, or drawn by dot a moment ago
    return {
        group.attrib["id"]: Shown(
            classes=group.attrib["class"],
            title=group.findtext(f"{SVG}title", ""),
            texts=tuple((text.text or "").strip() for text in group.iter(f"{SVG}text")),
            colours=frozenset(
                f"{name} {part.attrib[name]}"
                for part in group.iter()
                for name in ("fill", "stroke")
                if name in part.attrib
            ),
        )
        for group in root.iter(f"{SVG}g")
        if group.get("class", "").startswith(("node", "edge"))
    }


def test_it_shows_every_node_and_edge_with_its_text_and_its_class() -> None:
    drawn = shown(CHECKED_IN.read_text(encoding="utf-8"))
    nodes = {
        style.node_id(node): (
            f"node {style.node_class(node, NodeStatus.PENDING)}",
            f"{node.label}: pending",
            (node.label, *style.step_lines(node)),
        )
        for node in WORKFLOW.nodes
    }
    edges = {
        style.edge_id(edge): (
            f"edge {style.edge_class(edge)}",
            f"{edge.source}->{edge.target}",
            (edge.label,) if edge.label else (),
        )
        for edge in WORKFLOW.edges
    }

    found = {name: (part.classes, part.title, part.texts) for name, part in drawn.items()}
    assert found == nodes | edges, REDRAW


def test_its_name_and_its_style_are_those_of_today() -> None:
    root = ET.fromstring(CHECKED_IN.read_text(encoding="utf-8"))  # noqa: S314 - checked in

    expected = f"Map of {WORKFLOW.name}, version {WORKFLOW.version}"
    assert root.get("aria-label") == expected, REDRAW
    assert root.findtext(f"{SVG}style", "").strip() == style.stylesheet(), REDRAW


@NEEDS_DOT
def test_dot_draws_the_same_today() -> None:
    """Coordinates are left out: they differ between versions of Graphviz."""
    assert shown(CHECKED_IN.read_text(encoding="utf-8")) == shown(draw_with_dot(WORKFLOW)), REDRAW


def test_it_is_shown_and_painted_where_there_is_no_dot(monkeypatch: pytest.MonkeyPatch) -> None:
    with_dot = to_svg(WORKFLOW, {"bureau": NodeStatus.RUNNING})
    monkeypatch.setenv("PATH", "")
    assert shutil.which("dot") is None

    assert to_svg(WORKFLOW, {"bureau": NodeStatus.RUNNING}) == with_dot


def test_the_states_of_a_run_are_put_onto_it() -> None:
    workflow = Workflow("w", "1", WORKFLOW.nodes, WORKFLOW.edges, CHECKED_IN)
    statuses = {"kyc": NodeStatus.DONE, "underwriter": NodeStatus.WAITING}

    svg = to_svg(workflow, statuses)

    drawn = shown(svg)
    assert '<g id="graph0"' in svg, REDRAW
    assert drawn["node_kyc"].classes == "node kind_sub_workflow status_done"
    assert drawn["node_kyc"].title == "KYC: done"
    assert drawn["node_underwriter"].classes == "node kind_hitl status_waiting"
    assert drawn["node_pricing"].classes == "node kind_agent status_pending"
