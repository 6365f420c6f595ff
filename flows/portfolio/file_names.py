"""Names of portfolios: how they end, and how other people than the sender see them."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from data.contracts.portfolio import PortfolioFormat
from data.contracts.ssn import has_shape_of_ssn

ENDINGS = tuple(f".{format.value}" for format in PortfolioFormat)

_UNUSUAL = re.compile(r"[^A-Za-z0-9._-]")


def ending_of(name: str) -> str:
    """The ending of a file's name, in lower case."""
    return PurePosixPath(name).suffix.lower()


def shown_name(name: str) -> str:
    """A file's name as other people may see it: senders choose names, and names may tell."""
    plain = _UNUSUAL.sub("_", name)[-100:]
    return f"portfolio{PurePosixPath(plain).suffix}" if has_shape_of_ssn(plain) else plain
