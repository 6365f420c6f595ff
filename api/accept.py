"""Which media type a caller prefers (RFC 9110, section 12.5.1)."""

from __future__ import annotations

import re
from collections.abc import Sequence

_QUALITY = re.compile(r"(0(\.[0-9]{0,3})?|1(\.0{0,3})?)")


def preferred(accept: str, offers: Sequence[str]) -> str:
    """The offered media type that the header `Accept` rates highest.

    The first offer wins where the header rates several alike, and where it accepts none of them
    or is empty.
    """
    ranges = [_range(part) for part in accept.lower().split(",") if part.strip()]
    return max(offers, key=lambda offer: _quality(offer, ranges))


def _range(part: str) -> tuple[str, float]:
    """A media range and its quality. A quality that cannot be read counts as 1."""
    name, *parameters = (piece.strip() for piece in part.split(";"))
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q" and _QUALITY.fullmatch(value.strip()):
            return name, float(value)
    return name, 1.0


def _quality(offer: str, ranges: Sequence[tuple[str, float]]) -> float:
    """The quality of the most specific range that covers an offer; 0 when none does."""
    kind = offer.partition("/")[0]
    for covering in (offer, f"{kind}/*", "*/*"):
        for name, quality in ranges:
            if name == covering:
                return quality
    return 0.0
