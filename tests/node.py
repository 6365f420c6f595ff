"""Programs of Node.js for tests that run what npm publishes."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def node_program(name: str, untested: str) -> str:
    """The path of `node`, `npm` or `npx`. Without it the test is skipped, or fails where Node.js is
    required."""
    return shutil.which(name) or without_node(f"NO {name}", untested)


def without_node(missing: str, untested: str) -> NoReturn:
    """End the test: it cannot show what it is for."""
    said = f"{missing}: {untested}"
    if os.environ.get("CREDIT_DESK_REQUIRE_NODE"):
        pytest.fail(said)
    pytest.skip(said)
