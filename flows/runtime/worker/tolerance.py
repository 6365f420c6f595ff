"""What a duty of the worker does with its errors: it is tried again, and the others go on."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from data.contracts.errors import CreditDeskError

log = logging.getLogger(__name__)


@contextmanager
def tolerated(what: str) -> Iterator[None]:
    """Log an error instead of raising it: an error that escapes would end the duty for good."""
    try:
        yield
    except CreditDeskError as error:
        log.warning("%s: %s", what, error)
    except Exception:
        log.exception("%s: failed, and is tried again", what)
