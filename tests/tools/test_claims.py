"""A text is held to its evidence, in whatever letters, digits and language it is written."""

from __future__ import annotations

import pytest

from tools.claims import text_contradictions

EVIDENCE = ("discrepant", "5200.00", "-120.00", "0.307", "2026-10-30")


@pytest.mark.parametrize(
    "text",
    [
        "The income is discrepant: 5200.00 a month, and not more than that.",
        "The income is discrepant: $5,200 a month.",
        "The share is 30.7 %, and the balance is -120.00 or 120.00 below.",
        "The last pay date is 2026-10-30 – a café’s paystub proves it.",
        "Income discrepant.",
    ],
)
def test_a_text_of_the_evidence_is_accepted(text: str) -> None:
    assert text_contradictions(text, EVIDENCE) == ()


def test_a_text_that_is_too_long_is_refused_without_a_further_look() -> None:
    (fault,) = text_contradictions("w\u0430rd 9" * 10_000, EVIDENCE)

    assert "from 1 to 1500 characters" in fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("The income is ٩٩٩٩ a month.", "plain English letters"),
        ("The income is ９９９９ a month.", "9999 is not in the evidence"),
        ("The income is -5200.00 a month.", "-5200.00 is not in the evidence"),
        ("There are zero doubts about it.", "'zero'"),
        ("The income is thousands of dollars.", "'thousands'"),
        ("The request is \u0430ppr\u043eved.", "plain English letters"),
        ("The request is app\u200broved.", "plain English letters"),
        ("The applicant qualifies for it.", "'qualif' is no result"),
        ("The funds will be with the applicant soon.", "'funds will' is no result"),
        ("The applicant may be paid out at once.", "'paid out' is no result"),
        ("The request is \u00e1pproved.", "'approv' is no result"),
        ("The request is a p p r o v e d.", "between their letters"),
        ("The request is a.p-p r o.v e d.", "between their letters"),
        ("The income is discrepant.\x00", "plain English letters"),
        ("The income is \u202ediscrepant.", "plain English letters"),
        ("Das Einkommen ist nachgewiesen, der Kredit ist genehmigt.", "sentences of plain English"),
        ("El ingreso es correcto y la solicitud fue aprobada.", "sentences of plain English"),
        ("Einkommen nachgewiesen, Kredit bewilligt, Antrag angenommen.", "sentences of plain"),
        ("The income is discrepant, see https://example.com for more.", "leave out addresses"),
        ("The income is discrepant, write to a@example.com now.", "leave out addresses"),
    ],
)
def test_a_text_that_cannot_be_held_to_the_evidence_is_refused(text: str, fault: str) -> None:
    assert any(fault in said for said in text_contradictions(text, EVIDENCE))
