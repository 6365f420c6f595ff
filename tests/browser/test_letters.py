"""Letters in a browser: a page that has all it needs in itself, and prints on either paper."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Browser, expect

from tests.desk import Desk

pytestmark = pytest.mark.timeout(400)  # a browser and a desk share the machine

_PAGES = re.compile(rb"/Type\s*/Page[^s]")


async def test_a_letter_opens_in_a_browser_loads_nothing_and_prints(
    desk: Desk, browser: Browser
) -> None:
    run = await desk.start("dee-debtor")
    await run.decision()
    page = await browser.new_page()
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    address = f"{desk.api_url}/runs/{run.run_id}/notice"

    await page.goto(address)

    heading = page.get_by_role("heading", name="Notice of action taken")
    await expect(heading).to_be_visible()
    await expect(page.get_by_text("Excessive obligations in relation to income")).to_be_visible()
    assert "Georgia" in await heading.evaluate("node => getComputedStyle(node).fontFamily")
    assert [url for url in asked if not url.endswith("/favicon.ico")] == [address]
    assert complaints == []
    for paper in ("A4", "Letter"):
        assert 1 <= len(_PAGES.findall(await page.pdf(format=paper))) <= 2
    await page.close()
