"""Loads the lender's authority matrix: which role may approve which amount."""

from __future__ import annotations

from pathlib import Path

from data.contracts.authority import AuthorityMatrix
from tools.versioned_data import load_versioned


def load_authority(data_dir: Path) -> AuthorityMatrix:
    """Read `policy/authority.yaml`. Raises RecordNotFoundError or RecordCorruptError."""
    return load_versioned(data_dir / "policy" / "authority.yaml", AuthorityMatrix)
