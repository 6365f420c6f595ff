"""The form of social security numbers (SSN) and taxpayer numbers (ITIN).

`normal_ssn` checks whether the Social Security Administration or the IRS could have issued a
number. Whether the number belongs to the applicant is checked by the bureau and by KYC.
`has_shape_of_ssn` checks whether a text contains any number of this form.
"""

from __future__ import annotations

import re

_FORM = re.compile(r"([0-9]{3})-?([0-9]{2})-?([0-9]{4})")

_GAP = r"[\s._\u2010-\u2015\u2212-]{1,3}"
# `\d` means the digits of every script here: a text that may hold a number is refused.
_SHAPE = re.compile(
    rf"(?<!\d)\d{{3}}({_GAP})(?!(?:0[1-9]|1[0-2])\1(?:19|20))\d{{2}}\1\d{{4}}(?!\d)"
    r"|(?<!\w)(?<!\w[-.])\d{9}(?!-?\w)"
)
"""Three, two and four digits with the same separator twice, or nine digits that are a whole word.
The digits of `partner-100000001` and of 0.123456789 do not match. A number before a month and a
year, as in `statement-001-10-2026`, does not match either."""

_ADVERTISED = frozenset({"078051120", "219099999"})
"""Numbers that were printed in advertisements and that many people have misused."""

_ITIN_GROUPS = frozenset({*range(50, 66), *range(70, 89), *range(90, 93), *range(94, 100)})

_NEVER_ISSUED_BEFORE_2011 = frozenset({*range(734, 750), *range(773, 900)})
"""Areas that no state had used before random assignment began in June 2011."""


def normal_ssn(text: str) -> str | None:
    """Return `AAA-GG-SSSS`, or None when the text cannot be an SSN or an ITIN."""
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    area, group, serial = found.groups()
    digits = area + group + serial
    well_formed = (
        area not in {"000", "666"}
        and group != "00"
        and serial != "0000"
        and len(set(digits)) > 1
        and digits not in _ADVERTISED
        and (area < "900" or int(group) in _ITIN_GROUPS)
    )
    return f"{area}-{group}-{serial}" if well_formed else None


def has_shape_of_ssn(text: str) -> bool:
    """Whether a text contains a number with the form of an SSN, valid or not."""
    return _SHAPE.search(text) is not None


def is_itin(ssn: str) -> bool:
    """Whether a normal number is an ITIN, which the IRS issues to people without an SSN."""
    return ssn.startswith("9")


def issued_after_2011(ssn: str) -> bool:
    """Whether a normal number is in an area that was unused before random assignment."""
    return int(ssn[:3]) in _NEVER_ISSUED_BEFORE_2011
