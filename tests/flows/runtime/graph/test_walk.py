"""A run goes only where the map allows."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.contracts.errors import CheckpointSchemaError, InvalidTransitionError
from flows.runtime.graph.walk import Walk
from flows.runtime.graph.workflow import Workflow
from tests.flows.runtime.graph.maps import END, START, chain, fanned, nested, work
from tests.flows.runtime.maps import Desk, editors_desk


def walked(*path: str, state: Desk | None = None) -> Walk:
    walk = Walk(editors_desk())
    for node_id in path:
        walk.enter(node_id, state or Desk())
    return walk


READ = ("start", "arrival", "reading", "facts", "style", "market", "read")


def test_a_run_begins_at_the_start() -> None:
    walk = Walk(editors_desk())

    with pytest.raises(InvalidTransitionError, match="begins at 'start' and not at 'arrival'"):
        walk.enter("arrival", Desk())

    assert walk.enter("start", Desk()) is None
    assert walk.visits == {"start": 1}


def test_a_run_follows_the_edge_whose_predicate_holds() -> None:
    walk = walked("start", "arrival")

    edge = walk.enter("missing_pages", Desk(pages_missing=True))

    assert edge is not None
    assert edge.predicate == "pages_are_missing"
    assert walk.frontier == ("missing_pages",)


def test_a_node_without_a_true_edge_is_refused_and_the_run_stays_where_it_is() -> None:
    walk = walked("start", "arrival")
    before = walk.as_dict()

    with pytest.raises(InvalidTransitionError) as error:
        walk.enter("missing_pages", Desk(pages_missing=False))

    assert error.value.message == "no edge that is open now leads from 'arrival' to 'missing_pages'"
    assert walk.as_dict() == before


def test_a_node_that_no_edge_leads_to_is_refused() -> None:
    with pytest.raises(InvalidTransitionError, match="from 'arrival' to 'letter'"):
        walked("start", "arrival", "letter")


def test_branches_are_entered_in_any_order_while_their_fan_out_is_open() -> None:
    walk = walked("start", "arrival", "reading", "market", "facts")

    assert walk.frontier == ("reading", "market", "facts")


def test_the_fan_in_closes_the_fan_out_and_takes_the_edge_of_every_branch() -> None:
    walk = walked(*READ)

    assert walk.frontier == ("read",)
    assert set(walk.taken[-3:]) == {("facts", "read"), ("style", "read"), ("market", "read")}
    with pytest.raises(InvalidTransitionError, match="from 'read' to 'style'"):
        walk.enter("style", Desk())


def test_nothing_behind_the_fan_in_is_entered_while_the_fan_out_is_open() -> None:
    with pytest.raises(InvalidTransitionError, match="from 'reading', 'facts' to 'archive'"):
        walked("start", "arrival", "reading", "facts", "archive")


def test_a_branch_of_several_nodes_moves_on_by_itself() -> None:
    nodes, edges = fanned(
        *chain("left", "further", "join"), nodes=[work("further")], without="left -> join"
    )
    walk = Walk(Workflow("w", "1", nodes, edges))
    for node_id in ("start", "split", "left", "right", "further"):
        walk.enter(node_id, None)

    assert walk.frontier == ("split", "right", "further")


def test_an_inner_fan_in_closes_only_its_own_fan_out() -> None:
    walk = Walk(nested())
    frontiers = {}
    for node_id in ("start", "split", "left", "inner", "one", "right", "two", "inner_join", "join"):
        walk.enter(node_id, None)
        frontiers[node_id] = walk.frontier

    assert frontiers["inner_join"] == ("split", "right", "inner_join")
    assert frontiers["join"] == ("join",)


def test_a_way_back_is_walked_as_often_as_its_predicate_holds() -> None:
    walk = walked(*READ, "archive", "costing", "house_rules", "offer")

    walk.enter("house_rules", Desk(revised=True))
    walk.enter("offer", Desk())

    assert walk.visits["offer"] == 2
    assert walk.taken.count(("house_rules", "offer")) == 2
    assert walk.taken.count(("offer", "house_rules")) == 1


def test_a_gate_that_was_not_needed_is_passed_over() -> None:
    walk = walked(*READ, "archive", "costing", "house_rules")

    assert [node.id for node in walk.passed_over("offer")] == ["lawyer", "editor", "second_voice"]
    assert [node.id for node in walk.passed_over("editor")] == ["lawyer"]


def test_a_node_without_weight_is_not_worth_passing_over() -> None:
    assert walked("start", "arrival").passed_over("reading") == ()


def test_a_branch_whose_turn_may_still_come_is_not_passed_over() -> None:
    walk = walked("start", "arrival", "reading")

    assert walk.passed_over("market") == ()
    walk.enter("market", Desk())
    assert [node.id for node in walk.passed_over("read")] == ["facts", "style"]


def test_a_node_entered_again_was_not_passed_over() -> None:
    walk = walked(*READ, "archive", "costing", "house_rules", state=Desk(verdict="doubtful"))
    walk.enter("editor", Desk(verdict="doubtful"))
    walk.enter("offer", Desk())
    walk.enter("house_rules", Desk(revised=True))

    assert [node.id for node in walk.passed_over("offer")] == ["lawyer", "second_voice"]


def test_a_saved_walk_goes_on_where_it_was() -> None:
    walk = walked("start", "arrival", "reading", "facts")

    saved = json.loads(json.dumps(walk.as_dict()))
    again = Walk.from_dict(editors_desk(), saved)

    assert again.as_dict() == walk.as_dict()
    again.enter("style", Desk())
    assert again.taken == (*walk.taken, ("reading", "style"))
    assert "style" not in walk.visits


def test_a_saved_walk_does_not_fit_a_map_that_lost_its_node() -> None:
    saved = walked("start", "arrival").as_dict()
    other = Workflow("w", "7", [START, work("a", 100), END], chain("start", "a", "end"))

    with pytest.raises(CheckpointSchemaError, match="'arrival' that the map w 7 does not have"):
        Walk.from_dict(other, saved)


@given(st.data())
def test_every_run_that_keeps_to_open_edges_takes_declared_edges_only(data: st.DataObject) -> None:
    desk = editors_desk()
    declared = {(edge.source, edge.target) for edge in desk.edges}
    walk = Walk(desk)
    walk.enter("start", Desk())

    for _ in range(data.draw(st.integers(0, 60))):
        state = Desk(
            pages_missing=data.draw(st.booleans()),
            verdict=data.draw(st.sampled_from(["clear", "doubtful", "delicate", "bold"])),
            revised=data.draw(st.booleans()),
        )
        reached = {edge.target for here in walk.frontier for edge in desk.edges_from(here)}
        target = data.draw(st.sampled_from([*sorted(reached), "letter"]))
        before = walk.as_dict()
        open_now = any(
            edge.holds(state)
            for here in walk.frontier
            for edge in desk.edges_from(here)
            if edge.target == target
        )
        if open_now:
            walk.enter(target, state)
            assert walk.visits[target] == before["visits"].get(target, 0) + 1
        else:
            with pytest.raises(InvalidTransitionError):
                walk.enter(target, state)
            assert walk.as_dict() == before
        assert set(walk.taken) <= declared
        assert walk.frontier
        assert Walk.from_dict(desk, walk.as_dict()).as_dict() == walk.as_dict()
