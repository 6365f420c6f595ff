"""The fair-lending report reads the lines that a batch of the desk writes."""

from __future__ import annotations

from pathlib import Path

from data.contracts.base import canonical_json
from data.contracts.fairness import FairnessTerms, Standing
from flows.runtime.ledger.database import Ledger
from tests.flows.portfolio.portfolios import cases, done, lines_of, write_portfolio
from tools.modelling.fairness import fair_lending_report
from tools.modelling.fairness_files import read_decisions, read_groups


def test_the_decisions_of_a_batch_are_compared_with_their_prices(
    ledger: Ledger, tmp_path: Path
) -> None:
    rows = cases("fair", "ada-prime", "dee-debtor", "bora-borderline", "connie-counter")
    lines = lines_of(ledger, done(ledger, write_portfolio(tmp_path / "rows.jsonl", rows)))
    decisions, groups = tmp_path / "decisions.jsonl", tmp_path / "groups.csv"
    decisions.write_bytes(b"\n".join(map(canonical_json, lines.values())))
    groups.write_text("\n".join(["application_id,sex", *(f"{name},F" for name in lines)]))

    found = {case.application_id: case for case in read_decisions(decisions)}
    report = fair_lending_report(list(found.values()), read_groups(groups), FairnessTerms())

    ada = found["fair-ada-prime"]
    assert (ada.standing, ada.product, ada.period) == (
        Standing.APPROVED,
        "personal_loan",
        "2026-11",
    )
    offer = lines["fair-ada-prime"]["content"]["offer"]
    assert (ada.apr, ada.rate) == (float(offer["apr"]), float(offer["rate"]))
    assert ada.pd == float(lines["fair-ada-prime"]["content"]["pd"])
    assert found["fair-dee-debtor"].standing is Standing.DENIED
    assert found["fair-connie-counter"].standing is Standing.COUNTER_OFFER
    assert found["fair-bora-borderline"].standing is Standing.OPEN
    assert report.standings == {"approved": 1, "counter_offer": 1, "denied": 1, "open": 1}
