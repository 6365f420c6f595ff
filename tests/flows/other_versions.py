"""A data folder with further versions beside those in force."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from data.settings import settings

STRICT, DEAR = "strict", "dear"


def with_other_versions(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the settings name a copy of the data with the policy `strict` and the prices `dear`."""
    data_dir = folder / "data"
    shutil.copytree(
        settings().data_dir, data_dir, ignore=shutil.ignore_patterns("*.py", "__pycache__")
    )
    monkeypatch.setenv("CREDIT_DESK_DATA_DIR", str(data_dir))
    settings.cache_clear()
    policy = (data_dir / "policy" / "personal-loan.yaml").read_text()
    strict = policy.replace("value: 0.12}", "value: 0.025}").replace("value: 0.06}", "value: 0.02}")
    prices = (data_dir / "policy" / "prices.yaml").read_text()
    dear = prices.replace("A: {12: 0.0749", "A: {12: 0.0799").replace("0.0899,", "0.0949,")
    for name, shipped, changed in ((STRICT, policy, strict), (DEAR, prices, dear)):
        assert changed != shipped
        (data_dir / "policy" / f"{name}.yaml").write_text(changed)
