"""Canaries: sticky arms, shadows that touch nothing, and promotion by evidence alone."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from data.contracts.base import sha256_of
from data.contracts.bundle import BundleParts, CreateBundle
from data.contracts.canary import (
    CanaryAct,
    CanaryMetric,
    CanaryMode,
    CanaryReport,
    EvaluationTerms,
    Evidence,
    Guard,
    ReportEvaluation,
    StartCanary,
)
from data.contracts.errors import ConflictError, ContractViolationError, EvidenceMissingError
from data.contracts.evaluation import Evaluation
from data.contracts.review import Channel, Person, Role
from data.contracts.runs import RunStatus
from data.contracts.underwriting import Rulebook
from data.settings import settings
from flows.rulebook import current_rulebook, rulebook_of
from flows.runtime.ledger import bundles as rows
from flows.runtime.ledger import canaries, decisions, pinned, runs
from flows.runtime.ledger.database import Ledger, shared_ledger
from flows.runtime.ledger.tables import runs as run_rows
from flows.service.bundles import BundleDesk
from flows.service.canaries import CanaryDesk
from flows.service.requests import Caller, StartRun
from flows.service.submissions import submit
from flows.workflow import WORKFLOW
from tests.flows.inline import persona, underwritten
from tests.flows.other_versions import STRICT, with_other_versions
from tests.flows.portfolio.conftest import fresh_caches
from tests.flows.portfolio.portfolios import cases, done, lines_of, write_portfolio
from tests.tools.test_evaluation_terms import evaluation
from tools.modelling.synthesize import APPLICATIONS, Recipe, synthesize
from tools.policy import pack_sha256

pytestmark = pytest.mark.timeout(600)

ROWS = 2000
CALLER = Caller(name="", roles=tuple(Role), proven=False, channel=Channel.HTTP)
LENIENT, LATER = "lenient", "later"
NO_MORE_LOSS, FEW_ERRORS = Guard.read("loss_rate<=0.001"), Guard.read("error_rate<=0.05")


@pytest.fixture(scope="module")
def portfolio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("portfolio")
    synthesize(folder, Recipe(ROWS, seed=29))
    return folder / APPLICATIONS


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """The ledger of a desk with three bundles: as shipped, stricter, and one that can decide
    nothing today."""
    with pytest.MonkeyPatch.context() as patch, fresh_caches():
        patch.setenv("CREDIT_DESK_HOME", str(tmp_path / "desk"))
        with_other_versions(tmp_path, patch)
        policies = settings().data_dir / "policy"
        shipped = (policies / "personal-loan.yaml").read_text()
        (policies / f"{LATER}.yaml").write_text(
            shipped.replace("effective_from: 2026-01-01", "effective_from: 2031-01-01")
        )
        with shared_ledger(settings().ledger) as opened:
            desk = BundleDesk(settings(), opened)
            for name, policy in ((LENIENT, "personal-loan"), (STRICT, STRICT), (LATER, LATER)):
                request = CreateBundle(name=name, parts=BundleParts(policy=policy))
                asyncio.run(desk.create(request, CALLER))
            yield opened


@pytest.fixture(autouse=True)
def same_arms(monkeypatch: pytest.MonkeyPatch) -> None:
    """The id of a canary assigns the arms. With another one each time, figures would move."""
    numbers = count(1)
    monkeypatch.setattr(canaries, "uuid4", lambda: UUID(int=next(numbers)))


@pytest.fixture
def desk(ledger: Ledger) -> CanaryDesk:
    return CanaryDesk(settings(), ledger)


def put_into_force(ledger: Ledger, name: str) -> None:
    with ledger.writing() as connection:
        rows.promote(connection, rows.find(connection, name), Person(name="Olga"))


async def started(desk: CanaryDesk, challenger: str, **more: Any) -> CanaryReport:
    plain: dict[str, Any] = {
        "challenger": challenger,
        "mode": CanaryMode.LIVE,
        "share": "0.5",
        "evidence": Evidence(guards=(NO_MORE_LOSS,)),
        "reviewer": "Olga",
    }
    return await desk.start(StartCanary.model_validate(plain | more), CALLER)


def by(name: str) -> CanaryAct:
    return CanaryAct(reviewer=name, reason="seen")


async def approved(desk: CanaryDesk, canary_id: str) -> CanaryReport:
    await desk.approve(canary_id, by("Olga"), CALLER)
    return await desk.approve(canary_id, by("Pia"), CALLER)


async def test_a_challenger_that_approves_more_and_loses_more_is_refused_and_stopped(
    desk: CanaryDesk, ledger: Ledger, portfolio: Path
) -> None:
    put_into_force(ledger, STRICT)
    evidence = Evidence(better=(CanaryMetric.APPROVAL_RATE,), guards=(NO_MORE_LOSS,))
    canary = await started(desk, LENIENT, evidence=evidence)
    await asyncio.to_thread(done, ledger, portfolio)
    found = await approved(desk, canary.canary_id)
    compared = {one.metric: one.difference for one in found.comparisons}

    with pytest.raises(EvidenceMissingError) as refused:
        await desk.promote(canary.canary_id, by("Olga"), CALLER)

    assert sum(found.cases.values()) == ROWS
    assert (compared[CanaryMetric.APPROVAL_RATE].low or 0) > 0.1
    (missing,) = found.missing
    assert missing.startswith("guard loss_rate<=0.001 is broken: difference +0.00")
    assert refused.value.message == missing
    await desk.look()
    stopped = await desk.find(canary.canary_id)
    assert (stopped.status, stopped.acts[-1].by) == ("stopped", "system")
    assert stopped.acts[-1].body["reason"] == "guard broken: loss_rate<=0.001"
    with ledger.reading() as connection:
        kept = rows.in_force(connection)
    assert kept is not None
    assert kept.bundle == STRICT


async def test_a_challenger_that_loses_less_within_its_guards_is_promoted_on_record(
    desk: CanaryDesk, ledger: Ledger, portfolio: Path
) -> None:
    guards = (NO_MORE_LOSS, Guard.read("approval_rate>=-0.25"), FEW_ERRORS)
    terms = EvaluationTerms(fallbacks=Decimal("0.1"))
    evidence = Evidence(better=(CanaryMetric.LOSS_RATE,), guards=guards, evaluation=terms)
    canary = await started(desk, STRICT, evidence=evidence)
    await asyncio.to_thread(done, ledger, portfolio)
    await desk.look()
    await approved(desk, canary.canary_id)
    with pytest.raises(EvidenceMissingError, match=r"^evaluation: no report of `credit-desk eval"):
        await desk.promote(canary.canary_id, by("Rosa"), CALLER)
    evaluation = evaluation_of(ledger, STRICT)
    given = ReportEvaluation(reviewer="Nora", report=evaluation)
    seen = await desk.evaluate(canary.canary_id, given, CALLER)
    assert seen.missing == ("approvals: 0 of 2 people",), "approvals from before it do not count"
    await approved(desk, canary.canary_id)

    promoted = await desk.promote(canary.canary_id, by("Rosa"), CALLER)

    assert (promoted.status, promoted.missing) == ("promoted", ())
    approvals = [("approved", "Olga"), ("approved", "Pia")]
    assert [(act.act, act.by) for act in promoted.acts] == [
        *(("started", "Olga"), *approvals, ("evaluated", "Nora"), *approvals),
        ("promoted", "Rosa"),
    ]
    bundle = await BundleDesk(settings(), ledger).show(STRICT)
    (record,) = bundle.promotions
    assert bundle.is_in_force
    assert (record["promoted_by"], record["canary_id"]) == ("Rosa", canary.canary_id)
    assert record["evidence"]["cases"] == promoted.cases
    assert record["evidence"]["evaluation"]["sha256"] == sha256_of(evaluation)
    with pytest.raises(ConflictError, match="has ended"):
        await desk.promote(canary.canary_id, by("Rosa"), CALLER)


def evaluation_of(ledger: Ledger, bundle: str) -> Evaluation:
    """A report in which a chat model has agreed with the rules of a bundle on 20 cases."""
    with ledger.reading() as connection:
        rulebook = rulebook_of(connection, rows.find(connection, bundle).pinned)
    return evaluation(pack_sha256(rulebook.policy))


async def test_a_canary_that_needs_no_evaluation_takes_none(
    desk: CanaryDesk, ledger: Ledger
) -> None:
    canary = await started(desk, STRICT)
    given = ReportEvaluation(reviewer="Nora", report=evaluation_of(ledger, STRICT))

    with pytest.raises(ConflictError, match="without the need of an evaluation"):
        await desk.evaluate(canary.canary_id, given, CALLER)


def small(ledger: Ledger, folder: Path, name: str) -> dict[str, dict[str, Any]]:
    """The lines of a batch of all synthetic applicants."""
    path = write_portfolio(folder / f"{name}.jsonl", cases(name))
    return lines_of(ledger, done(ledger, path))


async def test_every_row_of_a_batch_says_which_bundle_decided_it_by_its_arm(
    desk: CanaryDesk, ledger: Ledger, tmp_path: Path
) -> None:
    canary = await started(desk, STRICT)
    lines = await asyncio.to_thread(small, ledger, tmp_path, "live")

    row = await ledger.read(canaries.find, canary.canary_id)
    arms = Counter(row.arm_of(name) for name in lines)
    assert set(arms) == {"champion", "challenger"}
    for name, line in lines.items():
        if line["status"] == "decided":
            expected = STRICT if row.arm_of(name) == "challenger" else None
            assert line["content"]["versions"].get("bundle") == expected
    found = await desk.find(canary.canary_id)
    assert found.cases == {"champion": arms["champion"], "challenger": arms["challenger"]}


async def test_a_shadow_that_fails_on_every_row_changes_no_decision(
    desk: CanaryDesk, ledger: Ledger, tmp_path: Path
) -> None:
    evidence = Evidence(guards=(FEW_ERRORS,))
    canary = await started(desk, LATER, mode=CanaryMode.SHADOW, evidence=evidence)
    shadowed = await asyncio.to_thread(small, ledger, tmp_path, "same")
    found = await desk.find(canary.canary_id)
    await desk.stop(canary.canary_id, by("Olga"), CALLER)

    with ledger.writing() as connection:
        connection.execute(run_rows.delete())
    other = tmp_path / "other"
    other.mkdir()
    plain = await asyncio.to_thread(_without_a_canary, other)

    kept = ("status", "outcome", "content_sha256", "gate")
    assert {name: [line.get(part) for part in kept] for name, line in shadowed.items()} == {
        name: [line.get(part) for part in kept] for name, line in plain.items()
    }
    errors = next(one for one in found.comparisons if one.metric is CanaryMetric.ERROR_RATE)
    assert (errors.challenger.value or 0) > 0.5 > (errors.champion.value or 0)
    assert 0 < errors.challenger.n < len(plain)


def _without_a_canary(folder: Path) -> dict[str, dict[str, Any]]:
    """The same applicants on a ledger of their own."""
    with pytest.MonkeyPatch.context() as patch, fresh_caches():
        patch.setenv("CREDIT_DESK_HOME", str(folder / "desk"))
        with shared_ledger(settings().ledger) as ledger:
            return small(ledger, folder, "same")


async def test_a_live_challenger_that_fails_is_stopped_by_its_guard(
    desk: CanaryDesk, ledger: Ledger, tmp_path: Path
) -> None:
    evidence = Evidence(guards=(FEW_ERRORS,), guard_cases=5)
    canary = await started(desk, LATER, evidence=evidence)
    await asyncio.to_thread(small, ledger, tmp_path, "failing")
    assert await ledger.read(canaries.has_news)

    await desk.look()

    found = await desk.find(canary.canary_id)
    assert (found.status, found.acts[-1].by) == ("stopped", "system")
    assert not await ledger.read(canaries.has_news)
    after = await asyncio.to_thread(small, ledger, tmp_path, "after")
    assert not [line for line in after.values() if line["status"] == "failed"]


async def entered(ledger: Ledger, application_id: str) -> runs.Run:
    run, _ = await submit(ledger, settings(), StartRun(application_id=application_id), CALLER)
    return run


def pin(connection: Any, run_id: str, rulebook: Rulebook) -> bytes | None:
    """Choose and pin, as an execution does when it opens its run."""
    run = runs.find(connection, run_id)
    digest = pinned.digest_of(rulebook)
    chosen = canaries.choose(connection, run, WORKFLOW.version, digest)
    return pinned.pin(connection, run_id, WORKFLOW.version, rulebook, chosen.pinned, chosen.named)


async def test_a_run_stays_with_its_arm_when_the_canary_has_ended(
    desk: CanaryDesk, ledger: Ledger
) -> None:
    canary = await started(desk, STRICT)
    row = await ledger.read(canaries.find, canary.canary_id)
    book = current_rulebook(settings().data_dir)
    names = ("ada-prime", "ben-midland", "dee-debtor", "leo-large", "bella-bankrupt", "nora-nohit")
    begun = [await entered(ledger, name) for name in names]
    first = {run.run_id: await ledger.write(pin, run.run_id, book) for run in begun}
    await desk.stop(canary.canary_id, by("Olga"), CALLER)

    again = {run.run_id: await ledger.write(pin, run.run_id, book) for run in begun}

    assert again == first
    known = await ledger.read(runs.find_all, list(first))
    assert {known[run.run_id].versions["arm"] for run in begun} == {"champion", "challenger"}
    for run in begun:
        is_ours = row.arm_of(run.application_id) == "challenger"
        assert (known[run.run_id].versions["pinned"] == row.challenger) is is_ours
        assert known[run.run_id].versions.get("bundle") == (STRICT if is_ours else None)
    late = await entered(ledger, "connie-counter")
    await ledger.write(pin, late.run_id, book)
    assert "arm" not in (await ledger.read(runs.find, late.run_id)).versions


async def test_a_run_in_shadow_is_decided_by_the_champion_and_judged_by_both(
    desk: CanaryDesk, ledger: Ledger
) -> None:
    canary = await started(desk, STRICT, mode=CanaryMode.SHADOW)
    book = current_rulebook(settings().data_dir)
    row = await ledger.read(canaries.find, canary.canary_id)
    names = ("ada-prime", "ben-midland", "dee-debtor", "leo-large", "bella-bankrupt", "nora-nohit")
    in_share = [name for name in names if row.has_in_share(name)]
    for name in names:
        run = await entered(ledger, name)
        assert await ledger.write(pin, run.run_id, book) is None

    await desk.look()

    found = await desk.find(canary.canary_id)
    assert found.cases == {"champion": len(in_share), "challenger": len(in_share)}
    assert found.waiting == 0
    with ledger.reading() as connection:
        assert not decisions.deciders(connection, names)


async def test_a_live_run_is_measured_when_it_has_decided(desk: CanaryDesk, ledger: Ledger) -> None:
    canary = await started(desk, STRICT)
    book = current_rulebook(settings().data_dir)
    run = await entered(ledger, "ada-prime")
    await ledger.write(pin, run.run_id, book)
    assert (await desk.find(canary.canary_id)).waiting == 1
    content = (await underwritten(persona("ada-prime"))).content

    def decide(connection: Any) -> None:
        decisions.enter(connection, run.run_id, content)
        this = run_rows.c.run_id == run.run_id
        connection.execute(run_rows.update().where(this).values(status=RunStatus.COMPLETED))

    await ledger.write(decide)
    await desk.look()

    found = await desk.find(canary.canary_id)
    assert (found.waiting, sum(found.cases.values())) == (0, 1)


async def test_the_share_is_sticky_and_another_canary_has_another_one(
    desk: CanaryDesk, ledger: Ledger
) -> None:
    names = [f"application-{number}" for number in range(2000)]
    shares = []
    for _ in range(2):
        canary = await started(desk, STRICT, share="0.2")
        row = await ledger.read(canaries.find, canary.canary_id)
        shares.append({name for name in names if row.has_in_share(name)})
        assert {name for name in names if row.has_in_share(name)} == shares[-1]
        await desk.stop(canary.canary_id, by("Olga"), CALLER)

    assert all(340 < len(share) < 460 for share in shares)
    assert len(shares[0] & shares[1]) < 120


async def test_a_promotion_needs_cases_and_two_different_people(
    desk: CanaryDesk, ledger: Ledger, tmp_path: Path
) -> None:
    evidence = Evidence(min_cases=5, guards=(Guard.read("error_rate<=1"),))
    canary = await started(desk, STRICT, evidence=evidence)
    with pytest.raises(ConflictError, match="too few cases"):
        await desk.approve(canary.canary_id, by("Olga"), CALLER)
    await asyncio.to_thread(small, ledger, tmp_path, "few")
    await desk.approve(canary.canary_id, by("Olga"), CALLER)

    with pytest.raises(ConflictError, match="approved already"):
        await desk.approve(canary.canary_id, by(" olga "), CALLER)
    with pytest.raises(EvidenceMissingError, match="approvals: 1 of 2 people"):
        await desk.promote(canary.canary_id, by("Olga"), CALLER)
    with pytest.raises(ContractViolationError):
        await desk.approve(canary.canary_id, by(""), CALLER)


async def test_a_second_canary_and_one_of_what_is_in_force_are_refused(
    desk: CanaryDesk, ledger: Ledger
) -> None:
    put_into_force(ledger, STRICT)
    with pytest.raises(ConflictError, match="in force already"):
        await started(desk, STRICT)
    await started(desk, LENIENT)
    with pytest.raises(ConflictError, match="one at a time"):
        await started(desk, LATER)


async def test_a_champion_that_changes_ends_the_comparison_and_forbids_the_promotion(
    desk: CanaryDesk, ledger: Ledger, tmp_path: Path
) -> None:
    evidence = Evidence(min_cases=5, guards=(Guard.read("error_rate<=1"),))
    canary = await started(desk, STRICT, evidence=evidence)
    await asyncio.to_thread(small, ledger, tmp_path, "before")
    await approved(desk, canary.canary_id)
    counted = (await desk.find(canary.canary_id)).cases
    put_into_force(ledger, LENIENT)

    await asyncio.to_thread(small, ledger, tmp_path, "later")

    assert (await desk.find(canary.canary_id)).cases == counted
    with pytest.raises(ConflictError, match="in force has changed"):
        await desk.promote(canary.canary_id, by("Rosa"), CALLER)
