"""The Chromium of this machine: Debian's, or the one that Playwright has installed."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, Playwright, async_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")


@asynccontextmanager
async def headless_chromium() -> AsyncIterator[Browser | None]:
    """A browser without a screen; None where this machine has none."""
    async with async_playwright() as playwright:
        executable = _found(playwright)
        if executable is None:
            yield None
            return
        browser = await playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox"]
        )
        yield browser
        await browser.close()


def _found(playwright: Playwright) -> str | None:
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    own = playwright.chromium.executable_path
    return found or (own if Path(own).is_file() else None)
