"""An override counts only before the stage that reads it first."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from data.contracts.errors import (
    ContractViolationError,
)
from data.settings import settings
from flows.runtime.ledger.database import Ledger
from flows.service.forks import prepare_fork
from tests.flows.service.fork_parents import a_parent, whole_past


@pytest.mark.parametrize(
    ("name", "value", "last"),
    [
        ("as_of_date", "2026-12-01", "start"),
        ("fan_out_policy", "fail_fast", "intake"),
        ("amount_requested", "9000.00", "bureau"),
        ("term_months", 48, "bureau"),
        ("prices", "prices", "bureau"),
        ("scorecard", "scorecard-v1", "bureau"),
        ("challenger", "challenger-v1", "bureau"),
        ("policy", "personal-loan", "risk"),
    ],
)
async def test_an_override_counts_before_the_stage_that_reads_it_first_and_not_after(
    ledger: Ledger, name: str, value: Any, last: str
) -> None:
    past = whole_past()
    parent = await a_parent(ledger, *past)
    labels = ["start", *(checkpoint.label for checkpoint in past)]
    place = labels.index(last)

    in_time = await prepare_fork(ledger, settings(), parent, last, {name: value}, may_decide=True)

    assert in_time.overrides == {name: value}
    for label in labels[place + 1 :]:
        with pytest.raises(ContractViolationError) as caught:
            await prepare_fork(ledger, settings(), parent, label, {name: value}, may_decide=False)
        (problem,) = caught.value.problems
        assert (problem.pointer, problem.code) == (f"/overrides/{name}", "too_late")
        assert f"fork from '{last}" in problem.message


async def test_a_fork_that_is_to_decide_begins_before_the_decision(ledger: Ledger) -> None:
    parent = await a_parent(ledger, *whole_past())

    with pytest.raises(ContractViolationError, match="fork from 'offer/1'") as caught:
        await prepare_fork(ledger, settings(), parent, "decision", {}, may_decide=True)

    assert [problem.pointer for problem in caught.value.problems] == ["/decide"]
    assert (await prepare_fork(ledger, settings(), parent, "offer", {}, may_decide=True)).may_decide
    assert not (
        await prepare_fork(ledger, settings(), parent, "decision", {}, may_decide=False)
    ).may_decide


async def test_other_terms_of_affordability_are_read_where_the_budget_is_made(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_dir = tmp_path / "data"
    shutil.copytree(settings().data_dir, data_dir)
    shipped = (data_dir / "policy" / "personal-loan.yaml").read_text()
    tighter = shipped.replace("dti_cap: 0.4", "dti_cap: 0.2", 1)
    assert tighter != shipped
    (data_dir / "policy" / "tighter.yaml").write_text(tighter)
    monkeypatch.setenv("CREDIT_DESK_DATA_DIR", str(data_dir))
    settings.cache_clear()
    parent = await a_parent(ledger, *whole_past())

    with pytest.raises(ContractViolationError, match=r"risk_ensemble is finished.*'bureau/1'"):
        await prepare_fork(
            ledger, settings(), parent, "risk", {"policy": "tighter"}, may_decide=False
        )
    await prepare_fork(
        ledger, settings(), parent, "bureau", {"policy": "tighter"}, may_decide=False
    )


@pytest.mark.parametrize("change", [{"stopped_by": ["below-legal-age"]}, "incomplete"])
async def test_what_intake_has_settled_at_once_is_only_changed_from_the_start(
    ledger: Ledger, change: Any
) -> None:
    (first, *_) = whole_past()
    intake = first.outputs["doc_intake#1"]
    if change == "incomplete":
        change = {"finding": intake["finding"] | {"completeness": "incomplete"}}
    settled = intake | change
    state = first.state | {"doc_intake": settled}
    parent = await a_parent(
        ledger, first.model_copy(update={"state": state, "outputs": {"doc_intake#1": settled}})
    )
    smaller = {"amount_requested": "9000.00"}

    with pytest.raises(ContractViolationError, match="fork from 'start'"):
        await prepare_fork(ledger, settings(), parent, "intake", smaller, may_decide=False)
    await prepare_fork(ledger, settings(), parent, "start", smaller, may_decide=False)
