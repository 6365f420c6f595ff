"""One desk for all faults that a desk survives without being opened anew."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.faults.desk_process import BesiegedDesk, besieged_in


@pytest.fixture(scope="session")
async def besieged(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BesiegedDesk]:
    """A desk whose flow can be told to fail, and whose processes may be killed."""
    async with besieged_in(tmp_path_factory.mktemp("besieged")) as desk:
        yield desk
