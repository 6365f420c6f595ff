"""The drawings of a map agree with each other, and need no Graphviz to be there."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping
from itertools import combinations, pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.runtime.graph.drawing import drawing
from flows.runtime.graph.drawing.drawing import NodeStatus, to_dot, to_json, to_svg
from flows.runtime.graph.drawing.layered_layout import Piece, lay_out
from flows.runtime.graph.drawing.layered_svg import layered_svg
from flows.runtime.graph.workflow import Edge, Kind, Node, Workflow
from tests.flows.runtime.maps import (
    editors_desk,
    is_clear,
    needs_a_second_voice,
    needs_an_editor,
    was_revised,
)

Draw = Callable[[Workflow, Mapping[str, NodeStatus]], str]

SVG = "{http://www.w3.org/2000/svg}"
EVERY_STATUS = dict(
    zip(("start", "facts", "style", "editor", "lawyer", "offer"), NodeStatus, strict=True)
)


@pytest.fixture(autouse=True)
def _not_said_yet() -> None:
    drawing._say_once.cache_clear()


@pytest.fixture
def no_dot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def install_dot(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    dot = folder / "dot"
    dot.write_text(f"#!/bin/sh\n{script}\n")
    dot.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


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


# What every drawing holds


@pytest.mark.parametrize("statuses", [{}, EVERY_STATUS])
def test_both_layouts_hold_the_same_ids_and_classes(statuses: Mapping[str, NodeStatus]) -> None:
    desk = editors_desk()
    expected = announced_in_dot(to_dot(desk, statuses))

    assert len(expected) == len(desk.nodes) + len(desk.edges)
    assert groups(layered_svg(desk, statuses)) == expected
    assert groups(to_svg(desk, statuses)) == expected


def test_a_node_says_its_kind_and_its_status(no_dot: None) -> None:
    drawn = groups(to_svg(editors_desk(), EVERY_STATUS))

    assert drawn["node_facts"] == "node kind_sub_workflow status_running"
    assert drawn["node_style"] == "node kind_agent status_waiting"
    assert drawn["node_lawyer"] == "node kind_hitl status_skipped"
    assert drawn["node_market"] == "node kind_agent status_pending"


def test_an_edge_says_whether_it_has_a_condition_and_leads_back(no_dot: None) -> None:
    drawn = groups(to_svg(editors_desk()))

    assert drawn["edge_start__arrival"] == "edge unconditional"
    assert drawn["edge_house_rules__editor"] == "edge conditional"
    assert drawn["edge_offer__house_rules"] == "edge conditional way_back"
    assert drawn["edge_missing_pages__arrival"] == "edge unconditional way_back"


@pytest.mark.parametrize("draw", [to_svg, layered_svg])
def test_texts_are_drawn_in_words(draw: Draw) -> None:
    svg = draw(editors_desk(), {})

    assert words(element(svg, "node_second_voice")) == ["Second voice"]
    assert words(element(svg, "node_lawyer")) == ["Lawyer's office"]
    assert words(element(svg, "node_costing")) == [
        "Costing",
        "paper · print run · freight",
        "combine",
    ]
    assert [w.strip() for w in words(element(svg, "edge_editor__second_voice"))] == [
        "needs a second voice"
    ]
    assert words(element(svg, "edge_start__arrival")) == []


@pytest.mark.parametrize("draw", [to_svg, layered_svg])
def test_a_screen_reader_is_told_name_and_status(draw: Draw) -> None:
    svg = draw(editors_desk(), {"facts": NodeStatus.DONE})

    assert element(svg, "node_facts").findtext(f"{SVG}title") == "Facts: done"
    assert 'role="img" aria-label="Map of editors-desk, version 1"' in svg


@pytest.mark.parametrize("draw", [to_svg, layered_svg])
def test_the_svg_can_be_put_into_a_page_as_it_is(draw: Draw) -> None:
    svg = draw(editors_desk(), {})

    assert svg.startswith("<svg ")
    assert "<!DOCTYPE" not in svg
    assert svg.rstrip().endswith("</svg>")


def test_every_kind_and_every_status_but_pending_has_a_rule_of_its_own(no_dot: None) -> None:
    svg = to_svg(editors_desk())
    ruled = set(re.findall(r"\.workflow_map \.((?:kind|status)_\w+)", svg))

    assert ruled == {f"kind_{kind}" for kind in Kind} | {
        f"status_{status}" for status in NodeStatus if status is not NodeStatus.PENDING
    }


def test_a_title_that_looks_like_markup_is_drawn_as_text(no_dot: None) -> None:
    nodes = [
        Node("start", Kind.START),
        Node("work", Kind.AGENT, "work", 100, title="<b>R&D</b>", steps=("a < b",)),
        Node("end", Kind.END),
    ]
    odd = Workflow('a "b" & c', "1", nodes, [Edge("start", "work"), Edge("work", "end")])

    assert words(element(to_svg(odd), "node_work")) == ["<b>R&D</b>", "a < b"]
    assert "&lt;b&gt;R&amp;D&lt;/b&gt;" in to_dot(odd)


def test_the_status_of_a_node_that_the_map_does_not_have_is_left_out(no_dot: None) -> None:
    statuses = {"printer": NodeStatus.FAILED}
    assert to_svg(editors_desk(), statuses) == to_svg(editors_desk())


def test_shapes_follow_the_kinds() -> None:
    source = to_dot(editors_desk())
    shapes = dict(re.findall(r"^\t(\w+) \[.*\bshape=(\w+)", source, re.MULTILINE))

    assert {node.kind: shapes[node.id] for node in editors_desk().nodes} == {
        Kind.START: "oval",
        Kind.AGENT: "box",
        Kind.DECISION: "diamond",
        Kind.FAN_OUT: "octagon",
        Kind.FAN_IN: "octagon",
        Kind.HITL: "hexagon",
        Kind.SUB_WORKFLOW: "doubleoctagon",
        Kind.END: "oval",
    }


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


# With Graphviz, with a broken one, and without


def as_graphviz_would(workflow: Workflow) -> str:
    nodes = "".join(
        f'<g id="node_{node.id}" class="node kind_{node.kind} status_pending">\n'
        f"<title>{node.id}</title>\n</g>\n"
        for node in workflow.nodes
    )
    return (
        '<?xml version="1.0"?>\n<!DOCTYPE svg>\n'
        '<svg width="20pt" height="40pt"\n viewBox="0.00 0.00 20.00 40.00" '
        f'xmlns="http://www.w3.org/2000/svg">\n<g id="graph0">\n{nodes}</g>\n</svg>\n'
    )


def test_what_dot_draws_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    desk = editors_desk()
    (tmp_path / "drawn.svg").write_text(as_graphviz_would(desk))
    install_dot(monkeypatch, tmp_path, f"cat > {tmp_path}/asked.dot; cat {tmp_path}/drawn.svg")

    svg = to_svg(desk)

    assert (tmp_path / "asked.dot").read_text() == to_dot(desk)
    assert '<g id="graph0">' in svg
    assert 'width="20" height="40"' in svg
    assert element(svg, "node_style").findtext(f"{SVG}title") == "Style: pending"
    assert not caplog.records


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 3", "it failed with CalledProcessError"),
        ("echo '<svg>no drawing</svg>'", "its answer is not a drawing of the map"),
        ("exec sleep 30", "it gave no answer within 0.2 s"),
    ],
)
def test_a_broken_dot_degrades_to_the_built_in_layout_and_says_so_once(
    script: str,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    install_dot(monkeypatch, tmp_path, script)
    monkeypatch.setattr(drawing, "_DOT_TIMEOUT_SECONDS", 0.2)
    desk = editors_desk()

    with caplog.at_level(logging.WARNING):
        first, second = to_svg(desk, EVERY_STATUS), to_svg(desk, EVERY_STATUS)

    assert first == second == layered_svg(desk, EVERY_STATUS)
    assert [record.message for record in caplog.records] == [
        f"dot cannot draw the map ({reason}); using the built-in layout"
    ]


def test_without_dot_the_layout_is_built_in_and_said_once(
    no_dot: None, caplog: pytest.LogCaptureFixture
) -> None:
    desk = editors_desk()

    with caplog.at_level(logging.WARNING):
        drawn = [to_svg(desk), to_svg(desk)]

    assert drawn == [layered_svg(desk, {})] * 2
    assert [record.message for record in caplog.records] == [
        "dot cannot draw the map (it is not installed); using the built-in layout"
    ]


def test_a_dot_that_lost_an_element_is_not_trusted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    desk = editors_desk()
    lost = as_graphviz_would(desk).replace('id="node_offer"', 'id="something_else"')
    (tmp_path / "drawn.svg").write_text(lost)
    install_dot(monkeypatch, tmp_path, f"cat {tmp_path}/drawn.svg")

    assert to_svg(desk) == layered_svg(desk, {})


# The built-in layout


def apart(one: Piece, other: Piece) -> bool:
    return (
        one.x + one.right <= other.x - other.left + 0.01
        or other.x + other.right <= one.x - one.left + 0.01
        or one.y + one.height / 2 <= other.y - other.height / 2 + 0.01
        or other.y + other.height / 2 <= one.y - one.height / 2 + 0.01
    )


def test_forward_edges_lead_downwards() -> None:
    at = {piece.node.id: piece for piece in lay_out(editors_desk()).pieces if piece.node}

    assert all(at[e.source].y < at[e.target].y for e in editors_desk().edges if not e.back)


def test_a_straight_chain_is_drawn_straight() -> None:
    at = {piece.node.id: piece for piece in lay_out(editors_desk()).pieces if piece.node}

    for above, below in (("read", "archive"), ("archive", "costing"), ("letter", "end")):
        assert at[above].x == pytest.approx(at[below].x)


def test_the_realistic_map_is_drawn_without_a_crossing_and_fits_a_page() -> None:
    layout = lay_out(editors_desk())
    ranks: dict[int, list[Piece]] = {}
    for piece in layout.pieces:
        ranks.setdefault(piece.rank, []).append(piece)
    crossings = [
        (a, b)
        for rank in ranks.values()
        for a, b in combinations(rank, 2)
        for under_a in a.below
        for under_b in b.below
        if (a.x - b.x) * (under_a.x - under_b.x) < 0
    ]

    assert crossings == []
    assert layout.width <= 1200


def test_a_loop_is_drawn_beside_its_node() -> None:
    nodes = [
        Node("start", Kind.START),
        Node("work", Kind.AGENT, "work", 100),
        Node("end", Kind.END),
    ]
    edges = [Edge("start", "work"), Edge("work", "work", was_revised, back=True)]
    again = Workflow("again", "1", nodes, [*edges, Edge("work", "end")])

    svg = layered_svg(again, {})

    assert words(element(svg, "edge_work__work")) == ["was revised"]
    (text,) = element(svg, "edge_work__work").iter(f"{SVG}text")
    node = next(p for p in lay_out(again).pieces if p.node and p.node.id == "work")
    assert float(text.attrib["x"]) > node.x + node.left


@st.composite
def maps(draw: st.DrawFn) -> Workflow:
    """A chain of nodes with shortcuts and ways back."""
    names = [f"n_{letter}" for letter in "abcdefghij"[: draw(st.integers(1, 10))]]
    kinds = st.sampled_from([Kind.AGENT, Kind.HITL, Kind.SUB_WORKFLOW])
    predicates = st.sampled_from([is_clear, needs_an_editor, needs_a_second_voice])
    nodes = [
        Node(
            name,
            draw(kinds),
            "work",
            100 if name == "n_a" else 0,
            title=draw(st.text("aWi ", min_size=1, max_size=24)).strip(),
            steps=tuple(draw(st.lists(st.sampled_from(["one", "a longer step"]), max_size=4))),
        )
        for name in names
    ]
    path = ["start", *names, "end"]
    edges = [Edge(source, target) for source, target in pairwise(path)]
    for i, j in draw(st.sets(st.tuples(st.integers(1, len(names)), st.integers(1, len(names))))):
        if j > i + 1:
            edges.append(Edge(path[i], path[j], draw(predicates)))
        elif j <= i:
            edges.append(Edge(path[i], path[j], draw(predicates), back=True))
    return Workflow("any", "1", [Node("start", Kind.START), *nodes, Node("end", Kind.END)], edges)


@settings(max_examples=40, deadline=None)
@given(maps())
def test_nothing_covers_anything_and_all_of_it_is_on_the_page(workflow: Workflow) -> None:
    layout = lay_out(workflow)

    assert all(apart(one, other) for one, other in combinations(layout.pieces, 2))
    for piece in layout.pieces:
        assert 0 <= piece.x - piece.left <= piece.x + piece.right <= layout.width
        assert 0 <= piece.y - piece.height / 2 <= piece.y + piece.height / 2 <= layout.height
    assert layered_svg(workflow, {}) == layered_svg(workflow, {})
    assert len(groups(layered_svg(workflow, {}))) == len(workflow.nodes) + len(workflow.edges)
