"""Uploaded portfolios: files with personal data that are kept no longer than they are needed.

The driver removes the file of a batch of which every row is done. What is left belongs to a batch
that failed or was cancelled, or to an upload that broke off.
"""

from __future__ import annotations

import time
from pathlib import Path

from data.settings import Settings
from flows.runtime.ledger import batches
from flows.runtime.ledger.database import Ledger

_DAY = 86_400


def folder_of(settings: Settings) -> Path:
    """Where the desk keeps uploaded portfolios."""
    return settings.folder / "uploads"


def purge(ledger: Ledger, settings: Settings, *, dry_run: bool = False) -> int:
    """Remove the uploads whose time is up; how many. With `dry_run`, count them only.

    A batch whose file is gone goes on when the file is submitted again.
    """
    folder, days = folder_of(settings), settings.batch_upload_days
    if not days or not folder.is_dir():
        return 0
    with ledger.reading() as connection:
        needed = {batch.path for batch in batches.without_end(connection)}
    sent_before = time.time() - days * _DAY
    due = [
        path
        for path in folder.iterdir()
        if str(path) not in needed and _was_sent_before(path, sent_before)
    ]
    for path in () if dry_run else due:
        path.unlink(missing_ok=True)
    return len(due)


def _was_sent_before(path: Path, moment: float) -> bool:
    try:
        return path.stat().st_mtime < moment
    except FileNotFoundError:  # a driver has just removed it
        return False
