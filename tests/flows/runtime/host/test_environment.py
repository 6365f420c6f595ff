"""The PREFECT_* variables of one desk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from data.contracts.errors import ContractViolationError
from data.settings import Settings
from flows.runtime.host.environment import (
    prefect_api_url,
    prefect_environment,
    require_guarded,
    require_services,
)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "PREFECT_API_URL",
        "PREFECT_SERVER_DATABASE_CONNECTION_URL",
        "PREFECT_API_DATABASE_CONNECTION_URL",
        "PREFECT_UI_API_URL",
        "PREFECT_SERVER_UI_API_URL",
        "PREFECT_HOME",
        "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS",
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS",
        "PREFECT_SERVER_API_AUTH_STRING",
        "PREFECT_API_AUTH_STRING",
    ):
        monkeypatch.delenv(name, raising=False)


def test_everything_of_a_desk_lies_in_its_folder(tmp_path: Path) -> None:
    variables = prefect_environment(Settings(home=tmp_path))

    assert variables["PREFECT_HOME"] == f"{tmp_path}/prefect"
    assert variables["PREFECT_SERVER_UI_STATIC_DIRECTORY"] == f"{tmp_path}/prefect/ui"
    assert (
        variables["PREFECT_SERVER_DATABASE_CONNECTION_URL"]
        == f"sqlite+aiosqlite:///{tmp_path}/prefect/prefect.db"
    )


def test_two_desks_do_not_see_each_other(tmp_path: Path) -> None:
    first = prefect_environment(Settings(home=tmp_path / "one", prefect_port=4200))
    other = prefect_environment(Settings(home=tmp_path / "other", prefect_port=4300))

    for name in ("PREFECT_HOME", "PREFECT_API_URL", "PREFECT_SERVER_DATABASE_CONNECTION_URL"):
        assert first[name] != other[name]


def test_nothing_is_reported_home(tmp_path: Path) -> None:
    variables = prefect_environment(Settings(home=tmp_path))

    assert variables["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert variables["DO_NOT_TRACK"] == "1"


@pytest.mark.parametrize(
    "spelling",
    ["PREFECT_SERVER_DATABASE_CONNECTION_URL", "PREFECT_API_DATABASE_CONNECTION_URL"],
)
def test_the_operators_database_is_kept_in_either_spelling(
    spelling: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(spelling, "postgresql+asyncpg://db/prefect")

    variables = prefect_environment(Settings(home=tmp_path))

    assert variables["PREFECT_SERVER_DATABASE_CONNECTION_URL"] == "postgresql+asyncpg://db/prefect"


def test_the_operators_api_url_is_kept_and_the_home_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://prefect:4200/api")
    monkeypatch.setenv("PREFECT_HOME", "/elsewhere")

    variables = prefect_environment(Settings(home=tmp_path))

    assert variables["PREFECT_API_URL"] == "http://prefect:4200/api"
    assert variables["PREFECT_HOME"] == f"{tmp_path}/prefect"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:4300/api"),
        ("0.0.0.0", "http://127.0.0.1:4300/api"),  # noqa: S104 - the case under test
        ("::", "http://[::1]:4300/api"),
        ("desk.example", "http://desk.example:4300/api"),
    ],
)
def test_a_server_on_all_addresses_is_called_on_the_loopback(
    host: str, url: str, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path, prefect_host=host, prefect_port=4300)

    assert prefect_api_url(settings) == url


# -- who may ask the server ----------------------------------------------------------------------

ORIGINS = "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS"
ANYWHERE = "0.0.0.0"  # noqa: S104 - the case under test


def test_only_the_desks_own_pages_may_ask_its_server(tmp_path: Path) -> None:
    variables = prefect_environment(Settings(home=tmp_path, prefect_port=4300))

    assert variables[ORIGINS] == "http://127.0.0.1:4300,http://localhost:4300"


def test_the_names_by_which_people_reach_the_server_are_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://prefect:4200/api")
    public = Settings(home=tmp_path, public_prefect_url="https://runs.example/")

    variables = prefect_environment(public)

    assert variables["PREFECT_SERVER_UI_API_URL"] == "https://runs.example/api"
    assert variables[ORIGINS].split(",")[2:] == ["http://prefect:4200", "https://runs.example"]


@pytest.mark.parametrize("spelling", [ORIGINS, "PREFECT_SERVER_CORS_ALLOWED_ORIGINS"])
def test_the_operators_origins_are_kept_in_either_spelling(
    spelling: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(spelling, "https://runs.example")

    assert prefect_environment(Settings(home=tmp_path))[ORIGINS] == "https://runs.example"


@pytest.mark.parametrize("given", ["PREFECT_SERVER_API_AUTH_STRING", "PREFECT_API_AUTH_STRING"])
def test_server_and_clients_of_one_desk_share_their_password(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(given, "desk:secret")

    variables = prefect_environment(Settings(home=tmp_path))

    assert variables["PREFECT_SERVER_API_AUTH_STRING"] == "desk:secret"
    assert variables["PREFECT_API_AUTH_STRING"] == "desk:secret"


def test_a_server_that_others_reach_needs_a_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_guarded(Settings(home=tmp_path, prefect_host="127.0.0.1"))
    with pytest.raises(ContractViolationError, match="PREFECT_SERVER_API_AUTH_STRING"):
        require_guarded(Settings(home=tmp_path, prefect_host=ANYWHERE))

    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "desk:secret")
    require_guarded(Settings(home=tmp_path, prefect_host=ANYWHERE))


def test_prefect_knows_every_setting_and_reads_its_value(tmp_path: Path) -> None:
    """A name that Prefect does not know would be passed over in silence."""
    defaults = {"PATH": os.environ["PATH"], "PREFECT_HOME": str(tmp_path)}
    told = prefect_environment(Settings(home=tmp_path))

    known = variables_of_prefect(defaults)
    read = variables_of_prefect(defaults | told)

    changed = {name for name in known if read[name] != known[name]}
    ours = {name for name in told if name.startswith("PREFECT_SERVER_SERVICES_")}
    assert ours
    assert ours <= changed


@pytest.mark.parametrize("spelling", ["PREFECT_SERVER_SERVICES", "PREFECT_API_SERVICES"])
def test_the_operators_loops_are_kept_in_either_spelling(
    spelling: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{spelling}_LATE_RUNS_LOOP_SECONDS", "7")

    variables = prefect_environment(Settings(home=tmp_path))

    assert variables["PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS"] == "7"


def variables_of_prefect(environment: dict[str, str]) -> dict[str, str]:
    """The settings that Prefect reads from an environment, by the names of their variables."""
    asked = (
        "import json; from prefect.settings import get_current_settings;"
        "print(json.dumps(get_current_settings().to_environment_variables()))"
    )
    told = subprocess.run(
        [sys.executable, "-c", asked], env=environment, capture_output=True, text=True, check=True
    )
    found: dict[str, str] = json.loads(told.stdout)
    return found


def test_servers_share_through_redis_what_one_keeps_in_memory(tmp_path: Path) -> None:
    url = "redis://redis:6379/0"
    defaults = {"PATH": os.environ["PATH"], "PREFECT_HOME": str(tmp_path)}
    alone = prefect_environment(Settings(home=tmp_path))
    told = prefect_environment(Settings(home=tmp_path, prefect_redis_url=url))

    without, read = variables_of_prefect(defaults | alone), variables_of_prefect(defaults | told)

    assert read["PREFECT_SERVER_DOCKET_URL"] == url
    changed = {name for name in read if read[name] != without.get(name)}
    shared = set(told) - set(alone) - {"PREFECT_REDIS_MESSAGING_URL"}  # that one is the package's
    assert shared == changed


def test_a_server_without_services_leaves_the_database_to_the_other(tmp_path: Path) -> None:
    url = "redis://redis:6379/0"
    desk = Settings(home=tmp_path, prefect_services=False, prefect_redis_url=url)

    require_services(desk)

    assert prefect_environment(desk)["PREFECT_SERVER_DATABASE_MIGRATE_ON_START"] == "false"


def test_a_server_without_services_takes_no_task_of_the_one_that_has_them(tmp_path: Path) -> None:
    defaults = {"PATH": os.environ["PATH"], "PREFECT_HOME": str(tmp_path)}
    one = Settings(home=tmp_path, prefect_redis_url="redis://redis:6379/0")
    other = one.model_copy(update={"prefect_services": False})

    read = [variables_of_prefect(defaults | prefect_environment(desk)) for desk in (one, other)]

    assert read[0].get("PREFECT_SERVER_DOCKET_NAME") != read[1].get("PREFECT_SERVER_DOCKET_NAME")


def test_a_server_without_services_and_without_redis_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractViolationError, match="CREDIT_DESK_PREFECT_REDIS_URL"):
        require_services(Settings(home=tmp_path, prefect_services=False))


def test_redis_without_its_package_names_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prefect_redis", None)  # as if it were not installed

    with pytest.raises(ContractViolationError, match=r"pip install 'credit-desk-lite\[redis\]'"):
        require_services(Settings(home=tmp_path, prefect_redis_url="redis://redis:6379/0"))
