"""Is this a number that the Social Security Administration or the IRS could have given out?

Form only: whether it belongs to the person is the business of the bureau and of KYC.
And does a text hold anything of that form, whoever's it may be?
"""

from __future__ import annotations

import re

_FORM = re.compile(r"(\d{3})-?(\d{2})-?(\d{4})")

_GAP = r"[\s._\u2010-\u2015\u2212-]{1,3}"
_SHAPE = re.compile(
    rf"(?<!\d)\d{{3}}({_GAP})(?!(?:0[1-9]|1[0-2])\1(?:19|20))\d{{2}}\1\d{{4}}(?!\d)"
    r"|(?<!\w)(?<!\w[-.])\d{9}(?!-?\w)"
)
"""Three, two and four digits with the same gap twice, or nine digits that are a word of their own:
not those of `partner-100000001` or of 0.123456789. A number before a month and a year, as in
`statement-001-10-2026`, is none."""

_ADVERTISED = frozenset({"078051120", "219099999"})
"""Numbers that were printed in public and have been misused ever since."""

_ITIN_GROUPS = frozenset({*range(50, 66), *range(70, 89), *range(90, 93), *range(94, 100)})

_NEVER_ISSUED_BEFORE_2011 = frozenset({*range(734, 750), *range(773, 900)})
"""Areas that no state had received when numbers began to be drawn at random in June 2011."""


def normal_ssn(text: str) -> str | None:
    """`AAA-GG-SSSS`, or None when the text cannot be a social security number or an ITIN."""
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
    """Whether a text holds what reads like a social security number, possible or not."""
    return _SHAPE.search(text) is not None


def is_itin(ssn: str) -> bool:
    """Whether a normal number is a taxpayer number of the IRS, given to people without an SSN."""
    return ssn.startswith("9")


def issued_after_2011(ssn: str) -> bool:
    """Whether a normal number lies in an area that was unused before random assignment."""
    return int(ssn[:3]) in _NEVER_ISSUED_BEFORE_2011
