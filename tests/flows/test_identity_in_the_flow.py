"""What an identity document proves, through the whole flow."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from data.contracts.case import CaseFile
from data.contracts.documents import DocumentKind
from data.contracts.findings import IdentityStatus
from data.contracts.policy import Recommendation
from tests.flows.inline import Underwritten, persona, underwritten

ADA = persona("ada-prime").case


def living_at(case: CaseFile, line1: str) -> CaseFile:
    person = case.application.primary
    home = person.addresses[0].model_copy(update={"line1": line1})
    moved = person.model_copy(update={"addresses": (home, *person.addresses[1:])})
    application = case.application.model_copy(update={"applicants": (moved,)})
    return case.model_copy(update={"application": application})


def with_licence(case: CaseFile, kind: DocumentKind | None = None, **differs: Any) -> CaseFile:
    """The case with another content of its licence."""
    licence, *others = case.documents
    content = json.loads(base64.b64decode(licence.content_base64))
    if (line1 := differs.pop("line1", None)) is not None:
        content["address"]["line1"] = line1
    body = json.dumps(content | differs).encode()
    changed = licence.model_copy(
        update={
            "kind": kind or licence.kind,
            "content_base64": base64.b64encode(body).decode(),
            "sha256": hashlib.sha256(body).hexdigest(),
            "size_bytes": len(body),
        }
    )
    return case.model_copy(update={"documents": (changed, *others)})


def identity(done: Underwritten) -> IdentityStatus:
    verification = done.run.state.verification
    assert verification is not None, done.error
    assert verification.kyc is not None
    return verification.kyc.identity_status


@pytest.mark.parametrize(
    ("shown", "status"),
    [
        ("410 Alder Street #5", IdentityStatus.VERIFIED),
        ("410 Alder St Unit 5", IdentityStatus.VERIFIED),
        ("411 Alder Street Apt 6", IdentityStatus.PARTIAL),
        ("410 Alder Street Apt 6", IdentityStatus.PARTIAL),
    ],
)
async def test_a_neighbours_licence_does_not_verify_the_applicant(
    shown: str, status: IdentityStatus
) -> None:
    case = with_licence(living_at(ADA, "410 Alder Street Apt 5"), line1=shown)

    done = await underwritten(case)

    policy = done.run.state.policy
    assert identity(done) is status
    assert policy is not None
    assert (policy.recommendation is Recommendation.APPROVE) == (status is IdentityStatus.VERIFIED)


async def test_a_passport_without_a_zone_does_not_verify_the_applicant() -> None:
    done = await underwritten(with_licence(ADA, DocumentKind.PASSPORT))

    assert identity(done) is IdentityStatus.PARTIAL
    assert done.run.state.policy is not None
    assert done.run.state.policy.recommendation is not Recommendation.APPROVE


async def test_a_zone_of_another_person_is_a_contradiction() -> None:
    zone = (
        "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
        "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
    )

    done = await underwritten(with_licence(ADA, DocumentKind.PASSPORT, mrz=zone))

    assert identity(done) is IdentityStatus.FAILED
