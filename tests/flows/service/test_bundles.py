"""Bundles: created from versions that exist, never changed, and decided by under their name."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.contracts.bundle import BundleParts, CreateBundle
from data.contracts.errors import ConflictError, ContractViolationError, RecordNotFoundError
from data.contracts.review import Channel, Person, Role
from data.contracts.underwriting import Overrides
from data.settings import AgentBackend, settings
from flows.inline import Decided, underwrite_inline
from flows.rulebook import current_rulebook, rulebook_in_force, with_versions
from flows.runtime.ledger import bundles as rows
from flows.runtime.ledger import pinned, runs
from flows.runtime.ledger.canaries import choose
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.tables import bundles as bundle_rows
from flows.service.bundles import BundleDesk
from flows.service.requests import Caller, StartOptions, StartRun
from flows.service.submissions import submit
from flows.workflow import WORKFLOW
from tests.flows.inline import persona
from tests.flows.other_versions import DEAR, STRICT, with_other_versions

CALLER = Caller(name="", roles=tuple(Role), proven=False, channel=Channel.HTTP)


@pytest.fixture
def desk(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BundleDesk:
    """Bundles of a desk whose data folder has further versions."""
    with_other_versions(tmp_path, monkeypatch)
    return BundleDesk(settings(), ledger)


def strict(**more: str) -> CreateBundle:
    parts = BundleParts(policy=STRICT, **more)
    return CreateBundle(name="autumn", parts=parts, reviewer="Olga")


async def test_a_bundle_is_shown_with_the_version_of_every_part(desk: BundleDesk) -> None:
    made, is_new = await desk.create(strict(prices=DEAR), CALLER)
    again, is_new_again = await desk.create(strict(prices=DEAR), CALLER)

    assert (is_new, is_new_again) == (True, False)
    assert made == again == await desk.show("autumn")
    assert made.created_by == "Olga"
    assert made.versions["prices"].startswith("personal-loan-prices/")
    assert made.versions["workflow"] == made.parts.workflow == WORKFLOW.version
    assert not made.is_in_force
    assert (await desk.page()).in_force == ""


async def test_a_name_that_has_other_versions_is_refused(desk: BundleDesk) -> None:
    await desk.create(strict(), CALLER)

    with pytest.raises(ConflictError, match="never changed"):
        await desk.create(strict(prices=DEAR), CALLER)


async def test_files_that_change_later_change_no_bundle(desk: BundleDesk, ledger: Ledger) -> None:
    made, _ = await desk.create(strict(), CALLER)
    pack = settings().data_dir / "policy" / f"{STRICT}.yaml"
    pack.write_text(pack.read_text().replace("value: 0.025}", "value: 0.001}"))

    book = await ledger.read(rulebook_in_force, settings().data_dir, "autumn")

    assert pinned.digest_of(book) == made.pinned
    assert "0.001" not in book.policy.model_dump_json()
    with pytest.raises(ConflictError):
        await desk.create(strict(), CALLER)


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_a_bundle_decides_by_the_models_that_it_names(
    desk: BundleDesk, ledger: Ledger, version: str
) -> None:
    parts = BundleParts(scorecard=f"scorecard-{version}", challenger=f"challenger-{version}")
    made, _ = await desk.create(CreateBundle(name="models", parts=parts), CALLER)

    book = await ledger.read(rulebook_in_force, settings().data_dir, "models")
    decided = await underwrite_inline(persona("ada-prime").case, book)

    assert pinned.digest_of(book) == made.pinned
    assert isinstance(decided, Decided)
    assert decided.content.versions.scorecard == f"scorecard/{version[1]}.0.0"
    assert decided.content.versions.challenger == f"challenger/{version[1]}.0.0"


@pytest.mark.parametrize(
    ("parts", "pointer"),
    [
        (BundleParts(policy="absent"), "/parts/policy"),
        (BundleParts(scorecard="absent"), "/parts/scorecard"),
        (BundleParts(policy="broken"), "/parts/policy"),
        (BundleParts(workflow="0"), "/parts/workflow"),
    ],
)
async def test_a_part_that_is_missing_or_bad_is_named_and_nothing_is_entered(
    desk: BundleDesk, parts: BundleParts, pointer: str
) -> None:
    (settings().data_dir / "policy" / "broken.yaml").write_text("rules: [}")

    with pytest.raises(ContractViolationError) as refused:
        await desk.create(CreateBundle(name="bad", parts=parts), CALLER)

    assert [problem.pointer for problem in refused.value.problems] == [pointer]
    with pytest.raises(RecordNotFoundError):
        await desk.show("bad")


async def test_a_bundle_names_the_backend_of_its_agents_or_leaves_it_to_the_desk(
    desk: BundleDesk, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDIT_DESK_CHAT_MODEL", "gpt-4.1-mini")
    settings.cache_clear()
    with_model = BundleDesk(settings(), ledger)
    named: dict[str, AgentBackend | None] = {"silent": None} | {kind: kind for kind in AgentBackend}

    for name, backend in named.items():
        parts = BundleParts(agent_backend=backend)
        made, _ = await with_model.create(CreateBundle(name=name, parts=parts), CALLER)
        book = await ledger.read(rulebook_in_force, settings().data_dir, name)

        assert made == await desk.show(name)
        assert made.parts.agent_backend is book.agent_backend is backend
        assert made.versions["agent_backend"] == (backend or "the desk's own")
        forked = with_versions(book, Overrides(policy=STRICT), settings().data_dir)
        assert (forked.bundle, forked.agent_backend) == ("", backend)


async def test_a_chat_model_that_the_desk_does_not_have_is_refused_with_the_next_step(
    desk: BundleDesk,
) -> None:
    parts = BundleParts(agent_backend=AgentBackend.CHAT)

    with pytest.raises(ContractViolationError) as refused:
        await desk.create(CreateBundle(name="voiced", parts=parts), CALLER)

    (problem,) = refused.value.problems
    assert problem.pointer == "/parts/agent_backend"
    assert "CREDIT_DESK_CHAT_MODEL" in problem.message


async def test_a_bundle_of_an_earlier_desk_says_that_the_setting_of_the_desk_words_its_runs(
    desk: BundleDesk, ledger: Ledger
) -> None:
    made, _ = await desk.create(strict(), CALLER)
    old = {
        "parts": made.parts.model_dump(mode="json") | {"agent_backend": "rules"},
        "versions": made.versions | {"agent_backend": "rules"},
    }
    await ledger.write(lambda connection: connection.execute(bundle_rows.update().values(body=old)))

    again, is_new = await desk.create(strict(), CALLER)

    assert (again, is_new) == (made, False)


async def test_a_decision_names_its_bundle_and_is_the_same_without_one_but_for_that_name(
    desk: BundleDesk, ledger: Ledger
) -> None:
    await desk.create(CreateBundle(name="as-shipped"), CALLER)
    case = persona("ada-prime").case

    plain = await underwrite_inline(case, current_rulebook(settings().data_dir))
    book = await ledger.read(rulebook_in_force, settings().data_dir, "as-shipped")
    named = await underwrite_inline(case, book)

    assert isinstance(plain, Decided)
    assert isinstance(named, Decided)
    assert named.content.versions.bundle == "as-shipped"
    assert "bundle" not in plain.content.model_dump(mode="json")["versions"]
    without = named.content.versions.model_copy(update={"bundle": None})
    assert "as-shipped" in named.content.memo
    same = {"versions": without, "memo": plain.content.memo}
    assert named.content.model_copy(update=same) == plain.content


async def submitted(ledger: Ledger, bundle: str | None, name: str = "ada-prime") -> runs.Run:
    request = StartRun(application_id=name, options=StartOptions(bundle=bundle))
    run, _ = await submit(ledger, settings(), request, CALLER)
    return run


async def test_a_run_decides_by_the_bundle_that_it_asks_for(
    desk: BundleDesk, ledger: Ledger
) -> None:
    made, _ = await desk.create(strict(), CALLER)
    run = await submitted(ledger, "autumn")

    today = pinned.digest_of(current_rulebook(settings().data_dir))
    chosen = await ledger.write(choose, run, WORKFLOW.version, today)

    assert (chosen.pinned, chosen.named) == (made.pinned, {"bundle": "autumn"})
    again = await submitted(ledger, "autumn")
    assert again.run_id == run.run_id
    with pytest.raises(ConflictError):
        await submitted(ledger, None)


async def test_an_unknown_bundle_is_refused_and_the_version_in_force_means_what_is_in_force(
    desk: BundleDesk, ledger: Ledger
) -> None:
    with pytest.raises(ContractViolationError) as refused:
        await submitted(ledger, "winter")
    assert [problem.code for problem in refused.value.problems] == ["unknown_bundle"]

    version = current_rulebook(settings().data_dir).policy.version
    assert (await submitted(ledger, version)).options.get("bundle") is None


async def test_a_promoted_bundle_decides_new_runs_until_it_is_withdrawn(
    desk: BundleDesk, ledger: Ledger
) -> None:
    made, _ = await desk.create(strict(), CALLER)
    today = pinned.digest_of(current_rulebook(settings().data_dir))

    def put_into_force(connection: object) -> None:
        rows.promote(connection, rows.find(connection, "autumn"), Person(name="Olga"))  # type: ignore[arg-type]

    await ledger.write(put_into_force)
    run = await submitted(ledger, None)
    chosen = await ledger.write(choose, run, WORKFLOW.version, today)
    assert (chosen.pinned, dict(chosen.named)) == (made.pinned, {"bundle": "autumn"})
    assert (await desk.show("autumn")).is_in_force

    page = await desk.withdraw(CALLER, "Pia")

    assert page.in_force == ""
    other = await submitted(ledger, None, "ben-midland")
    assert (await ledger.write(choose, other, WORKFLOW.version, today)).pinned is None
    assert [one["promoted_by"] for one in (await desk.show("autumn")).promotions] == ["Olga"]
    with pytest.raises(ConflictError):
        await desk.withdraw(CALLER, "Pia")
