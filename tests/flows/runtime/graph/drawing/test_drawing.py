"""Every form of a map shows the same nodes and edges, and none of them starts `dot`."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from flows.runtime.graph.drawing import drawing
from flows.runtime.graph.drawing.drawing import NodeStatus, to_dot, to_json, to_svg
from flows.runtime.graph.drawing.redraw import draw_with_dot, main
from flows.runtime.graph.drawing.style import SHAPES, look_of
from flows.runtime.graph.workflow import Edge, Kind, Node, Workflow
from tests.flows.runtime.graph.drawing.dot import NEEDS_DOT
from tests.flows.runtime.maps import EDGES, NODES, editors_desk, is_clear

SVG = "{http://www.w3.org/2000/svg}"
EVERY_STATUS = dict(
    zip(("start", "facts", "style", "editor", "lawyer", "offer", "letter"), NodeStatus, strict=True)
)


@pytest.fixture(autouse=True)
def _no_warning_yet() -> None:
    drawing._warn_once.cache_clear()


@pytest.fixture(params=["a list of its nodes", pytest.param("its drawing", marks=NEEDS_DOT)])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Workflow:
    """A map in both ways it may be shown."""
    return editors_desk() if request.param == "a list of its nodes" else drawn_desk(tmp_path)


def drawn_desk(folder: Path) -> Workflow:
    """A map with a drawing of its own."""
    path = folder / "desk.svg"
    path.write_text(draw_with_dot(editors_desk()))
    return editors_desk(drawing=path)


def groups(svg: str) -> dict[str, str]:
    """The class of every node and edge, by id."""
    return {
        group.attrib["id"]: group.attrib["class"]
        for group in ET.fromstring(svg).iter(f"{SVG}g")  # noqa: S314 - drawn a line above
        if group.get("class", "").startswith(("node", "edge"))
    }


def element(svg: str, name: str) -> ET.Element:
    root = ET.fromstring(svg)  # noqa: S314 - drawn a line above
    return next(group for group in root.iter(f"{SVG}g") if group.get("id") == name)


def words(group: ET.Element) -> list[str]:
    return [text.text or "" for text in group.iter(f"{SVG}text")]


def outlines(group: ET.Element) -> list[dict[str, str | None]]:
    """How the shapes of a node are painted, without any style sheet."""
    names = ("fill", "stroke", "stroke-width", "stroke-dasharray")
    return [
        {name: shape.get(name) for name in names}
        for shape in group.iter()
        if shape.tag.removeprefix(SVG) in {"polygon", "path", "ellipse", "rect"}
    ]


def announced_in_dot(source: str) -> dict[str, str]:
    """The class of every node and edge that Graphviz is told to write, by id."""
    found = {}
    for line in source.splitlines():
        named = re.search(r"\bid=(\w+)", line)
        classed = re.search(r'\bclass=(?:"([^"]+)"|(\w+))', line)
        if named and classed:
            kind = "edge" if " -> " in line.split("[")[0] else "node"
            found[named[1]] = f"{kind} {classed[1] or classed[2]}"
    return found


# What every form shows


@pytest.mark.parametrize("statuses", [{}, EVERY_STATUS])
def test_svg_and_dot_hold_the_same_ids_and_classes(
    desk: Workflow, statuses: Mapping[str, NodeStatus]
) -> None:
    expected = announced_in_dot(to_dot(desk, statuses))

    assert len(expected) == len(desk.nodes) + len(desk.edges)
    assert groups(to_svg(desk, statuses)) == expected


def test_a_node_says_its_kind_and_its_status(desk: Workflow) -> None:
    drawn = groups(to_svg(desk, EVERY_STATUS))

    assert drawn["node_facts"] == "node kind_sub_workflow status_running"
    assert drawn["node_style"] == "node kind_agent status_waiting"
    assert drawn["node_lawyer"] == "node kind_hitl status_skipped"
    assert drawn["node_market"] == "node kind_agent status_pending"


def test_an_edge_says_whether_it_has_a_condition_and_leads_back(desk: Workflow) -> None:
    drawn = groups(to_svg(desk))

    assert drawn["edge_start__arrival"] == "edge unconditional"
    assert drawn["edge_house_rules__editor"] == "edge conditional"
    assert drawn["edge_offer__house_rules"] == "edge conditional way_back"
    assert drawn["edge_missing_pages__arrival"] == "edge unconditional way_back"


def test_nodes_are_labelled_in_words(desk: Workflow) -> None:
    svg = to_svg(desk)

    assert words(element(svg, "node_second_voice")) == ["Second voice"]
    assert words(element(svg, "node_lawyer")) == ["Lawyer's office"]
    assert words(element(svg, "node_costing")) == [
        "Costing",
        "paper · print run · freight",
        "combine",
    ]


@NEEDS_DOT
def test_arrows_are_labelled_with_their_condition(tmp_path: Path) -> None:
    svg = to_svg(drawn_desk(tmp_path))

    assert [w.strip() for w in words(element(svg, "edge_editor__second_voice"))] == [
        "needs a second voice"
    ]
    assert words(element(svg, "edge_start__arrival")) == []


def test_a_list_names_the_target_of_every_edge_and_its_condition() -> None:
    svg = to_svg(editors_desk())

    assert words(element(svg, "edge_editor__second_voice")) == [
        "→ Second voice: needs a second voice"
    ]
    assert words(element(svg, "edge_start__arrival")) == ["→ Arrival"]
    assert words(element(svg, "edge_offer__house_rules")) == ["↩ House rules: was revised"]


def test_the_nodes_of_a_list_are_below_each_other_in_table_order() -> None:
    svg = to_svg(editors_desk())
    boxes = [element(svg, f"node_{node.id}").find(f"{SVG}rect") for node in NODES]
    tops = [float(box.attrib["y"]) for box in boxes if box is not None]
    heights = [float(box.attrib["height"]) for box in boxes if box is not None]

    assert len(tops) == len(NODES)
    assert all(
        top + height < below for top, height, below in zip(tops, heights, tops[1:], strict=False)
    )


def test_a_screen_reader_is_told_name_and_status(desk: Workflow) -> None:
    svg = to_svg(desk, {"facts": NodeStatus.DONE})

    assert element(svg, "node_facts").findtext(f"{SVG}title") == "Facts: done"
    assert 'role="img" aria-label="Map of editors-desk, version 1"' in svg


def test_the_svg_can_be_put_into_a_page_as_it_is(desk: Workflow) -> None:
    svg = to_svg(desk)

    assert svg.startswith("<svg ")
    assert "<!DOCTYPE" not in svg
    assert svg.rstrip().endswith("</svg>")


@pytest.mark.parametrize("status", NodeStatus)
def test_a_node_has_the_colours_of_its_status_without_any_style_sheet(
    desk: Workflow, status: NodeStatus
) -> None:
    look = look_of(desk.node("facts"), status)
    facts = element(to_svg(desk, {"facts": status}), "node_facts")

    for outline in outlines(facts):
        assert outline["fill"] in {look.fill, "none"}
        assert outline["stroke"] == look.stroke
        assert outline["stroke-width"] == str(look.width)
        assert outline["stroke-dasharray"] == ("4 3" if look.dashed else None)
    assert look.fill in {outline["fill"] for outline in outlines(facts)}
    assert {text.get("fill") for text in facts.iter(f"{SVG}text")} == {look.ink}


def test_every_kind_and_every_status_but_pending_has_a_rule_of_its_own(desk: Workflow) -> None:
    svg = to_svg(desk)
    ruled = set(re.findall(r"\.workflow_map \.((?:kind|status)_\w+)", svg))

    assert ruled == {f"kind_{kind}" for kind in Kind} | {
        f"status_{status}" for status in NodeStatus if status is not NodeStatus.PENDING
    }


def test_a_title_that_looks_like_markup_is_drawn_as_text() -> None:
    nodes = [
        Node("start", Kind.START),
        Node("work", Kind.AGENT, "work", 100, title="<b>R&D</b>", steps=("a < b",)),
        Node("end", Kind.END),
    ]
    odd = Workflow('a "b" & c', "1", nodes, [Edge("start", "work"), Edge("work", "end")])

    assert words(element(to_svg(odd), "node_work")) == ["<b>R&D</b>", "a < b"]
    assert "&lt;b&gt;R&amp;D&lt;/b&gt;" in to_dot(odd)


def test_the_status_of_a_node_that_the_map_does_not_have_is_left_out(desk: Workflow) -> None:
    statuses = {"printer": NodeStatus.FAILED}
    assert to_svg(desk, statuses) == to_svg(desk)


def test_shapes_follow_the_kinds() -> None:
    source = to_dot(editors_desk())
    shapes = dict(re.findall(r"^\t(\w+) \[.*\bshape=(\w+)", source, re.MULTILINE))

    assert {node.kind: shapes[node.id] for node in editors_desk().nodes} == SHAPES


def test_ways_back_are_dashed_in_dot() -> None:
    dashed = re.findall(r"^\t(\w+ -> \w+) \[.*style=dashed", to_dot(editors_desk()), re.MULTILINE)
    assert dashed == ["missing_pages -> arrival", "offer -> house_rules"]


def test_json_holds_the_whole_map() -> None:
    desk = editors_desk()
    drawn = json.loads(to_json(desk, {"style": NodeStatus.FAILED}))

    assert (drawn["name"], drawn["version"]) == ("editors-desk", "1")
    assert [stage["name"] for stage in drawn["stages"]] == list(desk.stages)
    assert sum(stage["weight"] for stage in drawn["stages"]) == 100
    assert drawn["stages"][1] == {
        "name": "reading",
        "weight": 32,
        "checkpoint": "read",
        "fingerprint": desk.fingerprint("reading"),
    }
    assert drawn["nodes"][5] == {
        "id": "style",
        "kind": "agent",
        "stage": "reading",
        "label": "Style",
        "weight": 10,
        "takes": ["Manuscript"],
        "gives": "Opinion",
        "steps": [],
        "checkpoint": "",
        "status": "failed",
    }
    assert drawn["edges"][2] == {
        "source": "missing_pages",
        "target": "arrival",
        "when": None,
        "label": "",
        "back": True,
    }
    assert drawn["edges"][14]["when"] == "needs_an_editor"


# A drawing that is checked in


def test_no_drawing_starts_dot(
    desk: Workflow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dot = tmp_path / "dot"
    dot.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    dot.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    for draw in (to_svg, to_dot, to_json):
        draw(desk, EVERY_STATUS)

    assert not (tmp_path / "started").exists()


@NEEDS_DOT
@pytest.mark.parametrize(
    ("nodes", "edges"),
    [
        ([*NODES, Node("proof", Kind.AGENT, "letter")],
         [*EDGES, Edge("offer", "proof", is_clear), Edge("proof", "letter")]),
        (NODES, [edge for edge in EDGES if str(edge) != "offer -> house_rules"]),
    ],
    ids=["a node is new", "an edge is gone"],
)  # fmt: skip
def test_a_drawing_of_another_map_is_not_shown_and_the_log_says_so_once(
    nodes: list[Node], edges: list[Edge], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old = drawn_desk(tmp_path).drawing
    with caplog.at_level(logging.WARNING):
        shown = [to_svg(Workflow("desk", "2", nodes, edges, old)) for _ in range(2)]

    assert shown == [to_svg(Workflow("desk", "2", nodes, edges))] * 2
    assert [record.message for record in caplog.records] == [
        "the checked-in drawing of desk does not show the nodes and edges of its map, so a list of"
        " nodes is shown: run `make drawing` and deploy again"
    ]


@NEEDS_DOT
def test_the_make_target_writes_the_drawing_of_a_workflow(tmp_path: Path) -> None:
    main(["flows.workflow:WORKFLOW", str(tmp_path / "map.svg")])

    svg = (tmp_path / "map.svg").read_text()
    assert 'aria-label="Map of credit-underwriting, version 1"' in svg
    assert groups(svg)["node_start"] == "node kind_start status_pending"


def test_without_dot_the_make_target_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(SystemExit) as ended:
        main(["flows.workflow:WORKFLOW", str(tmp_path / "map.svg")])

    assert ended.value.code == 1
    assert "apt-get install graphviz" in capsys.readouterr().err
    assert not (tmp_path / "map.svg").exists()
