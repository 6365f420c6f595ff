"""Signing in with a browser: by a key, and with the company's login at the tests' own issuer."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from api.security.keys import KeyFile
from tests.api.security.issuer import CLIENT, SECRET, an_issuer
from tests.browser.approver import asleep
from tests.desk import Desk, desk_in

pytestmark = pytest.mark.timeout(400)  # a browser and a desk share the machine


async def test_a_desk_asks_for_a_key_or_the_company_s_login_and_keeps_both_from_scripts(
    window: Page, tmp_path: Path
) -> None:
    with an_issuer() as issuer:
        oidc = {
            "CREDIT_DESK_OIDC_ISSUER": issuer.url,
            "CREDIT_DESK_OIDC_CLIENT_ID": CLIENT,
            "CREDIT_DESK_OIDC_CLIENT_SECRET": SECRET,
            "CREDIT_DESK_OIDC_ROLES": '{"officers": "underwriter"}',
        }
        async with desk_in(tmp_path, **oidc) as desk:
            await _signs_in_by_key(window, desk)
            await _signs_in_by_company_login(window, desk)


async def _signs_in_by_key(window: Page, desk: Desk) -> None:
    keys = KeyFile(desk.home / "keys.json")
    intake = keys.create("Ines", ["intake"])[1]
    key = keys.create("Una", ["underwriter"])[1]
    desk.http.headers["Authorization"] = f"Bearer {intake}"
    run = await desk.start("bora-borderline")
    await asleep(run)
    await window.goto(f"{desk.api_url}/case/{run.run_id}")
    await window.get_by_label("API key").fill("cdk_00000000_wrong")
    await window.get_by_role("button", name="Sign in").click()
    await expect(window.get_by_role("alert")).to_contain_text("no valid API key")

    await window.get_by_label("API key").fill(key)
    await window.get_by_role("button", name="Sign in").click()
    await expect(window.get_by_role("heading", name=run.application_id)).to_be_visible()
    await expect(window.get_by_label("Your name")).to_have_count(0)
    await window.get_by_role("radio", name="Approve").check()
    await window.get_by_label("Reason", exact=True).fill("Long tenure")
    await window.get_by_role("button", name="Give the ruling: approve").click()
    await expect(window.get_by_role("heading", name="Decided")).to_be_visible()

    kept = await window.evaluate("() => [document.cookie, ...Object.values(sessionStorage)]")
    assert not any(key in text or "credit_desk_session" in text for text in kept)
    await window.get_by_role("button", name="Sign out").click()
    await expect(window.get_by_role("heading", name="Sign in")).to_be_visible()


async def _signs_in_by_company_login(window: Page, desk: Desk) -> None:
    """Una comes back to the view that she asked for, and rules under her name at the issuer."""
    run = await desk.start("bora-borderline")
    await asleep(run)
    await window.goto(f"{desk.api_url}/case/{run.run_id}")
    await window.get_by_role("link", name="Sign in with your company's login").click()
    await expect(window.get_by_role("heading", name=run.application_id)).to_be_visible()
    await expect(window.get_by_text("Una Writer").first).to_be_visible()

    await window.get_by_role("radio", name="Approve").check()
    await window.get_by_label("Reason", exact=True).fill("Long tenure")
    await window.get_by_role("button", name="Give the ruling: approve").click()
    await expect(window.get_by_role("heading", name="Decided")).to_be_visible()

    (ruling,) = (await run.decision()).rulings
    assert (ruling.reviewer, ruling.proven) == ("Una Writer", True)
    assert await window.evaluate("() => document.cookie") == ""
