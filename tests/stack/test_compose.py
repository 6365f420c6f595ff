"""docker-compose.yml: what it starts, what it asks for, and that compose reads it so too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from data.settings import Settings
from tests.desk import ROOT
from tests.stack.compose import (
    COMPOSE,
    SECRETS,
    SERVICES,
    command,
    compose,
    environment,
    filled_in,
    started,
)

DESK = {
    *("postgres", "redis", "prefect-database", "prefect", "prefect-services"),
    *("deploy", "worker", "api"),
}
TRACES = {"otel-collector", "jaeger"}
DOCKERFILE = (ROOT / "Dockerfile").read_text()
ENV_EXAMPLE = dict(
    re.findall(r"^([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
)
"""The variables that `.env.example` sets: those of compose. The desk's own are comments."""


@pytest.mark.parametrize("missing", SECRETS)
def test_no_password_has_a_default(missing: str) -> None:
    given = {name: value for name, value in SECRETS.items() if name != missing}
    asking = [name for name, service in SERVICES.items() if missing in str(service)]

    assert asking
    for service in asking:
        with pytest.raises(KeyError, match=missing):
            filled_in(str(SERVICES[service]), given)


@pytest.mark.parametrize("missing", SECRETS)
def test_compose_names_the_password_that_is_missing_and_where_it_belongs(missing: str) -> None:
    told = compose("config", "--quiet", given=SECRETS | {missing: ""})

    assert told.returncode != 0
    assert missing in told.stderr
    assert "set it in .env" in told.stderr


def test_compose_reads_the_file_as_these_tests_do() -> None:
    read = compose("config")

    assert read.returncode == 0, read.stderr
    services = yaml.safe_load(read.stdout)["services"]
    assert set(services) <= set(SERVICES)
    assert set(services) >= DESK
    for name, service in services.items():
        found = {key: str(value) for key, value in (service.get("environment") or {}).items()}
        assert found == environment(name), name
        assert list(service.get("command") or ()) == command(name), name


def test_up_starts_the_whole_stack_and_the_profile_desk_starts_the_desk_alone() -> None:
    # An option --profile takes the place of COMPOSE_PROFILES: with `desk`, `traces` is off.
    assert started(ENV_EXAMPLE["COMPOSE_PROFILES"].split(",")) == DESK | TRACES
    assert started(["desk"]) == DESK


def test_no_service_of_the_desk_waits_for_one_that_a_profile_leaves_out() -> None:
    for name in DESK:
        assert set(SERVICES[name].get("depends_on", {})) <= DESK, name


def test_the_example_of_env_asks_for_every_password_and_gives_none() -> None:
    assert {name: ENV_EXAMPLE[name] for name in SECRETS} == dict.fromkeys(SECRETS, "")


def test_every_variable_of_compose_is_in_the_example_of_env() -> None:
    used = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text()))
    example = set(re.findall(r"^#? ?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))

    assert used <= example


def test_every_role_knows_where_people_look_at_traces_and_at_their_spans() -> None:
    urls = {
        "CREDIT_DESK_TRACE_URL": "https://traces.example/{trace_id}",
        "CREDIT_DESK_SPAN_URL": "https://traces.example/{trace_id}/{span_id}",
    }

    for name in ("worker", "api", "deploy"):
        assert urls.items() <= environment(name, SECRETS | urls).items(), name


def test_the_services_run_these_commands_on_this_machine_s_ports_only() -> None:
    ours = {
        name: command(name)
        for name, service in SERVICES.items()
        if service["image"] == "credit-desk-lite"
    }

    assert ours == {
        "prefect-services": ["server"],
        "prefect": ["server"],
        "deploy": ["deploy"],
        "worker": ["worker"],
        "api": ["api"],
    }
    published = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert "127.0.0.1:16686:16686" in published
    assert all(port.startswith("127.0.0.1:") for port in published)
    assert environment("api")["CREDIT_DESK_API_KEYS_FILE"]
    assert environment("worker")["CREDIT_DESK_API_KEYS_FILE"]


def test_one_server_of_prefect_has_the_services_and_the_other_is_published() -> None:
    shared = COMPOSE["x-prefect"]

    assert shared == SERVICES["prefect-services"]["environment"]
    assert shared.items() <= SERVICES["prefect"]["environment"].items()
    assert environment("prefect")["CREDIT_DESK_PREFECT_SERVICES"] == "false"
    assert "ports" not in SERVICES["prefect-services"]


def test_every_image_is_one_exact_version() -> None:
    images = {service["image"] for service in SERVICES.values()} - {"credit-desk-lite"}
    base = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)

    for image in [*images, *base]:
        assert re.search(r":\d+\.\d+(\.\d+)?(-slim)?$", image), image


def test_health_is_waited_for_only_where_a_service_is_checked() -> None:
    for name, service in SERVICES.items():
        for other, wish in service.get("depends_on", {}).items():
            if wish["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other], f"{name} waits for {other}"


def test_each_service_that_listens_is_checked_or_its_health_can_be_asked_from_outside() -> None:
    silent = {"prefect-database", "deploy", "worker"}
    checked = {name for name, service in SERVICES.items() if "healthcheck" in service}

    assert set(SERVICES) - silent - checked == {"otel-collector"}
    assert "127.0.0.1:13133:13133" in SERVICES["otel-collector"]["ports"]


def test_what_the_api_takes_or_makes_lies_where_the_worker_reads_it() -> None:
    home = Path("/desk")
    desk = Settings(home=home)
    shared = set(SERVICES["worker"]["volumes"])
    (made,) = re.findall(r"install --directory --owner desk (.*)$", DOCKERFILE, re.MULTILINE)

    assert shared == {
        f"uploads:{home / 'uploads'}",
        f"inbox:{desk.inbox}",
        f"watchlists:{desk.imported_watchlists}",
        f"parties:{desk.parties_secret.parent}",
    }
    assert shared < set(SERVICES["api"]["volumes"])
    # A new volume belongs to the owner of the image's folder, and to root where there is none.
    assert {volume.partition(":")[2] for volume in shared} < set(made.split())


def test_every_volume_that_is_mounted_is_declared_and_the_others_are_files_of_ours() -> None:
    mounted = {
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", ())
    }
    files = {name for name in mounted if name.startswith("./")}

    assert mounted - files == set(COMPOSE["volumes"])
    assert all((ROOT / name).is_file() for name in files)
