"""The pipelines of the stack: collector and Jaeger would start with these files, and fit together.

Neither program is in a package index, so their rules are here: a pipeline names only what is
defined, nothing is defined in vain, and every component and field is one that the program knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.desk import ROOT
from tests.stack.component_schemas import CONTRIB, JAEGER, Schema, unknown_fields
from tests.stack.compose import SERVICES, environment

COLLECTOR_TEXT = (ROOT / "otel-collector.yaml").read_text()
COLLECTOR: dict[str, Any] = yaml.safe_load(COLLECTOR_TEXT)
_SIGN = re.compile(r"^( *)# (azuremonitor:|  connection_string:|- azuremonitor)", re.MULTILINE)
TO_AZURE: dict[str, Any] = yaml.safe_load(_SIGN.sub(r"\1\2", COLLECTOR_TEXT))
"""The same without the comment signs in front of the exporter to Azure Monitor."""
JAEGER_CONFIG: dict[str, Any] = yaml.safe_load(environment("jaeger")["JAEGER_CONFIG"])
KINDS = ("receivers", "processors", "exporters", "connectors", "extensions")


def problems(config: dict[str, Any], known: dict[str, dict[str, Schema]]) -> list[str]:
    """What keeps a collector from starting with this configuration, or is of no use in it."""
    return [
        *(f"no such section: {name}" for name in config if name not in {*KINDS, "service"}),
        *_of_components(config, known),
        *_of_references(config),
    ]


def _of_components(config: dict[str, Any], known: dict[str, dict[str, Schema]]) -> Iterator[str]:
    for kind in KINDS:
        for name, fields in (config.get(kind) or {}).items():
            schema = known[kind].get(name.partition("/")[0])
            if schema is None:
                yield f"no such component: {kind}.{name}"
            else:
                unknown = unknown_fields(fields, schema, f"{kind}.{name}")
                yield from (f"no such field: {field}" for field in unknown)


def _of_references(config: dict[str, Any]) -> Iterator[str]:
    named: dict[str, set[str]] = {kind: set() for kind in KINDS}
    named["extensions"] = set(config["service"].get("extensions", ()))
    connected: dict[str, set[str]] = {"receivers": set(), "exporters": set()}
    connectors = set(config.get("connectors") or {})
    for pipeline, parts in config["service"]["pipelines"].items():
        if pipeline.partition("/")[0] not in {"traces", "metrics", "logs"}:
            yield f"no such signal: {pipeline}"
        for kind, names in parts.items():
            named[kind] |= set(names) - (connectors if kind != "processors" else set())
            if kind in connected:
                connected[kind] |= set(names) & connectors
    for kind in KINDS:
        defined = set(config.get(kind) or {})
        if kind == "connectors":
            yield from (f"one end only: {name}" for name in connected["receivers"] ^ defined)
            yield from (f"one end only: {name}" for name in connected["exporters"] ^ defined)
            continue
        yield from (f"not defined: {kind}.{name}" for name in named[kind] - defined)
        yield from (f"not used: {kind}.{name}" for name in defined - named[kind])


@pytest.mark.parametrize(
    ("config", "known"),
    [(COLLECTOR, CONTRIB), (TO_AZURE, CONTRIB), (JAEGER_CONFIG, JAEGER)],
    ids=["collector", "collector with Azure Monitor", "Jaeger"],
)
def test_a_configuration_names_what_is_there_and_nothing_in_vain(
    config: dict[str, Any], known: dict[str, dict[str, Schema]]
) -> None:
    assert problems(config, known) == []


def _edited(section: str, name: str, value: Any) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load(COLLECTOR_TEXT)
    config[section][name] = value
    return config


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (_edited("exporters", "debug", None), "no such component: exporters.debug"),
        (_edited("processors", "batch/other", None), "not used: processors.batch/other"),
        (_edited("processors", "batch", {"time": "1s"}), "no such field: processors.batch.time"),
        (_edited("connectors", "spanmetrics/other", None), "one end only: spanmetrics/other"),
        (
            _edited("receivers", "otlp", {"protocols": {"udp": None}}),
            "no such field: receivers.otlp.protocols.udp",
        ),
        (
            _edited("service", "pipelines", {"traces": {"receivers": ["zipkin"]}}),
            "not defined: receivers.zipkin",
        ),
    ],
)
def test_a_mistake_in_a_configuration_would_be_noticed(
    config: dict[str, Any], problem: str
) -> None:
    assert problem in problems(config, CONTRIB)


def test_azure_monitor_needs_only_its_comment_signs_taken_off() -> None:
    pipelines = TO_AZURE["service"]["pipelines"]

    assert "azuremonitor" in TO_AZURE["exporters"]
    assert all("azuremonitor" in pipelines[name]["exporters"] for name in ("traces", "metrics"))
    used = set(re.findall(r"\$\{env:(\w+)\}", COLLECTOR_TEXT))
    assert used <= set(environment("otel-collector"))


def test_every_pipeline_limits_its_memory_first_and_what_leaves_the_collector_is_batched() -> None:
    for name, pipeline in COLLECTOR["service"]["pipelines"].items():
        assert pipeline["processors"][0] == "memory_limiter", name
        if "spanmetrics" not in pipeline["exporters"]:
            assert pipeline["processors"][-1] == "batch", name


def test_a_span_finds_its_way_from_the_desk_to_jaeger_and_its_page() -> None:
    desk = environment("worker")["OTLP_ENDPOINT"]
    http = COLLECTOR["receivers"]["otlp"]["protocols"]["http"]["endpoint"]
    sent = COLLECTOR["exporters"]["otlp_grpc/jaeger"]["endpoint"]
    taken = JAEGER_CONFIG["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"]
    page = JAEGER_CONFIG["extensions"]["jaeger_query"]["http"]["endpoint"]

    assert desk == f"http://otel-collector:{http.rpartition(':')[2]}"
    assert sent == f"jaeger:{taken.rpartition(':')[2]}"
    assert f"127.0.0.1:{page.rpartition(':')[2]}:16686" in SERVICES["jaeger"]["ports"]


def test_jaeger_writes_reads_and_keeps_traces_on_its_volume() -> None:
    extensions = JAEGER_CONFIG["extensions"]
    written = JAEGER_CONFIG["exporters"]["jaeger_storage_exporter"]["trace_storage"]
    backend = extensions["jaeger_storage"]["backends"][written]["badger"]
    (volume,) = SERVICES["jaeger"]["volumes"]

    assert extensions["jaeger_query"]["storage"]["traces"] == written
    assert backend["ephemeral"] is False
    folder = volume.partition(":")[2]
    assert all(path.startswith(f"{folder}/") for path in backend["directories"].values())
