"""The README's blocks, pasted in their order into a shell beside a real desk."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from tests.desk import ROOT, Desk, clean_environment

pytestmark = pytest.mark.timeout(400)  # a dozen commands, each of which starts Python

CHAPTERS = ("With curl", "With the command line", "What-if", "Audit")
"""Those that need no key, no file from elsewhere and no containers."""


def blocks(chapter: str) -> list[str]:
    """The shell blocks of a chapter."""
    readme = (ROOT / "README.md").read_text()
    text = re.split(r"^##", readme.partition(f"# {chapter}\n")[2], maxsplit=1, flags=re.MULTILINE)[
        0
    ]
    return re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


async def pasted(desk: Desk, folder: Path, script: str) -> str:
    """What a shell says to a script; it names every line that fails."""
    (folder / "data").symlink_to(ROOT / "data")
    (folder / "bin").mkdir()
    (folder / "bin" / "credit-desk").write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -P -m api.cli "$@"\n'
    )
    (folder / "bin" / "credit-desk").chmod(0o755)
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    shell = await asyncio.create_subprocess_exec(
        *("bash", "-c", f"trap 'echo \"FAILED $? $BASH_COMMAND\"' ERR\nset -o pipefail\n{script}"),
        cwd=folder,
        env=clean_environment() | {"CREDIT_DESK_HOME": str(desk.home), "PATH": path},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await shell.communicate()
    return said.decode()


async def test_the_blocks_of_the_readme_paste_in_their_order(desk: Desk, tmp_path: Path) -> None:
    script = "\n".join(block for chapter in CHAPTERS for block in blocks(chapter))
    here = script.replace("localhost:8000", desk.api_url.removeprefix("http://"))

    said = await pasted(desk, tmp_path, here)

    failed = re.findall(r"^FAILED \d+ .*", said, re.MULTILINE)
    # A stream of a run that waits ends by its limit of time, which is 28 for curl.
    assert [line for line in failed if not line.startswith("FAILED 28 curl -sN")] == [], said
    assert "event: waiting" in said
    assert '"outcome":"approve"' in said
    assert "caused by amount_requested = 9000.00" in said
    assert (tmp_path / "map.svg").read_text().startswith("<")
