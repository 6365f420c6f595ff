"""Whether this machine can run the broker of the stack: a Redis server, and Prefect's client."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec

import pytest


def require() -> None:
    """Skip, loudly, without Redis. Fails instead where CREDIT_DESK_REQUIRE_REDIS is set."""
    missing = [name for name in ("redis-server", "redis-cli") if shutil.which(name) is None]
    missing += ["prefect-redis (the extra `redis`)"] if find_spec("prefect_redis") is None else []
    if missing and os.environ.get("CREDIT_DESK_REQUIRE_REDIS"):
        pytest.fail(f"CREDIT_DESK_REQUIRE_REDIS is set, and there is no {', '.join(missing)}")
    if missing:
        pytest.skip(f"NO REDIS: {', '.join(missing)} missing, the stack was not started")
