"""Whether a line of an address names a street, or only a place to pick up mail.

A lender must know the street address of a customer (31 CFR 1020.220(a)(2)(i)(A)(3)). The words
for boxes are those of USPS Publication 28. A box of a rural route or of the armed forces names the
place, so it counts as a street.
"""

from __future__ import annotations

import re

_PRIVATE_BOX = re.compile(r"\bpmb\b", re.IGNORECASE)
"""A box at a private mail agency, whose street is that of the agency."""

_PICK_UP = re.compile(
    r"\b(?:"
    r"(?:p\W*o|post\W+office|postal)\W*(?:box|bin|drawer|caller|lockbox)\b\W*\w*"
    r"|(?:pob|(?:firm\W+)?caller|lock\W*box|drawer|box)\W*(?:no\W*)?\d\w*"
    r"|gen(?:eral)?\W+del(?:ivery)?\b"
    r")",
    re.IGNORECASE,
)

_WITHIN = re.compile(
    r"\b(?:c/o|apt|apartment|unit|suite|ste|floor|fl|room|rm)\b\W*\w*", re.IGNORECASE
)
"""A part of a building, or the person who takes the mail in."""


def names_street(line: str) -> bool:
    """Whether a street or a route is named. Beside a box it needs a number."""
    if _PRIVATE_BOX.search(line):
        return False
    rest, boxes = _PICK_UP.subn(" ", line)
    if not boxes:
        return True
    words = re.findall(r"\w+", _WITHIN.sub(" ", rest))
    return len(words) >= 2 and any(character.isdigit() for word in words for character in word)
