"""The map in Mermaid's language holds what the map holds."""

from __future__ import annotations

import re

import pytest

from flows.runtime.graph.drawing.drawing import NodeStatus, to_mermaid
from flows.runtime.graph.workflow import Edge, Kind, Node, Workflow
from tests.flows.runtime.maps import EDGES, NODES, editors_desk

EDGE = re.compile(r'    node_(\w+) (-->|-\.->)(?:\|"([^"]*)"\|)? node_(\w+)')


def lines_of(drawn: str) -> list[str]:
    return drawn.splitlines()


def line_of(drawn: str, node_id: str) -> str:
    return next(line for line in lines_of(drawn) if re.match(rf"    node_{node_id}\W", line))


def test_a_flowchart_leads_from_top_to_bottom() -> None:
    assert lines_of(to_mermaid(editors_desk()))[0] == "flowchart TB"


def test_every_edge_is_drawn_with_its_condition_and_ways_back_are_dotted() -> None:
    drawn = [found.groups() for line in lines_of(to_mermaid(editors_desk()))
             if (found := EDGE.fullmatch(line))]  # fmt: skip

    assert drawn == [
        (edge.source, "-.->" if edge.back else "-->", edge.label or None, edge.target)
        for edge in EDGES
    ]


def test_every_node_is_declared_once_and_in_table_order() -> None:
    declared = re.findall(r"^    node_(\w+?)[(\[{]", to_mermaid(editors_desk()), re.MULTILINE)

    assert declared == [node.id for node in NODES]


@pytest.mark.parametrize(
    ("node_id", "drawn"),
    [
        ("start", 'node_start(["Start"]):::kind_start'),
        ("style", 'node_style("Style"):::kind_agent'),
        ("house_rules", 'node_house_rules{"House rules"}:::kind_decision'),
        ("reading", 'node_reading[/"Reading"\\]:::kind_fan_out'),
        ("read", 'node_read[\\"Read"/]:::kind_fan_in'),
        ("editor", 'node_editor{{"Editor"}}:::kind_hitl'),
        ("facts", 'node_facts[["Facts<br/>names · dates · quotations"]]:::kind_sub_workflow'),
        ("end", 'node_end(["End"]):::kind_end'),
    ],
)
def test_a_node_has_the_shape_of_its_kind(node_id: str, drawn: str) -> None:
    assert line_of(to_mermaid(editors_desk()), node_id).strip() == drawn


def test_a_status_shows_over_the_kind_and_only_used_classes_are_defined() -> None:
    statuses = {node.id: NodeStatus.DONE for node in NODES} | {"offer": NodeStatus.SKIPPED}

    drawn = to_mermaid(editors_desk(), statuses)

    assert line_of(drawn, "offer").endswith(":::status_skipped")
    assert line_of(drawn, "letter").endswith(":::status_done")
    assert [line.split()[1] for line in lines_of(drawn) if "classDef" in line] == [
        "status_done",
        "status_skipped",
    ]


def test_a_left_out_node_has_a_dashed_outline() -> None:
    drawn = to_mermaid(editors_desk(), {"offer": NodeStatus.SKIPPED})

    defined = next(line for line in lines_of(drawn) if "classDef status_skipped" in line)
    assert defined.endswith("stroke-dasharray:4 3")


def test_a_title_that_looks_like_markup_is_text() -> None:
    titled = Workflow(
        "w",
        "1",
        [
            Node("start", Kind.START),
            Node("note", Kind.AGENT, "note", 100, title='<b>"R&D" #1</b>'),
            Node("end", Kind.END),
        ],
        [Edge("start", "note"), Edge("note", "end")],
    )

    assert '("#lt;b#gt;#quot;R#amp;D#quot; #35;1#lt;/b#gt;")' in line_of(to_mermaid(titled), "note")
