"""Tests that compare with Graphviz: skipped where there is none, unless one is required."""

from __future__ import annotations

import os
import shutil

import pytest

NEEDS_DOT = pytest.mark.skipif(
    shutil.which("dot") is None and not os.environ.get("CREDIT_DESK_REQUIRE_DOT"),
    reason="NO GRAPHVIZ FOUND: drawings were not compared with dot's",
)
