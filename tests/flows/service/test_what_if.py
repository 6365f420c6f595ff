"""A what-if over stored decisions: it adds up, agrees with forks, and touches nothing."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from api.cli import app
from data.contracts.base import canonical_json
from data.contracts.case import CaseFile
from data.contracts.errors import ContractViolationError, RecordNotFoundError
from data.contracts.portfolio import PortfolioRow
from data.contracts.runs import Lineage, RunOptions, RunStatus
from data.contracts.what_if import Verdict, WhatIfReport, count_of
from data.settings import settings
from flows.case import case_in_run
from flows.inline import Decided, underwrite_inline
from flows.judging import judged_attempt
from flows.rulebook import current_rulebook, rulebook_of
from flows.runtime.ledger import applications, decisions, pinned, runs
from flows.runtime.ledger.batches import Batch
from flows.runtime.ledger.database import Ledger, shared_ledger
from flows.runtime.ledger.tables import metadata
from flows.service.forks import prepare_fork
from flows.service.stored_cases import (
    RowPortion,
    RunPortion,
    RunQuery,
    row_portions,
    run_portions,
)
from flows.service.what_if import SegmentBy, WhatIf, decide_all, decide_portion
from flows.workflow import WORKFLOW
from tests.flows.other_versions import DEAR, STRICT, with_other_versions
from tests.flows.portfolio.conftest import fresh_caches
from tests.flows.portfolio.portfolios import done, lines_of
from tests.tools.portfolio.portfolios import read
from tools.modelling.synthesize import APPLICATIONS, Recipe, synthesize

ROWS = 120
FORKED = 50


@pytest.fixture(scope="module")
def portfolio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("portfolio")
    synthesize(folder, Recipe(ROWS, seed=7))
    return folder / APPLICATIONS


@pytest.fixture(scope="module")
def at_a_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """A desk whose data folder has further versions."""
    folder = tmp_path_factory.mktemp("desk")
    with pytest.MonkeyPatch.context() as patch, fresh_caches():
        patch.setenv("CREDIT_DESK_HOME", str(folder / "home"))
        patch.setenv("CREDIT_DESK_BATCH_CHUNK_SIZE", "60")
        with_other_versions(folder, patch)
        with shared_ledger(settings().ledger) as ledger:
            yield ledger


@pytest.fixture(scope="module")
def batch(at_a_desk: Ledger, portfolio: Path) -> Batch:
    """The portfolio, decided."""
    return done(at_a_desk, portfolio)


def rows_of(ledger: Ledger, batch: Batch) -> list[RowPortion]:
    with ledger.reading() as connection:
        return row_portions(connection, settings(), batch.batch_id[:8], None)


def decided_again(ledger: Ledger, batch: Batch, **versions: str) -> WhatIfReport:
    return decide_all("a batch", rows_of(ledger, batch), WhatIf.of(versions), processes=1)


def test_the_swap_set_adds_up_to_the_cases_and_its_rows_to_the_stored_verdicts(
    at_a_desk: Ledger, batch: Batch
) -> None:
    report = decided_again(at_a_desk, batch, policy=STRICT)

    stored = Counter(map(_stored, lines_of(at_a_desk, batch).values()))
    assert report.cases == ROWS == count_of(report.swap_set)
    assert {name.value: sum(row.values()) for name, row in report.swap_set.items()} == stored
    after: Counter[Verdict] = Counter()
    for row in report.swap_set.values():
        after.update(row)
    assert report.total.before.verdicts == {Verdict(name): stored[name] for name in stored}
    assert report.total.after.verdicts == after
    assert sum(one.cases for one in report.segments) == ROWS
    kept = sum(report.swap_set[name].get(name, 0) for name in report.swap_set)
    assert sum(move.cases for move in report.moves) == ROWS - kept > 0


def _stored(line: dict[str, Any]) -> str:
    """The verdict of a line of a batch, in its own words."""
    if line["status"] == "referred":
        return "incomplete" if line["gate"] == "documents" else "refer"
    return str(line["outcome"])


def test_a_stricter_policy_swaps_approvals_out_and_lowers_approvals_and_loss(
    at_a_desk: Ledger, batch: Batch
) -> None:
    report = decided_again(at_a_desk, batch, policy=STRICT)

    lost = [move for move in report.moves if move.before is Verdict.APPROVE]
    assert {move.after for move in lost} <= {Verdict.DECLINE, Verdict.REFER}
    assert lost
    assert not [move for move in report.moves if move.after is Verdict.APPROVE]
    total = report.total
    assert total.after.approval_rate < total.before.approval_rate
    assert total.after.expected_loss < total.before.expected_loss
    assert lost[0].examples


def test_the_pinned_versions_again_move_no_case_and_no_price(
    at_a_desk: Ledger, batch: Batch
) -> None:
    report = decided_again(at_a_desk, batch)

    assert (report.moves, report.repriced) == ((), 0)
    assert report.total.before == report.total.after.model_copy(
        update={"reasons": report.total.before.reasons}
    )


def test_other_prices_change_rates_and_no_verdict_of_an_approval(
    at_a_desk: Ledger, batch: Batch
) -> None:
    report = decided_again(at_a_desk, batch, prices=DEAR)

    assert report.repriced > 0
    before, after = report.total.before.mean_rate, report.total.after.mean_rate
    assert before is not None
    assert after is not None
    assert after > before


def test_a_what_if_writes_nothing_into_the_ledger(at_a_desk: Ledger, batch: Batch) -> None:
    def contents() -> dict[str, list[tuple[object, ...]]]:
        with at_a_desk.reading() as connection:
            return {
                table.name: [tuple(row) for row in connection.execute(sa.select(table))]
                for table in metadata.sorted_tables
            }

    before = contents()
    decided_again(at_a_desk, batch, policy=STRICT)

    assert contents() == before


def test_two_processes_come_to_the_same_as_one(at_a_desk: Ledger, batch: Batch) -> None:
    # A fork server that an earlier test has started knows the folder of that test's desk.
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
    told: list[int] = []
    one = decided_again(at_a_desk, batch, policy=STRICT)
    two = decide_all(
        *("a batch", rows_of(at_a_desk, batch), WhatIf.of({"policy": STRICT})),
        processes=2,
        on_done=told.append,
    )

    assert two.model_copy(update={"seconds": 0.0}) == one.model_copy(update={"seconds": 0.0})
    assert sum(told) == ROWS


def test_a_batch_whose_portfolio_is_gone_or_another_one_is_refused(
    at_a_desk: Ledger, batch: Batch, tmp_path: Path
) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text("{}\n")
    with at_a_desk.reading() as connection:
        with pytest.raises(RecordNotFoundError, match="--portfolio"):
            row_portions(connection, settings(), batch.batch_id, tmp_path / "gone.jsonl")
        with pytest.raises(ContractViolationError, match="not the portfolio"):
            row_portions(connection, settings(), batch.batch_id, other)


@pytest.mark.parametrize(
    ("versions", "said"), [({"policy": "absent"}, "absent"), ({"weather": "dry"}, "weather")]
)
def test_an_unknown_version_is_refused_before_any_case_is_decided(
    at_a_desk: Ledger, versions: dict[str, str], said: str
) -> None:
    with pytest.raises(ContractViolationError, match=said):
        WhatIf.of(versions)


def test_a_query_selects_runs_by_day_outcome_and_product() -> None:
    query = RunQuery.read("since=2026-11-01, outcome=approve,product=personal_loan,limit=10")

    assert query.model_dump(mode="json", exclude_none=True) == {
        "since": "2026-11-01",
        "outcome": "approve",
        "product": "personal_loan",
        "limit": 10,
    }
    assert RunQuery.read("all") == RunQuery()
    for wrong in ("approve", "colour=red", "limit=0"):
        with pytest.raises(ContractViolationError):
            RunQuery.read(wrong)


async def decided_runs(ledger: Ledger, cases: list[CaseFile]) -> list[str]:
    """Runs in the ledger, as the root flow decides them on its own."""
    rulebook = current_rulebook(settings().data_dir)
    entered = []
    for case in cases:
        name = case.application.application_id
        found = await underwrite_inline(case, rulebook)
        if not isinstance(found, Decided):
            continue
        run_id = f"run-{name}"
        with ledger.writing() as connection:
            applications.accept(connection, name, case.inputs_sha256(), canonical_json(case))
            runs.register(
                connection,
                *(run_id, f"application:{name}"),
                application_id=name,
                status=RunStatus.COMPLETED,
            )
            pinned.pin(connection, run_id, WORKFLOW.version, rulebook)
            decisions.enter(connection, run_id, found.content)
        entered.append(run_id)
        if len(entered) == FORKED:
            break
    return entered


async def forked(ledger: Ledger, run_id: str) -> tuple[runs.Run, Lineage]:
    parent = await ledger.read(runs.find, run_id)
    return parent, await prepare_fork(
        ledger, settings(), parent, None, {"policy": STRICT}, may_decide=False
    )


async def test_a_fork_and_the_what_if_agree_on_fifty_runs(
    at_a_desk: Ledger, tmp_path: Path
) -> None:
    synthesize(tmp_path, Recipe(90, seed=11))
    cases = [row.case for row in read(tmp_path / APPLICATIONS) if isinstance(row, PortfolioRow)]
    run_ids = await decided_runs(at_a_desk, cases)
    assert len(run_ids) == FORKED
    with at_a_desk.reading() as connection:
        selected = run_portions(connection, RunQuery())
    assert {run_id for portion in selected for run_id in portion.run_ids} == set(run_ids)

    asked = WhatIf.of({"policy": STRICT}, SegmentBy.STATE)
    found = await asyncio.to_thread(decide_portion, RunPortion(tuple(run_ids)), asked)
    by_application = {one.application_id: one for one in found.judgements}

    moved = 0
    for run_id in run_ids:
        parent, fork = await forked(at_a_desk, run_id)
        with at_a_desk.reading() as connection:
            filed = applications.filed(connection, parent.application_id)
            rulebook = rulebook_of(connection, fork.pinned)
        options = RunOptions.model_validate(parent.options)
        case = case_in_run(filed, options, fork.overrides)
        ended = await underwrite_inline(case, rulebook, options=options)
        one = by_application[parent.application_id]
        assert one.after == judged_attempt(ended, rulebook.ensemble)
        moved += one.after.verdict is not one.before.verdict
    assert moved > 0


def test_the_command_writes_a_page_json_and_two_plots_that_agree(
    at_a_desk: Ledger, batch: Batch, tmp_path: Path
) -> None:
    words = ["what-if", "--batch", batch.batch_id, "--set", f"policy={STRICT}", "--processes", "1"]
    home = str(settings().folder)

    done = CliRunner().invoke(app, [*words, "--home", home, "--out", str(tmp_path), "--json"])

    assert done.exit_code == 0, done.stderr
    report = WhatIfReport.model_validate(json.loads(done.stdout))
    written = WhatIfReport.model_validate_json((tmp_path / "what-if.json").read_bytes())
    assert written == report
    page = (tmp_path / "what-if.md").read_text()
    assert f"| together | {report.total.after.verdicts[Verdict.APPROVE]} |" in page
    for plot in ("swap-set.svg", "segments.svg"):
        assert plot in page
        assert (tmp_path / plot).read_text().startswith("<svg")


@pytest.mark.parametrize(
    "words",
    [
        ["--set", "policy=strict"],
        ["--set", "policy=strict", "--runs", "all", "--batch", "b"],
        ["--set", "policy", "--runs", "all"],
        ["--set", "policy=absent", "--runs", "all"],
        ["--set", "policy=strict", "--runs", "all", "--by", "weather"],
    ],
)
def test_the_command_refuses_what_it_cannot_decide_by(at_a_desk: Ledger, words: list[str]) -> None:
    home = str(settings().folder)

    assert CliRunner().invoke(app, ["what-if", *words, "--home", home]).exit_code == 2
