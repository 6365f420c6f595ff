"""Each kind of public record is called by its own name when it was a reason."""

from __future__ import annotations

import pytest

from data.contracts.bureau import PublicRecordType
from data.contracts.case import CaseFile
from data.contracts.decision import Outcome
from data.settings import settings
from tests.flows.inline import persona, underwritten
from tools.notices import compose_notices, load_notice_terms


def with_record(kind: PublicRecordType) -> CaseFile:
    """Bella, whose one public record is an open one of this kind."""
    content = persona("bella-bankrupt").case.model_dump(mode="json")
    content["bureau_report"]["public_records"] = [
        {"type": kind.value, "filed_on": "2025-03-20", "status": "open"}
    ]
    return CaseFile.model_validate(content)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (PublicRecordType.TAX_LIEN, "Tax lien on public record"),
        (PublicRecordType.JUDGMENT, "Collection action or judgment"),
        (PublicRecordType.FORECLOSURE, "Foreclosure or repossession"),
        (PublicRecordType.BANKRUPTCY_CHAPTER_13, "Bankruptcy"),
    ],
)
async def test_a_record_that_counted_is_named_in_the_letter(
    kind: PublicRecordType, text: str
) -> None:
    done = await underwritten(with_record(kind))

    assert done.content.outcome is Outcome.DECLINE
    terms = load_notice_terms(settings().data_dir)
    (letter,) = compose_notices(done.content, terms, done.content.as_of_date)
    assert f"- {text}\n" in letter.text
    assert ("- Bankruptcy\n" in letter.text) is (text == "Bankruptcy")
