"""One desk for all faults that a desk survives without being opened again."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.faults.desk_process import FaultyDesk, faulty_desk_in
from tests.otlp import Receiver


@pytest.fixture(scope="session")
async def faulty_desk(
    tmp_path_factory: pytest.TempPathFactory, otlp: Receiver
) -> AsyncIterator[FaultyDesk]:
    """A desk whose flow can be told to fail, and whose processes may be killed."""
    folder = tmp_path_factory.mktemp("faulty_desk")
    async with faulty_desk_in(folder, OTEL_EXPORTER_OTLP_ENDPOINT=otlp.url) as desk:
        yield desk
