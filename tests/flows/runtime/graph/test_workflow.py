"""A map that contradicts itself does not load."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from data.contracts.errors import RecordNotFoundError, WorkflowDefinitionError
from flows.runtime.graph.workflow import Edge, Kind, Node, Workflow
from tests.flows.runtime.graph.maps import END, START, chain, fanned, nested, work
from tests.flows.runtime.maps import (
    EDGES,
    NODES,
    LongOpinion,
    Manuscript,
    Opinion,
    Opinions,
    editors_desk,
    is_clear,
    needs_an_editor,
)


def refused(nodes: Sequence[Node], edges: Sequence[Edge]) -> str:
    with pytest.raises(WorkflowDefinitionError) as error:
        Workflow("broken", "1", nodes, edges)
    return error.value.message


# what a map must satisfy


def test_a_map_that_holds_together_knows_its_stages_in_table_order() -> None:
    desk = editors_desk()

    assert desk.stages == (
        "arrival",
        "reading",
        "archive",
        "costing",
        "house_rules",
        "review",
        "offer",
        "letter",
    )
    assert [node.id for node in desk.nodes_of("review")] == ["lawyer", "editor", "second_voice"]
    assert desk.stage_of("facts") == "reading"
    assert desk.stage_of("start") == ""
    assert desk.checkpoint_of("reading") == "read"
    assert desk.checkpoint_of("offer") == ""


def test_edges_are_found_from_both_of_their_ends() -> None:
    desk = editors_desk()

    assert [str(edge) for edge in desk.edges_from("offer")] == [
        "offer -> house_rules",
        "offer -> letter",
    ]
    assert {edge.source for edge in desk.edges_into("read")} == {"facts", "style", "market"}


def test_an_unknown_node_or_stage_is_said_to_be_unknown() -> None:
    desk = editors_desk()

    with pytest.raises(RecordNotFoundError, match="no node 'printer'"):
        desk.node("printer")
    with pytest.raises(RecordNotFoundError, match="no node 'printer'"):
        desk.edges_from("printer")
    with pytest.raises(RecordNotFoundError, match="no stage 'printing'"):
        desk.nodes_of("printing")


def test_a_fan_out_knows_its_fan_in_and_what_runs_between() -> None:
    (span,) = editors_desk().spans

    assert (span.fan_out, span.fan_in) == ("reading", "read")
    assert span.inside == {"facts", "style", "market"}


@pytest.mark.parametrize("name", ["Arrival", "arrival-2", "", "a b"])
def test_a_node_id_is_written_in_small_letters_and_underscores(name: str) -> None:
    with pytest.raises(WorkflowDefinitionError, match="small letters"):
        Node(name, Kind.AGENT, "work")


def test_a_weight_is_not_negative() -> None:
    with pytest.raises(WorkflowDefinitionError, match="'a' has a negative weight"):
        work("a", -1)


def test_a_lambda_cannot_label_an_arrow() -> None:
    with pytest.raises(WorkflowDefinitionError, match="a -> b has no name"):
        Edge("a", "b", lambda desk: True)


def test_a_partial_cannot_label_an_arrow() -> None:
    with pytest.raises(WorkflowDefinitionError, match="a -> b has no name"):
        Edge("a", "b", functools.partial(is_clear))


def test_an_edge_is_labelled_with_its_predicate_in_words() -> None:
    assert Edge("a", "b", needs_an_editor).label == "needs an editor"
    assert Edge("a", "b").label == ""


def test_a_node_is_labelled_with_its_title_or_its_id_in_words() -> None:
    assert work("second_voice").label == "Second voice"
    assert work("second_voice", title="The other editor").label == "The other editor"


def test_a_node_defined_twice_is_refused() -> None:
    said = refused([START, work("a", 100), work("a"), END], chain("start", "a", "end"))
    assert said == "the node 'a' is defined twice"


def test_an_edge_to_an_unknown_node_is_refused() -> None:
    said = refused([START, work("a", 100), END], chain("start", "a", "b", "end"))
    assert said == "the edge a -> b names an unknown node 'b'"


def test_an_edge_defined_twice_is_refused() -> None:
    edges = [*chain("start", "a", "end"), Edge("a", "end", is_clear)]
    said = refused([START, work("a", 100), END], edges)
    assert said == "the edge a -> end is defined twice"


@pytest.mark.parametrize("starts", [(), (START, Node("other", Kind.START))])
def test_a_map_has_exactly_one_start(starts: tuple[Node, ...]) -> None:
    edges = [*chain("a", "end"), *(Edge(start.id, "a") for start in starts)]
    said = refused([*starts, work("a", 100), END], edges)
    assert said == f"the map has {len(starts)} start nodes and needs one"


def test_a_map_without_an_end_is_refused() -> None:
    said = refused([START, work("a", 100)], chain("start", "a"))
    assert said == "the map has no end node"


def test_nothing_leads_out_of_an_end() -> None:
    edges = [*chain("start", "a", "end"), Edge("end", "a", back=True)]
    said = refused([START, work("a", 100), END], edges)
    assert said == "the edge end -> a leads out of an end node"


def test_a_node_that_the_start_does_not_reach_is_refused() -> None:
    edges = [*chain("start", "a", "end"), Edge("island", "end")]
    said = refused([START, work("a", 100), work("island"), END], edges)
    assert said == "no path from the start reaches the node 'island'"


def test_a_node_that_does_not_reach_an_end_is_refused() -> None:
    edges = [*chain("start", "a", "end"), Edge("a", "trap", is_clear)]
    said = refused([START, work("a", 100), work("trap"), END], edges)
    assert said == "no path leads from the node 'trap' to an end"


def test_a_cycle_that_is_not_declared_is_refused() -> None:
    edges = [*chain("start", "a", "b", "end"), Edge("b", "a", is_clear)]
    said = refused([START, work("a", 100), work("b"), END], edges)
    assert "is a cycle, and none of its edges is declared as a way back" in said
    assert "a -> b" in said


def test_the_same_cycle_is_accepted_when_it_is_declared() -> None:
    edges = [*chain("start", "a", "b", "end"), Edge("b", "a", is_clear, back=True)]
    assert Workflow("loop", "1", [START, work("a", 100), work("b"), END], edges).edges[-1].back


def test_a_way_back_that_closes_no_cycle_is_refused() -> None:
    edges = [*chain("start", "a", "b", "end"), Edge("a", "end", is_clear, back=True)]
    said = refused([START, work("a", 100), work("b"), END], edges)
    assert said == "the edge a -> end is declared as a way back and closes no cycle"


def test_weights_that_do_not_sum_to_100_are_refused() -> None:
    said = refused([START, work("a", 99), END], chain("start", "a", "end"))
    assert said == "the weights sum to 99 and not to 100"


def test_a_decision_with_one_way_out_decides_nothing() -> None:
    nodes = [START, Node("fork", Kind.DECISION, "work", 100), END]
    said = refused(nodes, chain("start", "fork", "end"))
    assert said == "the decision 'fork' has only one edge leading out of it"


def test_two_unconditional_edges_leave_only_a_fan_out() -> None:
    edges = [*chain("start", "a", "b", "end"), Edge("a", "end")]
    said = refused([START, work("a", 100), work("b"), END], edges)
    assert said == "two unconditional edges lead out of 'a', which is not a fan_out"


def test_branches_that_end_without_a_fan_in_are_refused() -> None:
    said = refused(*fanned(Edge("left", "end"), without="left -> join"))
    assert said == "the branches of the fan_out 'split' do not all lead to one fan_in"


def test_branches_that_lead_to_different_fan_ins_are_refused() -> None:
    nodes, edges = fanned(
        Edge("left", "other"),
        Edge("other", "after"),
        nodes=[Node("other", Kind.FAN_IN, "work")],
        without="left -> join",
    )
    assert refused(nodes, edges).startswith("the branches of the fan_out 'split' do not all")


def test_a_fan_in_without_a_fan_out_is_refused() -> None:
    nodes = [START, work("a", 100), Node("join", Kind.FAN_IN, "work"), END]
    said = refused(nodes, chain("start", "a", "join", "end"))
    assert said == "the fan_in 'join' closes no fan_out"


def test_two_fan_outs_do_not_share_a_fan_in() -> None:
    nodes, edges = fanned(
        *chain("left", "inner", "one", "join"),
        *chain("inner", "two", "join"),
        nodes=[Node("inner", Kind.FAN_OUT, "work"), work("one"), work("two")],
        without="left -> join",
    )
    assert refused(nodes, edges) == "the fan_in 'join' closes more than one fan_out"


def test_a_fan_out_inside_a_branch_is_closed_by_its_own_fan_in() -> None:
    spans = nested().spans

    assert [(span.fan_out, span.fan_in) for span in spans] == [
        ("split", "join"),
        ("inner", "inner_join"),
    ]
    assert spans[1].inside == {"one", "two"}


def test_a_branch_is_not_entered_from_outside() -> None:
    nodes, edges = fanned(Edge("after", "left", is_clear, back=True))
    said = refused(nodes, edges)
    assert said == "the edge after -> left crosses the border of the fan_out 'split'"


def test_a_branch_is_not_left_backwards() -> None:
    nodes, edges = fanned(
        Edge("before", "split"),
        Edge("start", "before"),
        Edge("left", "before", is_clear, back=True),
        nodes=[work("before")],
        without="start -> split",
    )
    said = refused(nodes, edges)
    assert said == "the edge left -> before crosses the border of the fan_out 'split'"


def test_a_branch_with_nothing_in_it_is_refused() -> None:
    nodes, edges = fanned(Edge("split", "join"))
    assert refused(nodes, edges) == "the edge split -> join is a branch with nothing in it"


def test_a_fan_out_with_a_single_branch_is_refused() -> None:
    nodes = [START, Node("split", Kind.FAN_OUT, "work"), work("left", 100)]
    nodes += [Node("join", Kind.FAN_IN, "work"), END]
    said = refused(nodes, chain("start", "split", "left", "join", "end"))
    assert said == "the fan_out 'split' has only one edge leading out of it"


def test_a_checkpoint_label_is_used_once() -> None:
    nodes = [
        START,
        Node("a", Kind.AGENT, "first", 50, checkpoint="saved"),
        Node("b", Kind.AGENT, "second", 50, checkpoint="saved"),
        END,
    ]
    said = refused(nodes, chain("start", "a", "b", "end"))
    assert said == "the checkpoint label 'saved' is used twice"


def test_a_stage_saves_one_checkpoint() -> None:
    nodes = [START, work("a", 50, checkpoint="one"), work("b", 50, checkpoint="two"), END]
    said = refused(nodes, chain("start", "a", "b", "end"))
    assert said == "the stage 'work' saves more than one checkpoint"


def test_a_node_between_start_and_end_belongs_to_a_stage() -> None:
    said = refused([START, Node("a", Kind.AGENT, "", 100), END], chain("start", "a", "end"))
    assert said == "the node 'a' belongs to no stage"


def test_start_and_end_carry_no_weight() -> None:
    said = refused([START, work("a", 90), replace(END, weight=10)], chain("start", "a", "end"))
    assert said == "the end node 'end' has a stage or a weight"


# what a node may rely on


def test_an_input_that_nothing_produces_is_refused() -> None:
    nodes = [START, work("a", 100, takes=(Opinion,)), END]
    said = refused(nodes, chain("start", "a", "end"))
    assert said == "the node 'a' takes Opinion, which some path to it does not produce"


def test_an_input_that_one_path_does_not_produce_is_refused() -> None:
    nodes = [
        START,
        Node("fork", Kind.DECISION, "work"),
        work("detour", gives=Opinion),
        work("use", 100, takes=(Opinion,)),
        END,
    ]
    edges = [*chain("start", "fork", "detour", "use", "end"), Edge("fork", "use", is_clear)]
    said = refused(nodes, edges)
    assert said == "the node 'use' takes Opinion, which some path to it does not produce"


def test_an_input_may_come_from_a_different_node_on_every_path() -> None:
    nodes = [
        START,
        Node("fork", Kind.DECISION, "work"),
        work("short", gives=Opinion),
        work("long", gives=LongOpinion),
        work("use", 100, takes=(Opinion,)),
        END,
    ]
    edges = [
        *chain("start", "fork", "short", "use", "end"),
        Edge("fork", "long", is_clear),
        Edge("long", "use"),
    ]
    assert Workflow("two-ways", "1", nodes, edges).node("use").takes == (Opinion,)


def test_a_narrower_type_is_asked_for_in_vain() -> None:
    nodes = [START, work("a", 50, gives=Opinion), work("b", 50, takes=(LongOpinion,)), END]
    said = refused(nodes, chain("start", "a", "b", "end"))
    assert said == "the node 'b' takes LongOpinion, which some path to it does not produce"


def test_the_start_gives_the_initial_input() -> None:
    nodes = [replace(START, gives=Manuscript), work("a", 100, takes=(Manuscript,)), END]
    assert Workflow("w", "1", nodes, chain("start", "a", "end")).start.gives is Manuscript


def test_a_fan_in_knows_what_every_branch_produced() -> None:
    nodes, edges = fanned(
        nodes=[
            work("right", 50, gives=Opinions),
            Node("join", Kind.FAN_IN, "work", takes=(Opinion, Opinions)),
            work("after", takes=(Opinion, Opinions)),
        ]
    )
    assert Workflow("w", "1", nodes, edges).node("join").takes == (Opinion, Opinions)


def test_a_branch_does_not_know_what_its_sibling_produces() -> None:
    nodes, edges = fanned(nodes=[work("right", 50, takes=(Opinion,))])
    said = refused(nodes, edges)
    assert said == "the node 'right' takes Opinion, which some path to it does not produce"


def test_a_fan_in_cannot_rely_on_a_branch_that_has_a_condition() -> None:
    nodes, edges = fanned(
        Edge("split", "left", is_clear),
        nodes=[Node("join", Kind.FAN_IN, "work", takes=(Opinion,))],
        without="split -> left",
    )
    said = refused(nodes, edges)
    assert said == "the node 'join' takes Opinion, which some path to it does not produce"


def test_a_fan_in_cannot_rely_on_a_detour_inside_a_branch() -> None:
    nodes, edges = fanned(
        Edge("left", "detour", is_clear),
        Edge("detour", "join"),
        nodes=[
            work("left", 50),
            work("detour", gives=Opinion),
            Node("join", Kind.FAN_IN, "work", takes=(Opinion,)),
        ],
    )
    said = refused(nodes, edges)
    assert said == "the node 'join' takes Opinion, which some path to it does not produce"


def test_a_way_back_does_not_bring_what_the_first_time_lacks() -> None:
    nodes = [START, work("a", 50, takes=(Opinion,)), work("b", 50, gives=Opinion), END]
    edges = [*chain("start", "a", "b", "end"), Edge("b", "a", is_clear, back=True)]
    said = refused(nodes, edges)
    assert said == "the node 'a' takes Opinion, which some path to it does not produce"


def test_a_way_back_does_not_hide_what_was_known_before() -> None:
    nodes = [START, work("a", gives=Opinion), work("b", 50, takes=(Opinion,)), work("c", 50), END]
    edges = [*chain("start", "a", "b", "c", "end"), Edge("c", "b", is_clear, back=True)]
    assert Workflow("w", "1", nodes, edges).node("b").takes == (Opinion,)


# fingerprints


def changed(node_id: str, **fields: Any) -> Workflow:
    nodes = [replace(node, **fields) if node.id == node_id else node for node in NODES]
    return Workflow("editors-desk", "2", nodes, EDGES)


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": Kind.AGENT},
        {"gives": Opinion},
        {"takes": ()},
        {"steps": ("names", "dates")},
    ],
)
def test_a_stage_whose_work_changed_has_another_fingerprint(fields: dict[str, Any]) -> None:
    before, after = editors_desk(), changed("facts", **fields)

    assert before.fingerprint("reading") != after.fingerprint("reading")
    assert before.fingerprint("archive") == after.fingerprint("archive")


def test_another_checkpoint_label_is_another_fingerprint() -> None:
    after = changed("letter", checkpoint="posted")
    assert editors_desk().fingerprint("letter") != after.fingerprint("letter")


@pytest.mark.parametrize("fields", [{"title": "Checking the facts"}, {"weight": 10}])
def test_what_a_stage_is_called_does_not_change_its_fingerprint(fields: dict[str, Any]) -> None:
    assert editors_desk().fingerprint("reading") == changed("facts", **fields).fingerprint(
        "reading"
    )


def test_the_order_of_the_table_does_not_change_a_fingerprint() -> None:
    turned = Workflow("editors-desk", "1", NODES[::-1], EDGES[::-1])
    assert all(turned.fingerprint(s) == editors_desk().fingerprint(s) for s in turned.stages)


def test_an_edge_inside_a_stage_belongs_to_its_fingerprint() -> None:
    edges = [edge for edge in EDGES if edge.source != "editor" or edge.target == "offer"]
    nodes = [node for node in NODES if node.id != "second_voice"]
    nodes = [replace(node, weight=6) if node.id == "editor" else node for node in nodes]
    after = Workflow(
        "editors-desk", "2", nodes, [edge for edge in edges if edge.source != "second_voice"]
    )
    assert editors_desk().fingerprint("review") != after.fingerprint("review")
    assert editors_desk().fingerprint("offer") == after.fingerprint("offer")
