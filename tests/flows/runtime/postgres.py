"""A PostgreSQL server of the tests' own, from whatever server binaries the machine has."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from flows.runtime.ledger.database import Ledger
from tests.desk import unused_port

_FAST = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"


def binaries() -> Path | None:
    """The folder that holds `initdb`: named in the environment, packaged, or on the PATH."""
    named = os.environ.get("CREDIT_DESK_TEST_PG_BIN")
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    on_path = shutil.which("initdb")
    candidates = [
        *([Path(named)] if named else []),
        *packaged,
        *([Path(on_path).resolve().parent] if on_path else []),
    ]
    return next((folder for folder in candidates if (folder / "initdb").is_file()), None)


@contextmanager
def server() -> Iterator[str]:
    """A running server, as the URL of an empty database. Skips, loudly, without binaries."""
    found = binaries()
    if found is None:
        if os.environ.get("CREDIT_DESK_REQUIRE_PG"):
            pytest.fail("CREDIT_DESK_REQUIRE_PG is set, and no PostgreSQL server was found")
        pytest.skip("NO POSTGRESQL SERVER FOUND: the ledger was tested on SQLite only")
    with tempfile.TemporaryDirectory(prefix="credit-desk-pg-") as folder:
        place = Path(folder) / "data"
        as_user: list[str | Path] = [*_unprivileged(Path(folder))]
        port = unused_port()
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 {_FAST}"
        _run([*as_user, found / "initdb", "-D", place, "-U", "desk", "-A", "trust", "--no-sync"])
        control = [*as_user, found / "pg_ctl", "-D", place, "-w"]
        _run([*control, "-l", Path(folder) / "log", "-o", options, "start"])
        try:
            yield f"postgresql://desk@127.0.0.1:{port}/postgres"
        finally:
            _run([*control, "-m", "immediate", "stop"])


def new_database(server: Ledger, name: str, options: str = "") -> str:
    """The URL of an empty database beside the one that a ledger is in."""
    with server.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(sa.text(f"drop database if exists {name}"))
        connection.execute(sa.text(f"create database {name} {options}"))
    return server.url.replace("/postgres", f"/{name}")


def _unprivileged(folder: Path) -> list[str]:
    """PostgreSQL refuses to be run by root: who runs it then, and owns its folder."""
    if os.geteuid() != 0:
        return []
    known = {entry.pw_name for entry in pwd.getpwall()}
    name = "postgres" if "postgres" in known else "nobody"
    user = pwd.getpwnam(name)
    os.chown(folder, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _run(command: Sequence[str | Path]) -> None:
    done = subprocess.run(
        command, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
