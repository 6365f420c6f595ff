"""Where to look at a run: absolute addresses, for people who are told of it far from the desk."""

from __future__ import annotations

from data.settings import Settings
from flows.runtime.host import collector

_JAEGER = "http://localhost:16686/trace/{trace_id}"
_JAEGER_SPAN = _JAEGER + "?uiFind={span_id}"


def run_links(settings: Settings, run_id: str, flow_run_id: str) -> dict[str, str]:
    """Addresses of a run: in the Prefect UI (v2), at the API, and of its open request there."""
    run = f"{settings.api_url}/runs/{run_id}"
    return {
        "prefect": _prefect_page(settings, flow_run_id),
        "run": run,
        "request": f"{run}/hitl",
    }


def trace_links(settings: Settings, trace_id: str) -> dict[str, str]:
    """Where people look at a trace; in the address of a span, `{span_id}` stands for its id.

    Without templates of the settings it is Jaeger, while the collector answers; otherwise the
    addresses are empty, because they would lead nowhere.
    """
    if not trace_id:
        return {"trace": "", "span": ""}
    trace, span = settings.trace_url, settings.span_url
    if not trace and not span and collector.answers():
        trace, span = _JAEGER, _JAEGER_SPAN
    return {
        "trace": trace.format(trace_id=trace_id),
        "span": span.format(trace_id=trace_id, span_id="{span_id}"),
    }


def about_run(
    settings: Settings, run_id: str, flow_run_id: str, application_id: str
) -> dict[str, object]:
    """What a notification says of a run besides the request: ids and addresses only."""
    return {"application_id": application_id, "links": run_links(settings, run_id, flow_run_id)}


def batch_links(
    settings: Settings, batch_id: str, flow_run_id: str, trace_id: str
) -> dict[str, str]:
    """Addresses of a batch: at the API, its run in the Prefect UI, its trace and a span of it."""
    batch = f"{settings.api_url}/batches/{batch_id}"
    return trace_links(settings, trace_id) | {
        "self": batch,
        "events": f"{batch}/events",
        "decisions": f"{batch}/decisions",
        "rejects": f"{batch}/rejects",
        "prefect": _prefect_page(settings, flow_run_id),
    }


def _prefect_page(settings: Settings, flow_run_id: str) -> str:
    page = f"flow-run/{flow_run_id}" if flow_run_id else ""  # Prefect has not been told yet
    return f"{settings.prefect_url}/v2/runs/{page}"
