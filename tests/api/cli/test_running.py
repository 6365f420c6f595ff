"""Ports, processes and signals of a desk on one machine."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli import app
from api.cli.running import RoleStates, roles_of, settings_for, until_told
from data.contracts.errors import ContractViolationError
from data.settings import Settings
from flows.runtime.host.desk_lock import DeskLock
from flows.runtime.host.supervisor import RoleState


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another process listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def test_a_chosen_port_that_is_taken_is_refused(tmp_path: Path, taken: int, free: int) -> None:
    with pytest.raises(ContractViolationError, match=f"port {taken} is taken.*--port"):
        settings_for(tmp_path, taken, free)
    with pytest.raises(ContractViolationError, match=f"port {taken} is taken.*--prefect-port"):
        settings_for(tmp_path, free, taken)


def test_a_port_chosen_by_the_environment_is_chosen_too(
    tmp_path: Path, taken: int, free: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDIT_DESK_API_PORT", str(taken))

    with pytest.raises(ContractViolationError, match="is taken"):
        settings_for(tmp_path, None, free)


def test_a_port_nobody_chose_gives_way_to_the_next_free_one_and_says_so(
    tmp_path: Path,
    taken: int,
    free: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Settings.model_fields["api_port"], "default", taken)
    Settings.model_rebuild(force=True)
    try:
        settings = settings_for(tmp_path, None, free)
    finally:
        monkeypatch.undo()
        Settings.model_rebuild(force=True)

    assert settings.api_port > taken
    assert f"Port {taken} is taken, using {settings.api_port} instead" in capsys.readouterr().err


def test_the_demonstration_insists_on_no_port(tmp_path: Path, taken: int, free: int) -> None:
    assert settings_for(tmp_path, taken, free, insist=False).api_port != taken


def test_up_on_a_taken_port_ends_with_2_and_leaves_the_folder_free(
    tmp_path: Path, taken: int
) -> None:
    ended = CliRunner().invoke(app, ["up", "--home", str(tmp_path), "--port", str(taken)])

    assert (ended.exit_code, ended.stdout) == (2, "")
    assert f"port {taken} is taken" in ended.stderr
    with DeskLock(tmp_path):
        assert not (tmp_path / "desk.json").exists()


def test_a_second_desk_on_one_folder_is_refused_and_told_where_the_first_is(
    tmp_path: Path,
) -> None:
    with DeskLock(tmp_path) as lock:
        lock.publish(api_url="http://127.0.0.1:8123", prefect_url="http://127.0.0.1:4200")
        ended = CliRunner().invoke(app, ["up", "--home", str(tmp_path)])

    assert ended.exit_code == 1
    assert "http://127.0.0.1:8123" in ended.stderr


def test_each_process_belongs_to_the_desk_of_its_folder_and_ports(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, api_port=8123, prefect_port=4321)

    roles = roles_of(settings)

    assert [role.name for role in roles] == ["server", "worker", "api"]
    for role in roles:
        assert role.argv[1:] == ("-P", "-m", "api.cli", role.name)
        assert role.env["CREDIT_DESK_HOME"] == str(tmp_path.resolve())
        assert role.env["CREDIT_DESK_API_PORT"] == "8123"
        assert role.env["CREDIT_DESK_PREFECT_PORT"] == "4321"
        assert role.env["PREFECT_HOME"] == str(tmp_path.resolve() / "prefect")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_work_after_it_has_cleaned_up(number: signal.Signals) -> None:
    steps: list[str] = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), number)
            await asyncio.sleep(60)
        finally:
            os.kill(os.getpid(), number)  # a second signal changes nothing
            await asyncio.sleep(0.02)
            steps.append("cleaned up")

    assert asyncio.run(until_told(work())) is False
    assert steps == ["cleaned up"]


def test_work_that_comes_to_its_end_is_told_from_work_that_was_ended() -> None:
    async def work() -> None:
        await asyncio.sleep(0)

    assert asyncio.run(until_told(work())) is True


def test_an_error_of_the_work_is_not_swallowed() -> None:
    async def work() -> None:
        raise ContractViolationError("bad")

    with pytest.raises(ContractViolationError):
        asyncio.run(until_told(work()))


def test_states_are_told_in_lines_on_stderr_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with RoleStates() as states:
        states.tell("worker", RoleState.READY, "pid 7")

    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "worker  ready       pid 7\n"
