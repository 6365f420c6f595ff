"""Drift: the scheduled job that compares decisions of two periods, for a page and a metric."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from prefect import flow

from data.contracts.drift import DriftTerms
from data.contracts.errors import CreditDeskError
from data.settings import settings
from flows.drift_report import Periods, drift_report, measure
from flows.runtime.execution.flow_run import current_flow_run
from flows.runtime.ledger.database import shared_ledger
from flows.runtime.prefect_api import artifacts
from flows.runtime.prefect_api.client import prefect_client
from tools.modelling.drift_page import drift_page

PAGE = "drift"


@flow(name="drift", flow_run_name="drift", persist_result=False)
async def drift() -> dict[str, Any]:
    """Compare the last 30 days with the 90 days before, and what has matured with its forecast."""
    ledger = shared_ledger(settings().ledger)
    report = await ledger.read(drift_report, Periods.of(), DriftTerms())
    await ledger.write(measure, report)
    with suppress(CreditDeskError):  # the page is for people; the metric is in the ledger
        async with prefect_client() as client:
            page = drift_page(report)
            await artifacts.show_page(client, str(current_flow_run().id), PAGE, page)
    return report.model_dump(mode="json")
