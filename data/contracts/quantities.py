"""Numbers other than money: counts, months, shares, points. Counts do not accept text."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from data.contracts.base import Rate

Count = Annotated[int, Field(strict=True, ge=0, le=1_000_000)]
"""A count. Text with digits is refused."""

Months = Annotated[int, Field(strict=True, ge=0, le=1_200)]

Share = Annotated[Rate, Field(ge=0, le=1)]
"""A fraction between 0 and 1."""

Points = Annotated[Rate, Field(decimal_places=4)]
"""Scorecard points, the value of a score, or a similarity from 0 to 100."""
