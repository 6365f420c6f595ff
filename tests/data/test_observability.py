"""The dashboard and the alert rules: valid PromQL over metrics and labels that exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import promql_parser as promql
import pytest
import yaml

from data.contracts.runs import RunStatus
from data.metrics import METRICS, Kind
from data.settings import Settings
from tests.desk import ROOT

OBSERVABILITY = ROOT / "data" / "observability"
DASHBOARD = json.loads((OBSERVABILITY / "dashboard.json").read_text())
GROUPS = yaml.safe_load((OBSERVABILITY / "alerts.yaml").read_text())["groups"]
RULES = {rule["alert"]: rule for group in GROUPS for rule in group["rules"]}
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
TARGET_LABELS = {"instance", "job"}
"""The labels that Prometheus itself gives to what it scrapes."""

_SHOWN = re.compile(r"\{\{\s*(?:\$labels\.)?([a-z_]+)\s*\}\}")
_ENDINGS = {
    Kind.GAUGE: ("",),
    Kind.COUNTER: ("_total",),
    Kind.HISTOGRAM: ("_bucket", "_sum", "_count"),
}

SERIES = {
    metric.prometheus_name + ending: {*metric.prometheus_labels, *TARGET_LABELS}
    | ({"le"} if ending == "_bucket" else set())
    for metric in METRICS
    for ending in _ENDINGS[metric.kind]
}
"""Every series of `GET /metrics` with its labels."""


@dataclass(frozen=True)
class Shown:
    """A query, and the text in which its labels are shown."""

    expr: str
    text: str


QUERIES = {
    **{
        f"panel {panel['title']} {target['refId']}": Shown(target["expr"], target["legendFormat"])
        for panel in PANELS
        for target in panel["targets"]
    },
    **{
        f"rule {name}": Shown(rule["expr"], rule["annotations"]["summary"])
        for name, rule in RULES.items()
    },
}


def parsed(expr: str) -> promql.Expr:
    """Grafana fills in its interval before Prometheus sees the query."""
    parsed: promql.Expr = promql.parse(expr.replace("$__rate_interval", "5m"))
    return parsed


def parts(expr: Any) -> Iterator[Any]:
    """A query and every query inside it."""
    yield expr
    match expr:
        case (
            promql.AggregateExpr() | promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr()
        ):
            inner = [expr.expr]
        case promql.BinaryExpr():
            inner = [expr.lhs, expr.rhs]
        case promql.Call():
            inner = expr.args
        case promql.MatrixSelector():
            inner = [expr.vector_selector]
        case promql.VectorSelector() | promql.NumberLiteral() | promql.StringLiteral():
            inner = []
        case _:
            raise AssertionError(f"a query of the kind {type(expr).__name__}")
    for part in inner:
        yield from parts(part)


def faults(query: Shown) -> Iterator[str]:
    """What a query names that no scrape has."""
    known: set[str] = set()
    grouped: set[str] = set()
    for part in parts(parsed(query.expr)):
        match part:
            case promql.VectorSelector():
                if part.name not in SERIES:
                    yield f"no metric {part.name}"
                labels = SERIES.get(part.name or "", set())
                known |= labels
                for matcher in part.matchers.matchers:
                    if matcher.name not in labels:
                        yield f"{part.name} has no label {matcher.name}"
                    if matcher.name == "status" and matcher.value not in set(RunStatus):
                        yield f"no run has the status {matcher.value}"
            case promql.AggregateExpr():
                grouped |= set(part.modifier.labels if part.modifier else [])
    yield from (f"nothing has the label {label}" for label in grouped - known)
    for label in set(_SHOWN.findall(query.text)) - {"value"}:
        if label not in (grouped or known):
            yield f"the text shows {label}, which the result does not have"


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_names_only_metrics_and_labels_that_exist(name: str) -> None:
    assert list(faults(QUERIES[name])) == []


@pytest.mark.parametrize(
    ("expr", "text", "fault"),
    [
        ("max(credit_desk_queue_age)", "", "no metric credit_desk_queue_age"),
        ("rate(credit_desk_decisions[5m])", "", "no metric credit_desk_decisions"),
        ('credit_desk_runs{state="queued"}', "", "credit_desk_runs has no label state"),
        ('credit_desk_runs{status="queueing"}', "", "no run has the status queueing"),
        ("max by (gate) (credit_desk_runs)", "", "nothing has the label gate"),
        (
            "max by (status) (credit_desk_runs)",
            "{{ $labels.instance }}",
            "the text shows instance, which the result does not have",
        ),
    ],
)
def test_a_wrong_name_is_found(expr: str, text: str, fault: str) -> None:
    assert list(faults(Shown(expr, text))) == [fault]


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {
        part.name
        for panel in PANELS
        for target in panel["targets"]
        for part in parts(parsed(target["expr"]))
        if isinstance(part, promql.VectorSelector)
    }

    missing = {
        metric.name
        for metric in METRICS
        if not shown & {metric.prometheus_name + ending for ending in _ENDINGS[metric.kind]}
    }
    assert missing == set()


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    cells = [
        (place["x"] + column, place["y"] + line)
        for panel in DASHBOARD["panels"]
        for place in [panel["gridPos"]]
        for column in range(place["w"])
        for line in range(place["h"])
    ]

    assert len(set(ids)) == len(ids)
    assert len(set(cells)) == len(cells)
    assert max(column for column, _ in cells) == 23


def test_the_dashboard_asks_the_data_source_that_its_reader_chooses() -> None:
    (variable,) = DASHBOARD["templating"]["list"]
    sources = {target["datasource"]["uid"] for panel in PANELS for target in panel["targets"]}

    assert sources == {f"${{{variable['name']}}}"}


@pytest.mark.parametrize("name", RULES)
def test_a_rule_says_how_urgent_it_is_and_architecture_says_what_to_do(name: str) -> None:
    rule = RULES[name]

    assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert re.fullmatch(r"[0-9]+[smh]", rule.get("for", "0s"))
    assert f"`{name}`" in (ROOT / "ARCHITECTURE.md").read_text()


def test_the_alert_about_streams_comes_before_streams_are_refused() -> None:
    rule = parsed(RULES["CreditDeskManyStreams"]["expr"])

    assert isinstance(rule, promql.BinaryExpr)
    assert isinstance(rule.rhs, promql.NumberLiteral)
    assert rule.rhs.val < Settings().streams_per_process
