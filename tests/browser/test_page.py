"""The desk's own page in a browser: from the inbox to the letter, by mouse and by keyboard."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import axe_playwright_python
import pytest
from playwright.async_api import Page, Route, expect

from data.contracts.decision import Outcome
from data.contracts.events import EventType
from data.contracts.runs import RunStatus
from data.settings import Settings
from flows.runtime.ledger import journal
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.journal import Draft
from tests.api.journals import SPAN, TRACE, a_run
from tests.desk import Desk, StartedRun
from tests.documents import file_later_documents
from tools.case_files import load_persona

pytestmark = pytest.mark.timeout(400)  # a browser and a desk share the machine

_AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
_SERIOUS = ("serious", "critical")


async def _waiting(desk: Desk, persona: str) -> StartedRun:
    run = await desk.start(persona)
    await run.until(EventType.WAITING)
    await run.until(RunStatus.WAITING)
    return run


async def test_an_underwriter_claims_a_case_sees_the_price_rules_and_reads_the_letter(
    desk: Desk, window: Page
) -> None:
    run = await _waiting(desk, "bora-borderline")
    await window.goto(f"{desk.api_url}/?text={run.application_id}")
    await window.get_by_label("Your name").fill("Una")

    await window.get_by_role("button", name=f"Claim {run.application_id}").click()
    await expect(window.get_by_role("button", name="Release")).to_be_visible()
    await expect(window).to_have_title(re.compile(r"^\(\d+\) Inbox"))
    await window.get_by_role("link", name=run.application_id).click()
    await expect(window.get_by_text("The probability of default is 6 to 12 %")).to_be_visible()
    await window.get_by_role("radio", name="Approve").check()
    brings = window.get_by_role("region", name="The offer")
    await expect(brings.get_by_text("$381.27")).to_be_visible()
    await window.get_by_label("Reason", exact=True).fill("Long tenure, savings of six payments")
    await window.get_by_role("button", name="Give the ruling: approve").click()

    letter = window.get_by_role("link", name="Letter to the primary applicant")
    await expect(letter).to_be_visible()
    assert (await run.decision()).outcome is Outcome.APPROVE
    address = await letter.get_attribute("href")
    assert "25.51 %" in (await desk.http.get(f"{address}", headers={"Accept": "text/plain"})).text


async def test_every_gate_of_the_map_is_answered_on_the_page_up_to_the_letter(
    desk: Desk, window: Page
) -> None:
    incomplete, listed, refused = [
        await _waiting(desk, name) for name in ("max-missing", "pat-potential", "uma-override")
    ]
    (document,) = await file_later_documents(
        incomplete, load_persona(Settings().data_dir, "max-missing")
    )

    await window.goto(f"{desk.api_url}/case/{incomplete.run_id}")
    await window.get_by_role("radio", name="Supplied").check()
    await window.get_by_label(document).check()
    await _rule(window, "supplied", "Ines")
    await _ends_with_a_letter(window, incomplete)

    await window.goto(f"{desk.api_url}/case/{listed.run_id}")
    await window.get_by_role("radio", name="Clear").check()
    await _rule(window, "clear", "Cleo")
    await _ends_with_a_letter(window, listed)

    await window.goto(f"{desk.api_url}/case/{refused.run_id}")
    await _overrides_the_policy(window, "Una")
    await expect(window.get_by_text("approve: the first ruling stands")).to_be_visible()
    await _overrides_the_policy(window, "Vera")
    await _ends_with_a_letter(window, refused)


async def _overrides_the_policy(window: Page, name: str) -> None:
    await window.get_by_role("radio", name="Approve").check()
    await window.get_by_label("Reason code").select_option("compensating_income")
    await _rule(window, "approve", name)


async def _rule(window: Page, decision: str, name: str) -> None:
    """Sign the ruling that is chosen, and give it."""
    await window.get_by_label("Your name").fill(name)
    await window.get_by_label("Reason", exact=True).fill("Seen and considered")
    await window.get_by_role("button", name=f"Give the ruling: {decision}").click()


async def _ends_with_a_letter(window: Page, run: StartedRun) -> None:
    letter = window.get_by_role("link", name="Letter to the primary applicant")
    await expect(letter).to_be_visible()
    assert (await run.decision()).outcome is Outcome.APPROVE


async def test_terms_are_previewed_while_they_are_typed_and_an_error_stands_beside_its_field(
    desk: Desk, window: Page
) -> None:
    run = await _waiting(desk, "bora-borderline")
    await window.goto(f"{desk.api_url}/case/{run.run_id}")

    await window.get_by_role("radio", name="Adjust").check()
    await window.get_by_label("Adjusted amount").fill("9000")
    brings = window.get_by_role("region", name="The offer")
    await expect(brings.get_by_text("$9,000.00")).to_be_visible()
    await window.get_by_label("Adjusted amount").fill("500")

    amount = window.get_by_label("Adjusted amount")
    await expect(amount).to_have_attribute("aria-invalid", "true")
    await expect(window.locator("#field-amount-error")).to_contain_text("1,000.00")
    assert (await run.summary()).status is RunStatus.WAITING


async def test_a_case_is_ruled_on_with_the_keyboard_alone(desk: Desk, window: Page) -> None:
    run = await _waiting(desk, "bora-borderline")
    await window.goto(f"{desk.api_url}/?text={run.application_id[-8:]}")
    await expect(window.get_by_role("link", name=run.application_id)).to_be_visible()

    await _tab_to(window, run.application_id)
    await window.keyboard.press("Enter")
    await expect(window.get_by_role("heading", name=run.application_id)).to_be_visible()
    await _tab_to(window, "approve")
    await window.keyboard.press("Space")
    await window.keyboard.press("ArrowRight")  # decline
    await _tab_to(window, "reason_code")
    await window.keyboard.type("Income insufficient")
    await _tab_to(window, "reviewer")
    await window.keyboard.type("Una")
    await _tab_to(window, "reason")
    await window.keyboard.type("The income does not carry this loan")
    await _tab_to(window, "Give the ruling: decline")
    await window.keyboard.press("Enter")

    await expect(window.get_by_role("heading", name="Decided")).to_be_visible()
    content = await run.decision()
    assert content.outcome is Outcome.DECLINE
    assert [reason.value for reason in content.principal_reasons] == ["R08"]


async def _tab_to(window: Page, wanted: str) -> None:
    """Press Tab until the focus is on a control of this name, value, id or text."""
    for _ in range(80):
        await window.keyboard.press("Tab")
        found = await window.evaluate(
            "() => { const at = document.activeElement; return"
            " [at.value, at.id.replace('field-', ''), at.textContent].filter(Boolean); }"
        )
        if wanted in found:
            return
    raise AssertionError(f"the keyboard does not reach {wanted}")


async def test_a_screen_that_another_person_has_overtaken_says_so_and_keeps_what_was_typed(
    desk: Desk, window: Page
) -> None:
    run = await _waiting(desk, "bora-borderline")
    await window.goto(f"{desk.api_url}/case/{run.run_id}")
    await window.get_by_label("Reason", exact=True).fill("I was about to approve")

    await run.answer(decision="decline", reason_code="R08")

    await expect(window.get_by_text("This screen is stale")).to_be_visible()
    await expect(window.get_by_label("Reason", exact=True)).to_have_value("I was about to approve")
    await window.get_by_role("button", name="Show the case as it is now").click()
    await expect(window.get_by_role("heading", name="Decided")).to_be_visible()


async def test_a_case_that_is_decided_while_its_page_reads_it_is_shown_as_decided(
    desk: Desk, window: Page
) -> None:
    run = await _waiting(desk, "bora-borderline")
    is_held, is_decided, may_go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def hold_the_first(route: Route) -> None:
        if is_held.is_set():
            await route.continue_()
            return
        answer = await route.fetch()
        is_held.set()
        await may_go_on.wait()
        await route.fulfill(response=answer)

    async def follow_late(route: Route) -> None:
        await is_decided.wait()
        await route.continue_()

    await window.route(f"**/runs/{run.run_id}/state", hold_the_first)
    await window.route(f"**/runs/{run.run_id}/events", follow_late)
    async with window.expect_response(f"**/runs/{run.run_id}/hitl"):
        await window.goto(f"{desk.api_url}/case/{run.run_id}")
    await is_held.wait()
    await run.answer(decision="decline", reason_code="R08")
    await run.events(seconds=120)
    is_decided.set()
    await expect(window.get_by_role("heading", name="Decided")).to_be_visible()

    async with window.expect_response(f"**/runs/{run.run_id}/decision"):
        may_go_on.set()  # the page learns last what it asked first: that a person has to rule

    await expect(window.get_by_role("button", name="Choose a decision")).to_have_count(0)
    await expect(window.get_by_role("heading", name="Decided")).to_be_visible()


async def test_a_case_gets_notes_and_a_snoozed_one_leaves_the_inbox_and_comes_back(
    desk: Desk, window: Page
) -> None:
    run = await _waiting(desk, "bora-borderline")
    await window.goto(f"{desk.api_url}/case/{run.run_id}")
    await window.get_by_label("Your name").fill("Una")
    noted = {"reviewer": "Mona", "text": "The job is permanent"}
    assert (await desk.http.post(f"/runs/{run.run_id}/notes", json=noted)).status_code == 201
    notes = window.get_by_role("region", name="Notes")
    await expect(notes.get_by_text("The job is permanent")).to_be_visible()
    await notes.get_by_text("Write a note").click()
    await notes.get_by_label("Note", exact=True).fill("I call the employer")
    await notes.get_by_label("Written by").fill("Una")
    await notes.get_by_role("button", name="Keep the note").click()
    await expect(notes.get_by_role("listitem").first).to_contain_text("I call the employer")
    await expect(window.get_by_label("Your name")).to_have_value("Una")
    await window.get_by_role("button", name="Snooze…").click()
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    await window.get_by_label("Until").fill(tomorrow.strftime("%Y-%m-%dT%H:%M"))
    await window.get_by_label("Why", exact=True).fill("The employer calls back tomorrow")
    await window.get_by_role("button", name="Put it aside").click()
    await expect(window.get_by_text("Snoozed until")).to_be_visible()

    await window.goto(f"{desk.api_url}/?text={run.application_id[-8:]}")
    await expect(
        window.get_by_text("No request matches").or_(window.get_by_text("No case waits"))
    ).to_be_visible()
    await window.get_by_label("Show").select_option("true")
    await expect(window.get_by_text("The employer calls back tomorrow")).to_be_visible()

    await window.get_by_role("link", name=run.application_id).click()
    await window.get_by_role("button", name="Back to the inbox now").click()
    await expect(window.get_by_role("button", name="Snooze…")).to_be_visible()


async def test_an_application_is_submitted_watched_forked_and_compared(
    desk: Desk, window: Page
) -> None:
    name = f"page-{uuid4().hex[:8]}"
    await window.goto(f"{desk.api_url}/start")
    await window.get_by_label("Application", exact=True).fill("ada-prime")
    await window.get_by_label("File it as").fill(name)
    await window.get_by_role("button", name="Submit").click()
    await expect(window.get_by_role("heading", name=name)).to_be_visible()
    await expect(window.get_by_text("Completed", exact=True)).to_be_visible()
    ended = window.get_by_role("listitem").filter(has_text="run.completed")
    await expect(ended).to_be_visible()
    workflow = window.get_by_role("region", name="Map of the workflow")
    await expect(workflow.locator(".kind_end.status_done")).to_have_text(re.compile("Notice"))
    await window.get_by_text("State of the run").click()
    await window.locator("summary", has_text="Risk ensemble").click()
    await expect(window.get_by_text('"pd_ensemble"')).to_be_visible()

    await window.get_by_role("button", name="Compare").click()
    await expect(window.get_by_role("columnheader", name="Before")).to_be_visible()
    await window.get_by_label("From", exact=True).last.select_option("verification/1")
    await window.get_by_label("To", exact=True).last.fill("40000")
    await window.get_by_role("button", name="Start the what-if").click()

    await expect(window.get_by_text("This run: Approve")).to_be_visible()
    await expect(window.get_by_text("/policy").first).to_be_visible(timeout=30_000)
    await window.get_by_role("link", name="what-if", exact=True).click()
    await expect(window.get_by_text("Taken over", exact=True).first).to_be_visible()
    await expect(window.get_by_role("link", name="Letter")).to_have_count(0)


async def test_what_a_chat_model_writes_is_shown_as_it_comes_and_a_new_attempt_begins_again(
    desk: Desk, window: Page
) -> None:
    run_id = str(uuid4())
    with Ledger(f"sqlite:///{desk.home / 'ledger.db'}") as ledger:
        await a_run(ledger, run_id)
        await ledger.write(journal.append, run_id, [_piece(1, "1.1", "The offer is 9,999.")])
        await window.goto(f"{desk.api_url}/run/{run_id}")
        await expect(window.get_by_text("The offer is 9,999.", exact=True)).to_be_visible()

        pieces = [_piece(2, "1.2", "The offer is "), _piece(3, "1.2", "12,000.00.")]
        await ledger.write(journal.append, run_id, pieces)
        await expect(window.get_by_text("The offer is 12,000.00.", exact=True)).to_be_visible()
        await expect(window.get_by_text("9,999")).to_have_count(0)


def _piece(number: int, attempt: str, text: str) -> Draft:
    return Draft(
        key=str(number),
        type=EventType.AGENT_DELTA,
        phase="decision",
        message="underwriter decision writes",
        progress=0.9,
        trace_id=TRACE,
        span_id=SPAN,
        meta={"agent": "underwriter.decision", "text": text, "attempt": attempt, "part": number},
    )


async def test_a_dropped_portfolio_is_underwritten_and_its_results_are_shown(
    desk: Desk, window: Page, tmp_path: Path
) -> None:
    persona = (desk.data_dir / "synthetic" / "ada-prime.json").read_text()
    application_id = f"page-{uuid4().hex[:8]}"
    file = tmp_path / "november.jsonl"
    line = re.sub(r"\s*\n\s*", "", persona).replace('"ada-prime"', f'"{application_id}"')
    file.write_text(f"{line}\n")
    await window.goto(f"{desk.api_url}/portfolios")

    await window.get_by_label("A portfolio in JSON Lines").set_input_files(file)

    await expect(window.get_by_role("heading", name="november.jsonl")).to_be_visible()
    await expect(window.get_by_text("100 %").first).to_be_visible(timeout=60_000)


async def test_a_part_of_operations_that_fails_or_is_slow_leaves_the_others_as_they_are(
    desk: Desk, window: Page
) -> None:
    await (await desk.start("ada-prime")).events(seconds=120)
    may_answer = asyncio.Event()

    async def answer_late(route: Route) -> None:
        await may_answer.wait()
        await route.continue_()

    await window.route("**/workload", answer_late)
    await window.route("**/decisions/days", lambda route: route.abort())
    await window.goto(f"{desk.api_url}/operations")
    days = window.get_by_role("region", name="Decisions by day")
    workers = window.get_by_role("region", name="Workers")
    await expect(window.get_by_role("region", name="Health")).to_contain_text("answers")
    await expect(days).to_contain_text("This part could not be read")
    await expect(workers).to_contain_text("Loading workers")

    await window.unroute("**/decisions/days")
    await days.get_by_role("button", name="Try again").click()
    await days.get_by_text("The figures as a table").click()
    today = days.get_by_role("row", name=datetime.now(UTC).strftime("%Y-%m-%d"))
    await expect(today.get_by_role("cell").first).not_to_have_text("0")
    may_answer.set()
    await expect(workers.get_by_role("listitem")).to_contain_text("worker-")


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_no_view_has_a_serious_barrier(desk: Desk, window: Page, theme: str) -> None:
    run, other = await _waiting(desk, "bora-borderline"), await desk.start("bora-borderline")
    await window.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    await _start_canary(desk, f"page-{theme}")
    views = ["/", "/start", "/portfolios", "/operations", "/all-runs", "/nowhere"]
    found = {}
    for view in [*views, f"/case/{run.run_id}", f"/run/{run.run_id}"]:
        await window.goto(desk.api_url + view)
        await expect(window.get_by_role("heading", level=1)).to_be_visible()
        await expect(window.get_by_text("Loading")).to_have_count(0)
        if view.startswith("/case"):
            people = window.locator("section", has_text="Other applications of the same people")
            await expect(people.get_by_role("link", name=other.application_id)).to_be_visible()
        if view == "/operations":
            await window.get_by_role("button", name=f"Stop page-{theme}").click()
        await window.evaluate(_AXE)
        report = await window.evaluate("() => axe.run()")
        found[view] = [
            (barrier["id"], [node["target"] for node in barrier["nodes"]])
            for barrier in report["violations"]
            if barrier["impact"] in _SERIOUS
        ]
        if view == "/operations":
            await _stop_canary(window, f"page-{theme}")

    assert {view: barriers for view, barriers in found.items() if barriers} == {}


async def _start_canary(desk: Desk, bundle: str) -> None:
    by = {"reviewer": "Olga"}
    assert (await desk.http.post("/bundles", json={"name": bundle, **by})).status_code == 201
    evidence = {"guards": [{"metric": "error_rate", "at_most": "0.05"}]}
    body = {"challenger": bundle, "evidence": evidence, **by}
    assert (await desk.http.post("/canaries", json=body)).status_code == 201


async def _stop_canary(window: Page, bundle: str) -> None:
    """Stop a canary whose form is open, with the keyboard in its first field."""
    canary = window.get_by_role("article").filter(has_text=bundle)
    await window.keyboard.type("Pia")
    await canary.get_by_label("Why").fill("Enough seen")
    await canary.get_by_role("button", name=f"Stop {bundle}").click()
    await expect(canary.get_by_text("by Pia: Enough seen")).to_be_visible()
    await expect(canary.get_by_role("button")).to_have_count(0)
