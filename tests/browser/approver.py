"""A person in the Prefect UI: opens a waiting run, fills in its form and submits it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import httpx
from playwright.async_api import Locator, Page, expect

from tests.desk import PATIENCE_SECONDS, StartedRun


@dataclass
class Approver:
    """One person at one window."""

    page: Page

    @property
    def form(self) -> Locator:
        return self.page.get_by_role("dialog")

    async def open(self, run: StartedRun) -> None:
        """From the run's page, through the menu in its corner, to the form."""
        await asleep(run)
        await self.page.goto((await run.summary()).links.prefect)
        await self.page.locator("button[aria-haspopup=menu]").first.click()
        await self.page.get_by_role("menuitem", name="Resume").click()
        await expect(self.form.get_by_label("Your name")).to_be_visible()

    async def titles(self) -> list[str]:
        """The fields, from the top to the bottom."""
        return await self.form.locator("label").all_inner_texts()

    async def choose(self, title: str, option: str) -> None:
        await self.form.get_by_label(f"Select {title}").click()
        await self.page.get_by_role("option", name=option, exact=True).click()

    async def write(self, title: str, text: str) -> None:
        await self.form.get_by_label(title, exact=True).fill(text)

    async def sign(self, name: str, reason: str) -> None:
        await self.write("Your name", name)
        await self.write("Reason", reason)

    async def set_number(self, title: str, number: str) -> None:
        """Fill in an optional number."""
        await self.write(f"{title} (Optional)", number)

    async def add(self, title: str, text: str) -> None:
        """Add one entry to a list."""
        field = self._field(title)
        await field.get_by_role("button", name="Add item").click()
        await field.locator("textarea, input").last.fill(text)

    async def submit(self) -> None:
        await self.form.get_by_role("button", name="Resume").click()

    async def is_taken(self) -> None:
        """Prefect has accepted the form."""
        await expect(self.page.get_by_text("Flow run resumed")).to_be_visible()

    async def is_told(self, words: str) -> None:
        """The form shows a message and stays open."""
        await expect(self.page.get_by_text(words)).to_be_visible()
        await expect(self.form.get_by_label("Your name")).to_be_visible()

    def _field(self, title: str) -> Locator:
        return self.form.locator(
            f"xpath=.//label[starts-with(., '{title}')]/ancestor::div[.//fieldset][1]//fieldset"
        ).first


async def asleep(run: StartedRun) -> None:
    """Wait until Prefect has put the run to sleep; only then does its page offer to resume."""
    address = f"/api/flow_runs/{await run.flow_run_id()}"
    async with (
        httpx.AsyncClient(base_url=run.desk.prefect_url) as prefect,
        asyncio.timeout(PATIENCE_SECONDS),
    ):
        while True:
            flow_run = (await prefect.get(address)).json()
            if flow_run["state_name"] == "Suspended":
                return
            await asyncio.sleep(0.1)
