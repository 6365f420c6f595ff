"""Make a fit the desk's own: a scorecard and a challenger that a rulebook can name.

The desk reads the attributes of a bureau report under the names of `tools/attributes.py`, so the
fit has to use those names. What the data could not teach comes from an overlay that an expert
declares.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field, ValidationError

from data.contracts.base import Contract, Slug
from data.contracts.errors import ContractViolationError
from data.contracts.findings import BureauAttributes
from data.contracts.fitted import (
    FittedAttribute,
    FittedChallenger,
    FittedScorecard,
    Provenance,
)
from data.contracts.scorecard import CardAttribute, Number, Scorecard
from data.contracts.tree_card import TreeCard
from tools.modelling.binning import LEAST_ROWS
from tools.modelling.derivation import Derivation
from tools.modelling.evaluate import bin_of
from tools.modelling.model_files import (
    read_challenger,
    read_derivation,
    read_scorecard,
    read_validation,
    write_model,
)
from tools.modelling.report import write_report
from tools.scorecard import load_challenger, load_scorecard
from tools.versioned_data import load_versioned

T = TypeVar("T", bound=Contract)
_DIGITS = 4


class StandIn(Contract):
    """The number that stands for an unknown one of a fitted attribute."""

    number: Number
    grounds: Annotated[str, Field(min_length=1)]


class Overlay(Contract):
    """Expert judgement beside a fit. The points are on the scale of the card."""

    id: Slug
    version: str
    owner: str
    attributes: tuple[CardAttribute, ...] = ()
    missing: dict[str, StandIn] = Field(default_factory=dict)

    def grounds(self) -> Iterator[tuple[str, str]]:
        """Each judgement with its grounds."""
        yield from ((found.name, found.expert or "") for found in self.attributes)
        yield from ((f"{name}, unknown", found.grounds) for name, found in self.missing.items())


NO_OVERLAY = Overlay(id="none", version="0", owner="")


def load_overlay(path: Path) -> Overlay:
    """Read an overlay. Raises RecordNotFoundError or RecordCorruptError, which name the file, and
    ContractViolationError for points without grounds."""
    overlay = load_versioned(path, Overlay)
    for attribute in overlay.attributes:
        if not attribute.expert:
            raise ContractViolationError(
                f"{path.name}: {attribute.name}: say in `expert` why an expert sets these points"
            )
    return overlay


def publish_model(folder: Path, name: str, out: Path, overlay: Overlay = NO_OVERLAY) -> list[Path]:
    """Write `scorecard-NAME.json` and, where one was fitted, `challenger-NAME.json`.

    The report of the fit is written again, with the overlay. Raises ContractViolationError, which
    names an attribute that no bureau report gives, or one without a direction or a reason.
    """
    card, trees = read_scorecard(folder), read_challenger(folder)
    publishing = _Publishing(card, overlay, read_derivation(folder))
    written = [write_model(out, f"scorecard-{name}.json", publishing.scorecard())]
    load_scorecard(written[0])
    if trees is not None:
        challenger = publishing.challenger(trees)
        written.append(write_model(out, f"challenger-{name}.json", challenger, indent=None))
        load_challenger(written[1])
    write_report(folder, card, read_validation(folder), tuple(overlay.grounds()))
    return written


@dataclass(frozen=True)
class _Publishing:
    card: FittedScorecard
    overlay: Overlay
    derivation: Derivation | None

    def scorecard(self) -> Scorecard:
        fitted = [self._attribute(found) for found in self.card.attributes]
        return _checked(
            Scorecard, **self._common("scorecard", self.card.version), attributes=fitted
        )

    def challenger(self, model: FittedChallenger) -> TreeCard:
        return _checked(
            TreeCard,
            **self._common("challenger", model.version),
            baseline=model.baseline,
            inputs=[self._input(model, at) for at in range(len(model.features))],
            trees=model.trees,
        )

    def _common(self, name: str, version: str) -> dict[str, Any]:
        origin, card = self.card.provenance, self.card
        event = self.derivation.event if self.derivation else ""
        return {
            "name": name,
            "version": version,
            "provenance": _provenance(origin, self.overlay),
            "target": event or f"{origin.target} is {origin.bad_value}",
            "pdo": card.pdo,
            "base_score": card.base_score,
            "base_odds": card.base_odds,
            "overlay": [found.model_dump() for found in self.overlay.attributes],
        }

    def _attribute(self, found: FittedAttribute) -> dict[str, Any]:
        _must_be_of_a_report(found.name)
        stand_in = self.overlay.missing.get(found.name)
        missing = bin_of(found, repr(stand_in.number)) if stand_in else found.missing
        return {
            "name": found.name,
            "reason": found.reason,
            "missing": round(missing.points, _DIGITS),
            "bins": [
                {"below": part.below, "values": part.values, "points": round(part.points, _DIGITS)}
                for part in found.bins
            ],
        }

    def _input(self, model: FittedChallenger, at: int) -> dict[str, Any]:
        feature = model.features[at]
        _must_be_of_a_report(feature.name)
        role = self.derivation.roles.get(feature.name) if self.derivation else None
        if role is None or role.direction == "any" or feature.codes is not None:
            raise ContractViolationError(
                f"attribute {feature.name!r} of the challenger has no direction: give it one in the"
                " derivation, so that a notice can say what it cost"
            )
        return {
            "name": feature.name,
            "reason": role.reason,
            "direction": role.direction,
            "if_missing": self._if_missing(model, at, is_rising=role.direction == "rising"),
        }

    def _if_missing(self, model: FittedChallenger, at: int, *, is_rising: bool) -> float | None:
        """What stands for an unknown number: as declared, as learnt (None), or else the worst."""
        name = model.features[at].name
        if name in self.overlay.missing:
            return self.overlay.missing[name].number
        learnt = {found.name for found in self.card.attributes if found.missing.rows >= LEAST_ROWS}
        if name in learnt:
            return None
        thresholds = [
            threshold
            for tree in model.trees
            for feature, threshold in zip(tree.feature, tree.threshold, strict=True)
            if feature == at
        ]
        return max(thresholds, default=0.0) + 1 if is_rising else min(thresholds, default=0.0) - 1


def _must_be_of_a_report(name: str) -> None:
    if name not in BureauAttributes.model_fields:
        raise ContractViolationError(
            f"no bureau report gives the attribute {name!r}: derive attributes under the names that"
            " the desk derives from a report"
        )


def _provenance(origin: Provenance, overlay: Overlay) -> str:
    """The source of a model in one paragraph."""
    told = [
        f"Fitted by `credit-desk scorecard fit` on {origin.data_file} (sha256"
        f" {origin.data_sha256}), {origin.rows:,} rows, {origin.bad_rows:,} bad;"
        f" derivation {origin.derivation};"
        f" seed {origin.seed}."
    ]
    if origin.base_rate is not None:
        told.append(f"Shifted to a base rate of {origin.base_rate:.2%}.")
    if origin.source:
        told.append(f"Data: {origin.source}. Licence: {origin.licence}.")
    if overlay.attributes or overlay.missing:
        told.append(
            f"Expert overlay {overlay.id} {overlay.version} by {overlay.owner}: the attributes with"
            " `expert`, whose points no data taught."
        )
    return " ".join(told)


def _checked(contract: type[T], **fields: Any) -> T:
    try:
        return contract.model_validate(fields)
    except ValidationError as error:
        raise ContractViolationError.of(f"the {fields['name']}", error) from None
