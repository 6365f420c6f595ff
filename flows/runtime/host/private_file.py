"""A file for its owner alone, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from uuid import uuid4

_OWNER_ONLY = 0o600


@contextmanager
def private_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes its name, or the place of an older one, when the block has ended well.

    It is on disk by then. After an error the folder is as it was before. Raises OSError.
    """
    draft = path.with_name(f".{uuid4().hex}.part")  # of this writer alone
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
