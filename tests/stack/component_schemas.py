"""Which components of a collector take which fields, as their published schemas say.

From the files `metadata.yaml` and `config.schema.yaml` of each component in the repositories
open-telemetry/opentelemetry-collector, its -contrib and jaegertracing/jaeger. Here are only the
components that the stack uses, with a choice of their fields. Add what is missing from there.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
"""Fields by name. None: any plain value. A list: many of its one entry. `*`: any name."""


def _plain(*names: str) -> Schema:
    return dict.fromkeys(names)


_ENDPOINT = _plain("endpoint")
_TLS = _plain("insecure", "insecure_skip_verify", "ca_file", "cert_file")
_QUEUE = _plain("enabled", "num_consumers", "queue_size", "sizer")
_RETRY = _plain("enabled", "initial_interval", "max_interval", "max_elapsed_time")
_OTLP: Schema = {"protocols": {"grpc": _ENDPOINT, "http": _ENDPOINT}}
_BATCH = _plain("timeout", "send_batch_size", "send_batch_max_size", "metadata_keys")
_DIMENSIONS: list[Schema] = [{"name": None, "default": None, "glob": None}]

CONTRIB: dict[str, dict[str, Schema]] = {
    "receivers": {"otlp": _OTLP},
    "processors": {
        "batch": _BATCH,
        "memory_limiter": _plain(
            *("check_interval", "limit_mib", "spike_limit_mib"),
            *("limit_percentage", "spike_limit_percentage"),
        ),
    },
    "connectors": {
        "spanmetrics": {
            "namespace": None,
            "histogram": {
                "disable": None,
                "unit": None,
                "explicit": {"buckets": [None]},
                "exponential": {"max_size": None},
                "dimensions": _DIMENSIONS,
            },
            "dimensions": _DIMENSIONS,
            "calls_dimensions": _DIMENSIONS,
            "exclude_dimensions": [None],
            "exemplars": {"enabled": None, "max_per_data_point": None},
            "events": {"enabled": None, "dimensions": _DIMENSIONS},
            "aggregation_cardinality_limit": None,
            "aggregation_temporality": None,
            "metrics_flush_interval": None,
            "metrics_expiration": None,
            "series_expiration": None,
            "resource_metrics_key_attributes": [None],
        },
    },
    "exporters": {
        "otlp_grpc": {
            "endpoint": None,
            "tls": _TLS,
            "headers": {"*": None},
            "compression": None,
            "timeout": None,
            "sending_queue": _QUEUE,
            "retry_on_failure": _RETRY,
        },
        "prometheus": {
            "endpoint": None,
            "namespace": None,
            "const_labels": {"*": None},
            "enable_open_metrics": None,
            "send_timestamps": None,
            "metric_expiration": None,
            "translation_strategy": None,
            "resource_constant_labels": {"enabled": None, "clear_after_copy": None},
            "without_scope_info": None,
        },
        # Called azure_monitor in later versions, which still take this name.
        "azuremonitor": {
            "connection_string": None,
            "maxbatchsize": None,
            "maxbatchinterval": None,
            "spaneventsenabled": None,
            "custom_events_enabled": None,
            "exception_events_enabled": None,
            "shutdown_timeout": None,
            "sending_queue": _QUEUE,
        },
    },
    "extensions": {"health_check": {"endpoint": None, "path": None}},
}

JAEGER: dict[str, dict[str, Schema]] = {
    "receivers": {"otlp": _OTLP},
    "processors": {"batch": _BATCH},
    "connectors": {},
    "exporters": {"jaeger_storage_exporter": {"trace_storage": None, "queue": _QUEUE}},
    "extensions": {
        "healthcheckv2": {"use_v2": None, "http": _ENDPOINT, "grpc": _ENDPOINT},
        "jaeger_query": {
            "storage": {"traces": None, "traces_archive": None, "metrics": None},
            "base_path": None,
            "ui": {"config_file": None, "log_access": None},
            "http": _ENDPOINT,
            "grpc": _ENDPOINT,
        },
        "jaeger_storage": {
            "backends": {
                "*": {
                    "memory": {"max_traces": None},
                    "badger": {
                        "ephemeral": None,
                        "directories": {"keys": None, "values": None},
                        "ttl": {"spans": None},
                        "consistency": None,
                        "maintenance_interval": None,
                        "metrics_update_interval": None,
                        "read_only": None,
                    },
                }
            }
        },
    },
}


def unknown_fields(value: Any, schema: Any, path: str) -> list[str]:
    """The paths of everything that a schema does not know."""
    match value, schema:
        case None, _:
            return []
        case dict(), dict():
            return [
                found
                for name, inner in value.items()
                for found in (
                    unknown_fields(inner, schema.get(name, schema.get("*")), f"{path}.{name}")
                    if name in schema or "*" in schema
                    else [f"{path}.{name}"]
                )
            ]
        case list(), [entry]:
            return [found for inner in value for found in unknown_fields(inner, entry, path)]
        case dict() | list(), _:
            return [path]
        case _:
            return [] if schema is None else [path]
