"""`GET /metrics`: what the ledger says, in both formats, for those who may read it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import Metric as Family
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from api.hub import Hub
from api.metrics import MetricsPage
from data.contracts.events import EventType
from data.contracts.review import Role
from data.metrics import LEASES_LOST, METRICS, STAGE_DURATION
from flows.runtime.ledger import figures, journal, tables
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.figures import Observation
from flows.runtime.ledger.journal import Draft
from tests.api.desks import RUN_ID, FakeDesk
from tests.api.journals import a_run
from tests.api.security.conftest import Guarded, guarded

__all__ = ["guarded"]

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
LOST = Observation(LEASES_LOST)


def parsed(text: str) -> list[Family]:
    families: Callable[[str], Iterable[Family]] = openmetrics
    return list(families(text))


def sample(families: list[Family], name: str, **labels: str) -> Any:
    """The one sample of that name with exactly these labels."""
    (found,) = [
        sample
        for family in families
        for sample in family.samples
        if sample.name == name and sample.labels == labels
    ]
    return found


async def completed(ledger: Ledger, *seconds: float, trace_id: str = TRACE) -> None:
    """A run whose stages took so long."""
    await a_run(ledger)
    drafts = [
        Draft(
            key=f"completed/{number}",
            type=EventType.STAGE_COMPLETED,
            phase="policy",
            message="Completed policy",
            progress=0.1,
            meta={"seconds": taken},
            trace_id=trace_id,
            span_id=SPAN,
        )
        for number, taken in enumerate(seconds)
    ]
    await ledger.write(journal.append, RUN_ID, drafts)


async def test_both_formats_hold_every_metric_and_say_the_same(
    client: httpx.AsyncClient, ledger: Ledger
) -> None:
    await completed(ledger, 0.02, 0.03, 400.0)

    text = await client.get("/metrics")
    marked = await client.get("/metrics", headers={"Accept": OPENMETRICS})

    assert text.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert marked.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    for families in (list(prometheus(text.text)), parsed(marked.text)):
        assert [family.name for family in families] == [m.prometheus_name for m in METRICS]
        name = STAGE_DURATION.prometheus_name
        below = {
            sample.labels["le"]: sample.value
            for family in families
            for sample in family.samples
            if sample.name == f"{name}_bucket"
        }
        assert (below["0.01"], below["0.025"], below["0.05"]) == (0, 1, 2)
        assert (below["300.0"], below["+Inf"]) == (2, 3)
        assert sample(families, f"{name}_count", stage="policy").value == 3
        assert sample(families, f"{name}_sum", stage="policy").value == pytest.approx(400.05)


async def test_exemplars_name_the_trace_of_the_newest_value_of_a_bucket(
    client: httpx.AsyncClient, ledger: Ledger
) -> None:
    await completed(ledger, 0.02, 0.024)

    answer = await client.get("/metrics", headers={"Accept": OPENMETRICS})

    found = parsed(answer.text)
    bucket = sample(found, f"{STAGE_DURATION.prometheus_name}_bucket", stage="policy", le="0.025")
    assert bucket.exemplar.labels == {"trace_id": TRACE, "span_id": SPAN}
    assert bucket.exemplar.value == 0.024


async def test_what_happened_outside_of_any_trace_has_no_exemplar(
    client: httpx.AsyncClient, ledger: Ledger
) -> None:
    await completed(ledger, 0.02, trace_id="0" * 32)

    answer = await client.get("/metrics", headers={"Accept": OPENMETRICS})

    assert "trace_id" not in answer.text


async def test_a_counter_is_nought_before_it_is_counted(client: httpx.AsyncClient) -> None:
    families = list(prometheus((await client.get("/metrics")).text))

    ended = "credit_desk_runs_ended_total"
    assert {sample(families, ended, status=s).value for s in ("completed", "failed")} == {0}
    assert sample(families, "credit_desk_leases_lost_total").value == 0


async def test_what_an_earlier_version_counted_is_neither_lost_nor_an_error(
    client: httpx.AsyncClient, ledger: Ledger
) -> None:
    """Other bounds then, and a metric that there is no more."""
    await completed(ledger, 0.02)
    other = tables.figures.update().values(bound=0.033)
    await ledger.write(lambda connection: connection.execute(other))
    await ledger.write(figures.observe, [LOST])
    gone = tables.figures.update().where(tables.figures.c.metric == LEASES_LOST.name)
    await ledger.write(lambda connection: connection.execute(gone.values(metric="gone")))

    families = list(prometheus((await client.get("/metrics")).text))

    bucket = f"{STAGE_DURATION.prometheus_name}_bucket"
    assert sample(families, bucket, stage="policy", le="0.025").value == 0
    assert sample(families, bucket, stage="policy", le="0.05").value == 1
    assert "gone" not in {family.name for family in families}


async def test_an_open_stream_is_counted_until_its_client_leaves(
    client: httpx.AsyncClient, desk: FakeDesk, ledger: Ledger
) -> None:
    await completed(ledger, 0.02)
    async with Hub(desk) as hub:
        page = MetricsPage(ledger, hub)

        async def clients() -> float:
            text, _ = await page.render("")
            return float(sample(list(prometheus(text.decode())), "credit_desk_sse_clients").value)

        streams = [hub.follow(RUN_ID) for _ in range(3)]
        for stream in streams:
            await anext(stream)
        assert await clients() == 3

        await streams[0].aclose()

        assert await clients() == 2
        for stream in streams[1:]:
            await stream.aclose()


async def test_many_scrapes_within_a_second_read_the_ledger_once(
    client: httpx.AsyncClient, ledger: Ledger
) -> None:
    before = (await client.get("/metrics")).text
    await ledger.write(figures.observe, [LOST])

    assert (await client.get("/metrics")).text == before


async def test_without_the_ledger_a_scrape_is_refused_and_says_when_to_come_back(
    client: httpx.AsyncClient, ledger: Ledger
) -> None:
    await ledger.write(tables.figures.drop)

    answer = await client.get("/metrics")

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "retry-after" in answer.headers


async def test_with_keys_operators_alone_may_scrape(guarded: Guarded) -> None:
    statuses = {
        role: (await guarded.get("/metrics", guarded.key(role.value))).status_code for role in Role
    }

    assert statuses == {role: 200 if role is Role.OPERATOR else 403 for role in Role}
    assert (await guarded.get("/metrics")).status_code == 401


async def test_without_keys_only_this_machine_may_scrape(client: httpx.AsyncClient) -> None:
    elsewhere = await client.get("/metrics", headers={"Host": "desk.example"})

    assert (await client.get("/metrics")).status_code == 200
    assert elsewhere.status_code == 403


def test_no_label_can_have_as_many_values_as_there_are_runs(tmp_path: Path) -> None:
    labels = {label for metric in METRICS for label in metric.labels}

    assert labels == {
        *("agent", "attribute", "gate", "model", "outcome", "stage", "status"),
        *("canary", "arm", "state"),  # of the newest canary: a scrape shows one id
        *("gen_ai.request.model", "gen_ai.token.type"),
    }
