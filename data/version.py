"""The version of the desk's code, as its records and its API name it."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version


@cache
def code_version() -> str:
    """The version of the installed package; "0" for a checkout that was not installed."""
    try:
        return version("credit-desk-lite")
    except PackageNotFoundError:
        return "0"
