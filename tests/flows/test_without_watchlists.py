"""Without a watchlist, or with old ones only, no application is decided."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from data.settings import Settings, settings
from tests.desk import ROOT
from tests.flows.inline import persona, underwritten


@pytest.fixture
def watchlists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the lists, of a data folder of this test alone."""
    for name in ("models", "policy", "synthetic", "watchlists"):
        shutil.copytree(ROOT / "data" / name, tmp_path / "data" / name)
    monkeypatch.setenv("CREDIT_DESK_DATA_DIR", str(tmp_path / "data"))
    settings.cache_clear()
    yield tmp_path / "data" / "watchlists"
    monkeypatch.undo()
    settings.cache_clear()


def make_old(folder: Path) -> None:
    """Let every list be too old on the day of the case."""
    terms = folder.parent / "policy" / "screening.yaml"
    terms.write_text(
        re.sub(r"(\w+: )\d+(  #|$)", r"\g<1>1\2", terms.read_text(), flags=re.MULTILINE)
    )


@pytest.mark.parametrize("take_away", [shutil.rmtree, make_old], ids=["none", "old ones"])
async def test_no_applicant_is_approved_by_the_desk(
    watchlists: Path, take_away: Callable[[Path], None]
) -> None:
    with_lists = await underwritten(persona("ada-prime"))
    take_away(watchlists)

    without = await underwritten(persona("ada-prime"))

    assert with_lists.is_decided
    assert not without.is_decided
    assert without.error is not None
    assert (without.error.code, without.error.agent) == ("watchlist_unavailable", "kyc")
    assert Settings().data_dir == watchlists.parent
