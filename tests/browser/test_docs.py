"""The API's page in a browser that reaches no other machine."""

from __future__ import annotations

from playwright.async_api import Browser, ConsoleMessage, Request, expect

from tests.desk import Desk


async def test_the_api_s_page_lists_its_operations_without_the_internet(
    desk: Desk, browser: Browser
) -> None:
    page = await browser.new_page()
    asked: list[str] = []
    complaints: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    def complain(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(message.text)

    page.on("request", note)
    page.on("console", complain)
    await page.goto(f"{desk.api_url}/docs")

    await page.get_by_text("Start Run", exact=True).first.click()
    await expect(page.get_by_role("button", name="Try it out")).to_be_visible()
    assert [url for url in asked if not url.startswith((desk.api_url, "data:"))] == []
    assert complaints == []
    await page.close()
