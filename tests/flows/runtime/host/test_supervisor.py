"""Several processes under one command, with real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

import flows.runtime
from data.contracts.errors import UnavailableError
from flows.runtime.host.supervisor import Role, RoleState, Supervisor
from tests.processes import ending

ROOT = Path(flows.runtime.__file__).parents[2]
WORKS = """
import os, signal, sys, time
from flows.runtime.host import parent_pipe
name, diary = sys.argv[1:]
def write(word):
    with open(diary, "a") as page:
        page.write(f"{name} {word} {os.getpid()}\\n")
def end(*_):
    write("ended")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
parent_pipe.exit_with_parent()
write("began")
time.sleep(0.2)
print("at work", flush=True)
write("ready")
parent_pipe.notify_ready()
time.sleep(60)
"""
IS_STUBBORN = WORKS.replace(
    "signal.signal(signal.SIGTERM, end)", "signal.signal(15, signal.SIG_IGN)"
)
FAILS = "print('cannot find my data'); raise SystemExit(9)"
IS_SILENT = WORKS.replace("parent_pipe.notify_ready()", "")
FAILS_AFTER_READY = """
from flows.runtime.host import parent_pipe
parent_pipe.notify_ready()
raise SystemExit(3)
"""
SUPERVISES = """
import asyncio, signal, sys
from pathlib import Path
from flows.runtime.host.supervisor import Role, Supervisor
program, folder = sys.argv[1:]
roles = [Role(n, [sys.executable, "-c", program, n, f"{folder}/diary"]) for n in ("one", "two")]
async def main():
    async with Supervisor(Path(folder), roles):
        print("up", flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


class Heard:
    """What a supervisor told its listener."""

    def __init__(self) -> None:
        self.told: list[tuple[str, RoleState, str]] = []

    def __call__(self, role: str, state: RoleState, detail: str) -> None:
        self.told.append((role, state, detail))

    def states(self, role: str) -> list[RoleState]:
        return [state for name, state, _ in self.told if name == role]

    def details(self, state: RoleState) -> list[str]:
        return [detail for _, told, detail in self.told if told is state]


def role(name: str, program: str, folder: Path) -> Role:
    command = [sys.executable, "-c", program, name, str(folder / "diary")]
    return Role(name, command, {"PYTHONPATH": str(ROOT)})


def diary(folder: Path) -> list[str]:
    """What the roles wrote so far, without their pids."""
    return [line.rpartition(" ")[0] for line in _lines(folder)]


def pids(folder: Path) -> set[int]:
    return {int(line.split()[-1]) for line in _lines(folder)}


def _lines(folder: Path) -> list[str]:
    page = folder / "diary"
    return page.read_text().splitlines() if page.exists() else []


def any_left(folder: Path) -> bool:
    return any(psutil.pid_exists(pid) for pid in pids(folder))


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - other processes have no event to wait for
            await asyncio.sleep(0.02)


async def test_each_role_starts_when_the_one_before_it_is_ready(tmp_path: Path) -> None:
    roles = [role("one", WORKS, tmp_path), role("two", WORKS, tmp_path)]

    async with Supervisor(tmp_path, roles):
        assert diary(tmp_path) == ["one began", "one ready", "two began", "two ready"]


async def test_roles_end_in_reverse_order(tmp_path: Path) -> None:
    roles = [role("one", WORKS, tmp_path), role("two", WORKS, tmp_path)]

    async with Supervisor(tmp_path, roles):
        pass

    assert diary(tmp_path)[-2:] == ["two ended", "one ended"]


async def test_the_listener_hears_of_every_state(tmp_path: Path) -> None:
    heard = Heard()

    async with Supervisor(tmp_path, [role("one", WORKS, tmp_path)], heard):
        pass

    assert heard.states("one") == [RoleState.STARTING, RoleState.READY, RoleState.STOPPED]


async def test_a_role_writes_into_its_own_log(tmp_path: Path) -> None:
    async with Supervisor(tmp_path, [role("one", WORKS, tmp_path)]) as supervisor:
        assert (tmp_path / "logs" / "one.log").read_text() == "at work\n"
        assert supervisor.log_of("one") == tmp_path / "logs" / "one.log"


async def test_a_long_log_is_put_aside_and_a_short_one_continued(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "one.log").write_bytes(b"x" * 5_000_001)
    (logs / "two.log").write_text("yesterday\n")

    async with Supervisor(tmp_path, [role(name, WORKS, tmp_path) for name in ("one", "two")]):
        pass

    assert (logs / "one.log.1").stat().st_size == 5_000_001
    assert (logs / "one.log").read_text() == "at work\n"
    assert (logs / "two.log").read_text() == "yesterday\nat work\n"


async def test_a_role_finds_its_own_variables_in_its_environment(tmp_path: Path) -> None:
    tells = "import os; from flows.runtime.host import parent_pipe; print(os.environ['COLOUR']);"
    tells += "parent_pipe.notify_ready(); import time; time.sleep(60)"
    coloured = Role(
        "one", [sys.executable, "-uc", tells], {"COLOUR": "green", "PYTHONPATH": str(ROOT)}
    )

    async with Supervisor(tmp_path, [coloured]) as supervisor:
        assert supervisor.log_of("one").read_text() == "green\n"


async def test_a_role_that_was_killed_is_started_again_and_the_others_stay(
    tmp_path: Path,
) -> None:
    heard = Heard()
    roles = [role("one", WORKS, tmp_path), role("two", WORKS, tmp_path)]

    async with Supervisor(tmp_path, roles, heard, first_delay=0.05):
        victim = int(_lines(tmp_path)[0].split()[-1])
        os.kill(victim, signal.SIGKILL)
        await until(lambda: heard.states("one").count(RoleState.READY) == 2)

    assert heard.details(RoleState.RESTARTING) == [
        "was ended by signal 9 (Killed); again in 0.05 s"
    ]
    assert heard.states("two").count(RoleState.READY) == 1


async def test_a_role_that_dies_again_and_again_is_given_more_and_more_time(
    tmp_path: Path,
) -> None:
    heard = Heard()
    falters = role("one", FAILS_AFTER_READY, tmp_path)

    async with Supervisor(tmp_path, [falters], heard, first_delay=0.1):
        await until(lambda: len(heard.details(RoleState.RESTARTING)) == 4)

    assert heard.details(RoleState.RESTARTING) == [
        "ended with code 3; again in 0.1 s",
        "ended with code 3; again in 0.2 s",
        "ended with code 3; again in 0.4 s",
        "ended with code 3; again in 0.8 s",
    ]
    assert heard.states("one")[-1] is RoleState.STOPPED


async def test_the_delay_never_exceeds_thirty_seconds_and_shrinks_after_a_steady_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Heard()
    monkeypatch.setattr("flows.runtime.host.supervisor.LONGEST_DELAY", 0.2)
    falters = role("one", FAILS_AFTER_READY, tmp_path)

    async with Supervisor(tmp_path, [falters], heard, first_delay=0.1):
        await until(lambda: len(heard.details(RoleState.RESTARTING)) == 3)
        monkeypatch.setattr("flows.runtime.host.supervisor.STEADY_SECONDS", 0)
        await until(lambda: len(heard.details(RoleState.RESTARTING)) == 4)

    delays = [detail.split("again in ")[1] for detail in heard.details(RoleState.RESTARTING)]
    assert delays == ["0.1 s", "0.2 s", "0.2 s", "0.1 s"]


async def test_a_role_that_cannot_start_fails_the_whole_and_names_its_log(
    tmp_path: Path,
) -> None:
    heard = Heard()
    roles = [role("one", WORKS, tmp_path), role("two", FAILS, tmp_path)]

    with pytest.raises(UnavailableError, match=r"two ended with code 9; see .*two\.log"):
        await Supervisor(tmp_path, roles, heard).start()

    assert (tmp_path / "logs" / "two.log").read_text() == "cannot find my data\n"
    assert heard.states("two") == [RoleState.STARTING, RoleState.FAILED]
    assert diary(tmp_path)[-1] == "one ended"


async def test_a_role_that_never_gets_ready_is_killed(tmp_path: Path) -> None:
    heard = Heard()
    silent = role("one", IS_SILENT, tmp_path)

    with pytest.raises(UnavailableError, match=r"one was not ready after 3 s"):
        await Supervisor(tmp_path, [silent], heard, start_seconds=3).start()

    assert diary(tmp_path) == ["one began", "one ready"]
    assert not any_left(tmp_path)


async def test_a_command_that_does_not_exist_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="one cannot be started: No such file"):
        await Supervisor(tmp_path, [Role("one", ["/no/such/program"])]).start()


async def test_a_cancelled_start_leaves_nothing_behind(tmp_path: Path) -> None:
    roles = [role("one", WORKS, tmp_path), role("two", IS_SILENT, tmp_path)]
    starting = asyncio.create_task(Supervisor(tmp_path, roles).start())
    await until(lambda: "two began" in diary(tmp_path))

    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting

    assert len(pids(tmp_path)) == 2
    assert not any_left(tmp_path)


async def test_even_stubborn_roles_are_gone_within_five_seconds(tmp_path: Path) -> None:
    roles = [role(name, IS_STUBBORN, tmp_path) for name in ("one", "two", "three")]
    supervisor = Supervisor(tmp_path, roles)
    await supervisor.start()
    told = time.monotonic()

    await supervisor.stop()

    assert time.monotonic() - told < 5
    assert len(pids(tmp_path)) == 3
    assert not any_left(tmp_path)


async def test_a_stubborn_role_does_not_keep_the_others_from_ending_in_good_order(
    tmp_path: Path,
) -> None:
    roles = [role("one", WORKS, tmp_path), role("two", IS_STUBBORN, tmp_path)]

    async with Supervisor(tmp_path, roles):
        pass

    assert diary(tmp_path)[-1] == "one ended"


async def test_stopping_twice_at_once_is_stopping_once(tmp_path: Path) -> None:
    heard = Heard()
    supervisor = Supervisor(tmp_path, [role("one", WORKS, tmp_path)], heard)
    await supervisor.start()

    await asyncio.gather(supervisor.stop(), supervisor.stop())

    assert heard.states("one").count(RoleState.STOPPED) == 1


async def test_a_stopped_supervisor_can_be_started_again(tmp_path: Path) -> None:
    heard = Heard()
    supervisor = Supervisor(tmp_path, [role("one", WORKS, tmp_path)], heard)

    for _ in range(2):
        async with supervisor:
            pass

    assert heard.states("one").count(RoleState.READY) == 2


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_supervisor_that_was_killed_leaves_no_child_behind(
    number: signal.Signals, tmp_path: Path
) -> None:
    with ending(
        subprocess.Popen(
            [sys.executable, "-c", SUPERVISES, WORKS, str(tmp_path)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
    ) as supervisor:
        assert supervisor.stdout is not None
        assert supervisor.stdout.readline() == "up\n"
        children = psutil.Process(supervisor.pid).children(recursive=True)
        assert {os.getpgid(child.pid) for child in children} == {os.getpgid(supervisor.pid)}
        supervisor.send_signal(number)
        supervisor.wait(timeout=10)

    _gone, alive = psutil.wait_procs(children, timeout=5)

    assert len(children) == 2
    assert alive == []
