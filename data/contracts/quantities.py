"""Numbers that are not money: counts, months, shares, points. Exact, never guessed from text."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from data.contracts.base import Rate

Count = Annotated[int, Field(strict=True, ge=0, le=1_000_000)]
"""How many. A number, not a text that looks like one."""

Months = Annotated[int, Field(strict=True, ge=0, le=1_200)]

Share = Annotated[Rate, Field(ge=0, le=1)]
"""A fraction between 0 and 1."""

Points = Annotated[Rate, Field(decimal_places=4)]
"""Scorecard points, the value of a score, or a likeness out of 100."""
