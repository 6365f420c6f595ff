"""A real browser, where there is one."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, expect

from tests.browser.approver import Approver
from tests.browser.chromium import headless_chromium

expect.set_options(timeout=20_000)  # a busy machine takes seconds for a run


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Headless Chromium. Without one the tests are skipped, or fail where one is required."""
    async with headless_chromium() as browser:
        if browser is None:
            missing = "NO CHROMIUM FOUND: the forms in the Prefect UI were not tested"
            if os.environ.get("CREDIT_DESK_REQUIRE_BROWSER"):
                pytest.fail(missing)
            pytest.skip(missing)
        yield browser


@pytest.fixture
async def approver(browser: Browser, tmp_path: Path) -> AsyncIterator[Approver]:
    """A person with a window of their own. The last page is kept in a picture."""
    page = await browser.new_page(viewport={"width": 1280, "height": 720})
    page.set_default_timeout(20_000)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    yield Approver(page)
    await page.screenshot(path=tmp_path / "last.png")
    await page.close()
    assert {urlsplit(url).hostname for url in asked} <= {"127.0.0.1", None}, "other hosts are asked"


@pytest.fixture
async def window(browser: Browser) -> AsyncIterator[Page]:
    """A window whose page complains of nothing: no error, and nothing that its policy blocks."""
    page = await browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(20_000)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if _is_grave(said) else None)
    yield page
    await page.close()
    assert complaints == []


def _is_grave(said: ConsoleMessage) -> bool:
    """A browser writes a line for each refused request, too: the page shows those in its words."""
    is_refusal = said.text.startswith("Failed to load resource")
    return said.type in {"error", "warning"} and not is_refusal
