"""The protocol's own conformance suite, against the desk over HTTP.

Most of its scenarios want a server made for the suite, with tools, prompts and resources that they
name. These are the ones that hold for every server with tools.
"""

from __future__ import annotations

import subprocess

import pytest

from tests.node import node_program

pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]

_SUITE = "@modelcontextprotocol/conformance@0.1.16"
_NODE = "node@22"
"""The suite needs this version at least, and many machines have an older one."""


@pytest.mark.parametrize(
    "scenario", ["server-initialize", "ping", "tools-list", "dns-rebinding-protection"]
)
def test_a_scenario_of_the_conformance_suite_passes(url: str, scenario: str) -> None:
    npx = node_program("npx", "the conformance suite of MCP was not run")
    packages = [f"--package={package}" for package in (_NODE, _SUITE)]
    asked = ["conformance", "server", "--url", f"{url}/mcp", "--scenario", scenario]

    done = subprocess.run([npx, "--yes", *packages, *asked], capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 failed" in done.stdout
