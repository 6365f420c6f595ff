"""Commands that read the ledger of a desk themselves: the desk need not run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from data.settings import Settings


def use_desk_folder(home: Path | None) -> Settings:
    """The settings of the desk in a folder, for this process and those that it starts.

    Call it before Prefect is imported, which reads its environment then. Raises
    RecordNotFoundError when the folder has no ledger.
    """
    import os

    from api.cli.client import chosen_settings
    from data.contracts.errors import RecordNotFoundError
    from data.settings import settings
    from flows.runtime.host.environment import apply_prefect_environment

    chosen = chosen_settings(home=home)
    if not chosen.ledger_url and not (chosen.folder / "ledger.db").is_file():
        raise RecordNotFoundError(f"there is no desk in {chosen.folder}")
    os.environ["CREDIT_DESK_HOME"] = str(chosen.folder)
    settings.cache_clear()
    apply_prefect_environment(chosen)
    return chosen
