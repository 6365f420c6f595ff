"""Progress reaches the whole, exactly, and never goes back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.contracts.errors import CheckpointSchemaError, RecordNotFoundError
from flows.runtime.graph.progress import Progress
from flows.runtime.graph.workflow import Edge, Kind, Node, Workflow
from tests.flows.runtime.maps import NODES, editors_desk


def test_a_run_that_has_done_nothing_is_at_zero() -> None:
    progress = Progress(editors_desk())

    assert progress.overall == 0.0
    assert progress.step("reading") == 0.0


def test_a_finished_node_credits_its_weight_to_the_run_and_to_its_stage() -> None:
    progress = Progress(editors_desk())

    progress.finish("arrival")
    progress.finish("market")

    assert progress.overall == 0.18
    assert progress.step("arrival") == 1.0
    assert progress.step("reading") == 12 / 32


def test_a_node_is_credited_once_however_often_a_loop_comes_by() -> None:
    progress = Progress(editors_desk())

    progress.finish("offer")
    progress.finish("offer")
    progress.skip("offer")

    assert progress.overall == 0.06


def test_a_skipped_node_credits_its_weight_at_once() -> None:
    progress = Progress(editors_desk())

    for gate in ("lawyer", "editor", "second_voice"):
        progress.skip(gate)

    assert progress.overall == 0.1
    assert progress.step("review") == 1.0


def test_a_stage_without_weight_is_done_when_one_of_its_nodes_is() -> None:
    nodes = [
        Node("start", Kind.START),
        Node("note", Kind.AGENT, "note"),
        Node("work", Kind.AGENT, "work", 100),
        Node("end", Kind.END),
    ]
    edges = [Edge("start", "note"), Edge("note", "work"), Edge("work", "end")]
    progress = Progress(Workflow("w", "1", nodes, edges))
    assert progress.step("note") == 0.0

    progress.finish("note")

    assert progress.step("note") == 1.0
    assert progress.overall == 0.0


def test_unknown_nodes_and_stages_are_refused() -> None:
    progress = Progress(editors_desk())

    with pytest.raises(RecordNotFoundError, match="no node 'printer'"):
        progress.finish("printer")
    with pytest.raises(RecordNotFoundError, match="no node 'printer'"):
        progress.skip("printer")
    with pytest.raises(RecordNotFoundError, match="no stage 'printing'"):
        progress.step("printing")


def test_saved_progress_goes_on_where_it_was() -> None:
    progress = Progress(editors_desk())
    progress.finish("arrival")
    progress.skip("lawyer")

    saved = json.loads(json.dumps(progress.as_dict()))
    again = Progress.from_dict(editors_desk(), saved)

    assert saved == {"credited": ["arrival", "lawyer"]}
    assert again.overall == progress.overall == 0.1


def test_saved_progress_does_not_fit_a_map_that_lost_its_node() -> None:
    with pytest.raises(CheckpointSchemaError, match="knows a node 'printer'"):
        Progress.from_dict(editors_desk(), {"credited": ["printer"]})


@given(st.permutations([node.id for node in NODES]), st.data())
def test_progress_never_falls_and_ends_at_exactly_one(
    order: list[str], data: st.DataObject
) -> None:
    desk = editors_desk()
    progress = Progress(desk)
    before = 0.0
    for node_id in order:
        if data.draw(st.booleans()):
            progress.finish(node_id)
        else:
            progress.skip(node_id)
        assert before <= progress.overall <= 1.0
        assert all(0.0 <= progress.step(stage) <= 1.0 for stage in desk.stages)
        before = progress.overall
    assert progress.overall == 1.0
    assert {progress.step(stage) for stage in desk.stages} == {1.0}
