"""What all tests share: an environment of their own, a real desk, a ledger per test.

The product's own launcher starts the desk once for the whole suite. The desk ends last, and its
end is a test too.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

# Prefect and the desk read the environment once, when they are imported. The variables of the
# person who starts the tests must not reach them, or tests would talk to that person's server.
for _name in [
    name for name in os.environ if name.startswith(("CREDIT_DESK_", "PREFECT_", "OTEL_"))
]:
    if not _name.startswith(("CREDIT_DESK_TEST_", "CREDIT_DESK_REQUIRE_")):
        del os.environ[_name]
_HOME = tempfile.TemporaryDirectory(prefix="credit-desk-tests-")
os.environ["CREDIT_DESK_HOME"] = str(Path(_HOME.name) / "desk")
os.environ["PREFECT_HOME"] = str(Path(_HOME.name) / "prefect")
os.environ["PREFECT_SERVER_EPHEMERAL_ENABLED"] = "false"
os.environ["PREFECT_API_KEY"] = "none"  # otherwise events would start a server of their own
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
os.environ["PREFECT_LOGGING_LEVEL"] = "WARNING"
os.environ["PREFECT_LOGGING_TO_API_ENABLED"] = "false"
os.environ["DO_NOT_TRACK"] = "1"

import hypothesis
import pytest

from data.settings import settings
from flows.runtime.ledger.database import Ledger, shared_ledger
from tests.desk import Desk, desk_in
from tests.otlp import Receiver, receiving


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="run the long tests in full length")


_SHARED_DESKS = ("desk", "faulty_desk", "hasty_desk")
"""Fixtures whose tests stay on one worker. Those of the first take longest."""

# A machine that is busy is slow, not wrong.
hypothesis.settings.register_profile("desk", deadline=None)
hypothesis.settings.register_profile("soak", deadline=None, max_examples=1000)


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without `--soak`, leave out the tests that take minutes. Put the longest groups first."""
    if not config.getoption("--soak"):
        long = [item for item in items if item.get_closest_marker("soak")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]
    seconds: dict[str, float] = {}
    for item in items:
        group = _together(item)
        item.add_marker(pytest.mark.xdist_group(group))
        limit = item.get_closest_marker("timeout")
        seconds[group] = max(seconds.get(group, 0.0), limit.args[0] if limit else 0.0)
    # xdist hands out the groups in this order. A long one at the end would leave one worker idle.
    items.sort(key=lambda item: _turn(_together(item), seconds))


def _turn(group: str, seconds: dict[str, float]) -> tuple[int, float]:
    """The shared desks, then groups by the time that their tests are allowed to take."""
    place = _SHARED_DESKS.index(group) if group in _SHARED_DESKS else len(_SHARED_DESKS)
    return place, -seconds[group]


def _together(item: pytest.Item) -> str:
    """The xdist group of a test: the shared desk that it uses, or else its file.

    Many tests call another thing of theirs `desk`: it lasts for one test, a shared one for all.
    """
    known = getattr(item, "_fixtureinfo", None)
    defined = known.name2fixturedefs if known else {}
    shared = [n for n in _SHARED_DESKS if n in defined and defined[n][-1].scope == "session"]
    return shared[0] if shared else item.nodeid.partition("::")[0]


@pytest.fixture(scope="session")
def soak(request: pytest.FixtureRequest) -> bool:
    """Whether the fault tests run in full length."""
    return bool(request.config.getoption("--soak"))


@pytest.fixture(scope="session")
def otlp() -> Iterator[Receiver]:
    """The receiver of the desk's spans."""
    with receiving() as receiver:
        yield receiver


def pytest_configure(config: pytest.Config) -> None:
    """Choose how many examples properties get, before a test is imported.

    SIGTERM is treated like Ctrl-C, so that the desk ends together with the tests. A shell starts
    the processes in its background with SIGINT ignored, and children inherit that: they must hear
    the Ctrl-C of a test also there.
    """
    hypothesis.settings.load_profile("soak" if config.getoption("--soak") else "desk")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)


@pytest.fixture(scope="session")
async def desk(tmp_path_factory: pytest.TempPathFactory, otlp: Receiver) -> AsyncIterator[Desk]:
    """The desk: Prefect server, worker and API as `credit-desk up` starts them."""
    folder = tmp_path_factory.mktemp("desk")
    async with desk_in(folder, OTEL_EXPORTER_OTLP_ENDPOINT=otlp.url) as running:
        yield running


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a ledger with all its tables, made once: migrations take a while."""
    file = tmp_path_factory.mktemp("ledger") / "ledger.db"
    with Ledger(f"sqlite:///{file}") as opened:
        opened.migrate()
    return file


@pytest.fixture
def settings_ledger(
    tmp_path: Path, empty_ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Ledger]:
    """A migrated ledger of this test alone. The settings of this process name it."""
    home = tmp_path / "desk"
    home.mkdir(exist_ok=True)
    shutil.copy(empty_ledger, home / "ledger.db")
    monkeypatch.setenv("CREDIT_DESK_HOME", str(home))
    settings.cache_clear()
    opened = shared_ledger(settings().ledger)
    yield opened
    opened.close()
    shared_ledger.cache_clear()
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def ledger(settings_ledger: Ledger) -> Ledger:
    """The ledger of a test. Some folders have one of their own, which no settings name."""
    return settings_ledger
