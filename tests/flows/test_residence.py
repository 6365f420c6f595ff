"""The law of residence: it follows from where the applicants live, through the whole flow."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from data.contracts.application import Address
from data.contracts.bureau import BureauReport
from data.contracts.case import CaseFile
from data.contracts.decision import Outcome
from data.contracts.policy import ReasonCode, Recommendation
from data.settings import settings
from data.synthetic.builder import AS_OF, Home, Person, bundle, card, loan, report
from flows import underwriting
from flows.rulebook import current_rulebook
from tests.flows.inline import Says, underwritten

BOOK = current_rulebook(settings().data_dir)
HONOLULU = Home("1118 Bishop Street", "Honolulu", "HI", "96813", "808", "City of Honolulu")
BIRMINGHAM = Home("410 Alder Street", "Birmingham", "AL", "35203", "205", "Alabama ALEA")
OMAHA = Home("410 Alder Street", "Omaha", "NE", "68102", "402", "Nebraska DMV")
JACKSON = Home("410 Alder Street", "Jackson", "MS", "39201", "601", "Mississippi DPS")
NEW_YORK = Home("410 Alder Street", "Albany", "NY", "12207", "518", "New York DMV")


def clean_report(person: Person) -> BureauReport:
    return report(
        person,
        785,
        card("12000.00", "640.00", "35.00", opened_on=date(2011, 4, 1)),
        card("9000.00", "310.00", "25.00", opened_on=date(2014, 2, 1)),
        card("6000.00", "0.00", "0.00", opened_on=date(2016, 7, 1)),
        loan("24000.00", "9800.00", "260.00"),
    )


def of(*people: Person, state: str | None = None, **changes: Any) -> CaseFile:
    """Ada's loan for other people, with the state that the channel states."""
    case = bundle("who", people, amount="10000.00", bureau=clean_report(people[0]), **changes)
    application = case.application.model_copy(update={"state": state})
    return case.model_copy(update={"application": application})


def ada(home: Home = Home(), **extra: Any) -> Person:  # noqa: B008, a frozen value
    return Person("Ada", "Prime", "516-24-3907", income="7200.00", home=home, extra=extra)


def address(line1: str, **differs: Any) -> Address:
    plain = {"line1": line1, "city": "Springfield", "state": "IL", "postal_code": "62704"}
    return Address.model_validate(plain | differs)


async def test_the_footprint_is_that_of_the_address_and_not_of_a_field() -> None:
    done = await underwritten(of(ada(HONOLULU), state="TX"))

    assert done.content.outcome is Outcome.DECLINE
    assert done.content.principal_reasons == (ReasonCode.OUTSIDE_LENDING_AREA,)
    assert done.agents() == {"doc_intake", "underwriter.decision"}


async def test_a_stated_state_changes_nothing_for_people_who_live_where_the_lender_lends() -> None:
    done = await underwritten(of(ada(), state="HI"))

    assert done.content.outcome is Outcome.APPROVE


@pytest.mark.parametrize("state", ["TX", None])
async def test_the_ceiling_of_the_apr_is_that_of_the_address(state: str | None) -> None:
    done = await underwritten(of(ada(NEW_YORK), state=state))

    assert done.run.state.policy is not None
    results = {result.rule_id: result for result in done.run.state.policy.results}
    assert results["no-price-in-state"].inputs == {"apr_cap": "0.25"}


@pytest.mark.parametrize(
    ("home", "state", "cap"),
    [(HONOLULU, "HI", None), (NEW_YORK, "NY", "0.25"), (Home(), "IL", "0.3599")],
)
async def test_of_two_states_the_stricter_counts(home: Home, state: str, cap: str | None) -> None:
    kit = Person("Kit", "Prime", "517-31-4418", "3000.00", home=home)

    done = await underwritten(of(ada(), kit, co_bureau=clean_report(kit)))

    assert done.run.state.policy is not None
    results = {result.rule_id: result for result in done.run.state.policy.results}
    assert results["outside-lending-area"].inputs == {"state": state}
    assert results["no-price-in-state"].inputs == {"apr_cap": cap}


async def test_a_state_without_a_price_is_referred_and_no_reviewer_can_price_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caps = BOOK.prices.apr_caps
    listed = {state: cap for state, cap in caps.states.items() if state != "IL"}
    caps = caps.model_copy(update={"states": listed})
    prices = BOOK.prices.model_copy(update={"apr_caps": caps})
    book = BOOK.model_copy(update={"prices": prices})
    monkeypatch.setattr(underwriting, "current_rulebook", lambda _: book)

    done = await underwritten(of(ada()), Says("underwriter", "approve"))

    policy = done.run.state.policy
    assert policy is not None
    assert policy.refer_reasons == ("no-price-in-state",)
    assert not done.is_decided
    assert "no price in the state" in str(done.error)


@pytest.mark.parametrize(
    "line1",
    ["PO Box 12", "P.O. Box 12", "General Delivery", "P O Drawer 7", "PMB 4, 12 Elm Street"],
)
async def test_without_a_street_address_nothing_is_approved_and_the_address_is_asked_for(
    line1: str,
) -> None:
    done = await underwritten(of(ada(addresses=(address(line1),))))

    policy = done.run.state.policy
    assert policy is not None
    assert policy.recommendation is Recommendation.INCOMPLETE
    assert done.content.outcome is Outcome.INCOMPLETE
    assert [condition.code for condition in done.content.conditions] == ["street_address_required"]


@pytest.mark.parametrize(
    ("case", "code"),
    [
        (of(ada(Home(postal_code="94103"))), "confirm_postal_code"),
        (of(ada(), state="CA"), "confirm_state_of_residence"),
    ],
)
async def test_a_doubt_about_the_address_is_a_condition_of_the_loan(
    case: CaseFile, code: str
) -> None:
    done = await underwritten(case)

    assert done.content.outcome is Outcome.APPROVE
    assert [condition.code for condition in done.content.conditions] == [code]


async def test_a_street_address_of_the_past_is_no_street_address() -> None:
    left = address("410 Alder Street", since="2019-08-01", until="2025-01-31")

    done = await underwritten(of(ada(addresses=(address("PO Box 12"), left))))

    assert done.content.outcome is Outcome.INCOMPLETE


async def test_a_box_for_the_mail_beside_a_street_address_does_no_harm() -> None:
    box = address("PO Box 12", city="Honolulu", state="HI", postal_code="96813")

    case = of(ada(addresses=(box, address("410 Alder Street"))))

    done = await underwritten(case)

    assert done.run.state.policy is not None
    assert done.run.state.policy.recommendation is not Recommendation.INCOMPLETE
    assert case.application.residence_state == "IL"


@pytest.mark.parametrize(
    ("home", "age", "declined"),
    [
        pytest.param(Home(), 17, True, id="IL 17"),
        pytest.param(Home(), 18, False, id="IL 18"),
        pytest.param(BIRMINGHAM, 18, True, id="AL 18"),
        pytest.param(BIRMINGHAM, 19, False, id="AL 19"),
        pytest.param(OMAHA, 17, True, id="NE 17"),
        pytest.param(OMAHA, 18, False, id="NE 18"),
        pytest.param(JACKSON, 17, True, id="MS 17"),
        pytest.param(JACKSON, 18, False, id="MS 18"),
    ],
)
async def test_the_legal_age_is_that_of_the_address(home: Home, age: int, declined: bool) -> None:
    born = date(AS_OF.year - age, 6, 17)
    who = Person(
        "Ada", "Prime", "516-24-3907", "7200.00", dob=born, since=date(2025, 1, 6), home=home
    )

    done = await underwritten(of(who, state="IL"))

    policy = done.run.state.policy
    assert policy is not None
    assert (ReasonCode.BELOW_LEGAL_AGE in policy.reasons) is declined
    assert (policy.recommendation is Recommendation.DECLINE) is declined


@pytest.mark.parametrize(("home", "declined"), [(BIRMINGHAM, True), (Home(), False)])
async def test_each_applicant_has_the_legal_age_of_their_own_address(
    home: Home, declined: bool
) -> None:
    born = date(AS_OF.year - 18, 6, 17)
    kit = Person(
        "Kit", "Prime", "517-31-4418", "3000.00", dob=born, since=date(2025, 1, 6), home=home
    )

    done = await underwritten(of(ada(), kit, co_bureau=clean_report(kit)))

    assert done.run.state.policy is not None
    assert (ReasonCode.BELOW_LEGAL_AGE in done.run.state.policy.reasons) is declined
