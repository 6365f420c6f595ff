"""Which value of a target is bad: certain by its words or its column, otherwise a visible guess."""

from __future__ import annotations

import pytest

from tools.modelling.bad_value import bad_value_of


@pytest.mark.parametrize(
    ("values", "bad"),
    [
        ("bad good", "bad"),
        ("default paid", "default"),
        ("default|no default", "default"),
        ("default nondefault", "default"),
        ("charged off|fully paid", "charged off"),
        ("collection paidoff", "collection"),
        ("paid unpaid", "unpaid"),
        ("approved rejected", "rejected"),
        ("current|late (31-120 days)", "late (31-120 days)"),
        ("closed repaid", "closed"),
    ],
)
@pytest.mark.parametrize("rarer", [0, 1])
def test_words_of_the_values_are_certain_whatever_is_rarer(
    values: str, bad: str, rarer: int
) -> None:
    pair = values.split("|") if "|" in values else values.split()
    found = bad_value_of("status", {value: 10 + at * rarer for at, value in enumerate(pair)})

    assert found.value == bad
    assert "guess" not in found.why


@pytest.mark.parametrize("pair", ["0 1", "-1 1", "no yes", "n y", "false true", "f t", "- +"])
@pytest.mark.parametrize(
    ("name", "yes_is_bad"),
    [
        ("default", True),
        ("BAD", True),
        ("is_delinquent", True),
        ("chargedOff", True),
        ("SeriousDlqin2yrs", True),
        ("not.fully.paid", True),
        ("repay_fail", True),
        ("Approved", False),
        ("loan_repaid", False),
        ("Creditability", False),
        ("no_default", False),
    ],
)
def test_the_name_of_the_column_tells_of_what_yes_is_the_answer(
    pair: str, name: str, yes_is_bad: bool
) -> None:
    no, yes = pair.split()
    found = bad_value_of(name, {no: 10, yes: 90})

    assert found.value == (yes if yes_is_bad else no)
    assert found.why == f"by the column's name {yes!r} is {'bad' if yes_is_bad else 'good'}"


@pytest.mark.parametrize(
    ("rows_of", "bad"),
    [
        ({"0": 70, "1": 30}, "1"),
        ({"0": 30, "1": 70}, "0"),
        ({"1": 70, "2": 30}, "2"),
        ({"+": 45, "-": 55}, "-"),
        ({"n": 30, "y": 70}, "n"),
        ({"no": 55, "yes": 45}, "yes"),
        ({"b": 60, "g": 40}, "b"),
        ({"kept": 60, "lost": 40}, "lost"),
        ({"a": 60, "b": 40}, "b"),
    ],
)
def test_what_words_do_not_tell_is_a_guess_and_called_one(
    rows_of: dict[str, int], bad: str
) -> None:
    found = bad_value_of("outcome", rows_of)

    assert found.value == bad
    assert found.why.startswith("a guess: ")
