"""Rows of a synthetic portfolio end in the branches that they were made for."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from data.contracts.case import CaseFile
from data.contracts.decision import Outcome
from data.contracts.policy import Recommendation, RuleStatus
from data.contracts.portfolio import PortfolioRow
from data.contracts.synthetic import BranchRows
from data.synthetic.builder import AS_OF
from tests.flows.inline import underwritten
from tests.tools.portfolio.portfolios import read
from tools.modelling.branches import BRANCHES
from tools.modelling.synthesize import APPLICATIONS, Recipe, synthesize

ROWS = 1000
SAMPLE = 2
"""Rows of each branch that are underwritten."""

_OUTCOMES = {
    Recommendation.APPROVE: Outcome.APPROVE,
    Recommendation.COUNTER_OFFER: Outcome.COUNTER_OFFER,
    Recommendation.DECLINE: Outcome.DECLINE,
    Recommendation.INCOMPLETE: Outcome.INCOMPLETE,
}

Sample = dict[str, tuple[BranchRows, list[CaseFile]]]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """The last rows of each branch, so that no branch shows its first draws only."""
    folder = tmp_path_factory.mktemp("portfolio")
    manifest = synthesize(folder, Recipe(ROWS, seed=20))
    cases = {
        row.line: row.case for row in read(folder / APPLICATIONS) if isinstance(row, PortfolioRow)
    }
    return {
        branch.name: (branch, [cases[line] for line in branch.lines[-SAMPLE:]])
        for branch in manifest.branches
    }


@pytest.mark.parametrize("name", [branch.name for branch in BRANCHES])
async def test_a_row_ends_in_its_branch(sample: Sample, name: str) -> None:
    branch, cases = sample[name]

    assert len(cases) == SAMPLE
    for case in cases:
        await assert_ends_in(branch, case)


@pytest.mark.parametrize("as_of", [date(2026, 12, 31), date(2027, 1, 4)])
async def test_the_branches_hold_on_other_days(tmp_path: Path, as_of: date) -> None:
    assert as_of != AS_OF
    manifest = synthesize(tmp_path, Recipe(130, 20, as_of))
    branch_of = {line: branch for branch in manifest.branches for line in branch.lines}

    first = {
        branch_of[row.line].name: (branch_of[row.line], row.case)
        for row in reversed(read(tmp_path / APPLICATIONS))
        if isinstance(row, PortfolioRow)
    }

    assert len(first) > 20
    for branch, case in first.values():
        await assert_ends_in(branch, case)


async def assert_ends_in(branch: BranchRows, case: CaseFile) -> None:
    """Underwrite a case inline and compare its end with the branch."""
    done = await underwritten(case)

    policy = done.run.state.policy
    assert (policy.recommendation if policy else None) == branch.recommendation
    assert (done.gates[0] if done.gates else None) == branch.gate
    if branch.gate is None:
        assert branch.recommendation is not None
        assert done.content.outcome is _OUTCOMES[branch.recommendation]
    if branch.reason is not None:
        assert policy is not None
        hit = {rule.reason for rule in policy.results if rule.status is RuleStatus.HIT}
        assert branch.reason in hit
