"""Examples for the OpenAPI page. The applicant is one of the synthetic ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import data
from data.contracts.application import Application
from data.contracts.base import sha256_of
from data.contracts.personal import masked

_RUN_ID = "8b0e6f0c-2f1d-4a55-9d0a-0d6f1f1b2c3d"
_CASE = json.loads((Path(data.__file__).parent / "synthetic" / "ada-prime.json").read_bytes())

# Other ids than the shipped ones: the desk refuses other content under an id that it knows.
_APPLICATION: dict[str, Any] = _CASE["application"] | {"application_id": "ada-example"}
_BUNDLE: dict[str, Any] = {
    "application": _CASE["application"] | {"application_id": "ada-example-bundle"},
    "documents": _CASE["documents"][:2],
    "bureau_report": _CASE["bureau_report"],
    "fraud_signals": _CASE["fraud_signals"],
}
_OFFER = {
    "amount": "10000.00",
    "term_months": 36,
    "rate": "0.0849",
    "apr": "0.091762",
    "payment": "315.63",
    "final_payment": "315.59",
    "fee": "100.00",
    "finance_charge": "1462.68",
    "total_of_payments": "11362.68",
    "grade": "A",
    "expires_on": "2026-12-02",
}
_CONTENT: dict[str, Any] = {
    "schema_version": 1,
    "inputs_sha256": "35a0b7742b968cff69d62dc767cc6772f2e8b5a0ed14c9634e3ae5cd404bac83",
    "as_of_date": "2026-11-02",
    "versions": {
        "workflow": "1",
        "policy": "personal-loan/2026.11.3/3015113698b6",
        "scorecard": "scorecard/2.0.0",
        "challenger": "challenger/2.0.0",
        "price_table": "personal-loan-prices/2026-11-15",
        "authority": "credit-authority/2026-11-01",
        "watchlist": "synthetic-sanctions/2026-10-26",
        "code": "0.1.0",
    },
    "requested": {"product": "personal_loan", "amount": "10000.00", "term_months": 36},
    "recommendation": "approve",
    "outcome": "approve",
    "pd": "0.009802",
    "grade": "A",
    "dti_after": "0.24106",
    "rule_results": [
        {
            "rule_id": "sanctions-true-match",
            "rule_version": 1,
            "status": "not_hit",
            "outcome": "decline",
            "severity": "hard",
            "reason": "X_SANCTIONS_MATCH",
            "inputs": {"watchlist_status": "clear"},
        }
    ],
    "principal_reasons": [],
    "offer": _OFFER,
    "alternatives": [],
    "conditions": [],
    "rulings": [],
    "score_disclosure": {
        "value": 785,
        "model": "Meridian Risk 4",
        "range_min": 300,
        "range_max": 850,
        "scored_on": "2026-11-02",
        "provider": "Meridian Credit Bureau",
        "factors": [{"code": "14", "text": "Length of time accounts have been established"}],
    },
    "memo": "## Decision\n\nThe policy recommends: approve.\nOutcome: **approve**.\n",
}
_DECISION: dict[str, Any] = {
    "decision_id": "3f1a3c52-7c57-5d1b-9a52-0f3a7a0c5f11",
    "run_id": _RUN_ID,
    "application_id": "ada-prime",
    "decided_at": "2026-11-22T08:23:16.402000Z",
    "content": _CONTENT,
    "content_sha256": sha256_of(_CONTENT),
}
_RUN: dict[str, Any] = {
    "run_id": _RUN_ID,
    "application_id": "ada-prime",
    "status": "completed",
    "phase": "decision",
    "progress": 1.0,
    "decision": {
        "recommendation": "approve",
        "outcome": "approve",
        "reasons": [],
        "offer": _OFFER,
        "content_sha256": _DECISION["content_sha256"],
        "what_if": False,
    },
    "waiting_for": None,
    "error": None,
    "versions": {"workflow": "1", "policy": "personal-loan/2026.11.3/3015113698b6"},
    "workflow_version": "1",
    "lineage": None,
    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    "legal_hold": False,
    "created_at": "2026-11-22T08:23:14.123000Z",
    "updated_at": "2026-11-22T08:23:16.402000Z",
    "links": {
        "self": f"http://127.0.0.1:8000/runs/{_RUN_ID}",
        "events": f"http://127.0.0.1:8000/runs/{_RUN_ID}/events",
        "state": f"http://127.0.0.1:8000/runs/{_RUN_ID}/state",
        "graph": f"http://127.0.0.1:8000/workflow/graph.svg?run_id={_RUN_ID}",
        "trace": "http://localhost:16686/trace/4bf92f3577b34da6a3ce929d0e0e4736",
        "span": ("http://localhost:16686/trace/4bf92f3577b34da6a3ce929d0e0e4736?uiFind={span_id}"),
        "prefect": "http://127.0.0.1:4200/runs/flow-run/0d6f1f1b-2c3d-4a55-9d0a-8b0e6f0c2f1d",
        "decision": f"http://127.0.0.1:8000/runs/{_RUN_ID}/decision",
    },
}

OF_SCHEMAS: dict[str, dict[str, Any]] = {
    "Application": _APPLICATION,
    "CaseFile": _BUNDLE,
    "RunSummary": _RUN,
    "DecisionRecord": _DECISION,
    "RunDecision": _RUN["decision"],
    "ApplicationView": masked(Application.model_validate(_CASE["application"])),
}
"""An example for each of these schemas."""

OF_START: dict[str, dict[str, Any]] = {
    "on file": {
        "summary": "An application on file, such as a synthetic one",
        "value": {"application_id": "ada-prime"},
    },
    "copy": {
        "summary": "A copy of an application on file, under another id",
        "value": {"application_id": "bora-borderline", "options": {"as": "bora-once-more"}},
    },
    "application": {
        "summary": "An application alone",
        "value": {"application": _APPLICATION},
    },
    "bundle": {
        "summary": "An application with documents, bureau report and fraud signals",
        "value": {"application": _BUNDLE},
    },
}
"""Examples of the body of `POST /runs`."""
