"""The version of the code, with the package installed and without."""

from __future__ import annotations

from importlib import metadata

import pytest

from data import version


def test_the_installed_package_names_the_version() -> None:
    assert version.code_version() == metadata.version("credit-desk-lite")


def test_a_checkout_that_was_not_installed_has_version_0(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(version, "version", unknown)

    assert version.code_version.__wrapped__() == "0"
