"""The model report of a fit, for SR 26-2 (formerly SR 11-7): Markdown with SVG plots, and HTML.

Every figure comes from the files of the fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.contracts.fitted import FittedAttribute, FittedBin, FittedScorecard
from tools.modelling.plots import calibration, escaped, information
from tools.modelling.validation import Evidence, Figures, Validation


@dataclass(frozen=True)
class Rows:
    """A table of the report."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Plot:
    """A drawing of the report, in a file of its own."""

    file: str
    title: str
    svg: str


_BEFORE_PERFORMANCE = 5
Block = str | Rows | Plot
Section = tuple[str, list[Block]]


def write_report(
    folder: Path,
    card: FittedScorecard,
    validation: Validation,
    judgement: Sequence[tuple[str, str]] = (),
) -> list[Path]:
    """Write `report.md`, `report.html` and the plots into a folder.

    `judgement` is an expert overlay: attributes with the grounds for their points.
    """
    sections = list(_sections(card, validation))
    if judgement:
        sections.insert(_BEFORE_PERFORMANCE, _overlay(judgement))
    plots = [block for _, blocks in sections for block in blocks if isinstance(block, Plot)]
    files = {plot.file: plot.svg for plot in plots}
    files |= {"report.md": _markdown(sections), "report.html": _html(sections)}
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in files]


def _sections(card: FittedScorecard, validation: Validation) -> Iterator[Section]:
    origin = card.provenance
    yield (
        "Purpose",
        [
            f"The model estimates the probability that '{origin.target}' is '{origin.bad_value}'."
            " It ranks applications and sets a probability for policy and price. A person or the"
            " policy decides; the model alone decides nothing.",
            f"Version {card.version}. A score of {card.base_score:g} stands for odds of"
            f" {card.base_odds:g} to 1, and {card.pdo:g} points double the odds.",
        ],
    )
    yield "Data", [Rows(("Fact", "Value"), tuple(_data_rows(card)))]
    yield (
        "Exclusions",
        [
            "The fit leaves out columns on prohibited bases (12 CFR 1002.4, 1002.6(b)), unique keys"
            " and what cannot be known before the outcome.",
            Rows(("Column", "Why it is left out"), tuple((c.name, c.why) for c in origin.left_out)),
            *(f"Remark: {remark}." for remark in origin.remarks),
        ],
    )
    yield (
        "Method",
        [
            "Each column is binned; neighbours without a difference are merged. Weights of evidence"
            " enter a logistic regression with an L2 penalty. A column whose weight contradicts"
            " its evidence is dropped, so that no better bin costs points.",
            "A missing cell has a bin of its own. With too few missing cells it counts as the worst"
            " bin, and so does a category that the data does not hold.",
        ],
    )
    yield (
        "Bins",
        [
            Plot("information.svg", "Information value", information(card.attributes)),
            *(block for attribute in card.attributes for block in _bins(attribute)),
        ],
    )
    yield "Performance", _performance(validation)
    yield "Calibration", [b for name, e in validation.models.items() for b in _calibration(name, e)]
    yield (
        "Stability",
        [
            "PSI of the probabilities between the first and the second half of the file: "
            + "; ".join(f"{name} {e.stability:.4f}" for name, e in validation.models.items())
            + ". 0.10 asks for a look, 0.25 for action."
        ],
    )
    yield "Limits", _limits(card)
    yield (
        "Monitoring plan",
        [
            "Monthly: PSI of the score and CSI of each attribute (0.10 watch, 0.25 act). Quarterly,"
            " on matured outcomes: AUC, KS and calibration by decile; an AUC more than 0.03 below"
            f" {validation.models['scorecard'].overall.auc:.3f} asks for a new fit.",
            "Approval rates by group are monitored apart, on data that the model never sees.",
        ],
    )
    yield "Approval", [Rows(("Role", "Name", "Date"), (("Owner", "", ""), ("Validator", "", "")))]


def _overlay(judgement: Sequence[tuple[str, str]]) -> Section:
    return (
        "Expert overlay",
        [
            "The desk adds the points of these attributes to both models. No data taught them, so"
            " no figure of this report holds for them; the model file has the points.",
            Rows(("Attribute", "Grounds"), tuple(judgement)),
        ],
    )


def _data_rows(card: FittedScorecard) -> Iterator[tuple[str, str]]:
    origin = card.provenance
    yield "File", origin.data_file
    yield "sha256", origin.data_sha256
    if origin.source:
        yield "Source", origin.source
    if origin.licence:
        yield "Licence", origin.licence
    if origin.bad_because:
        yield "Bad value of the target", f"'{origin.bad_value}' ({origin.bad_because})"
    yield "Rows with an answer", f"{origin.rows:,}"
    yield "Rows without an answer, left out", f"{origin.rows_without_target:,}"
    yield "Bad rows", f"{origin.bad_rows:,} ({origin.bad_rows / origin.rows:.2%})"
    if origin.derivation:
        yield "Derivation of attributes", origin.derivation
    if origin.base_rate is not None:
        yield "Base rate of the portfolio", f"{origin.base_rate:.2%}"
        yield "Shift of the log-odds", f"{origin.shift:+.6f}"
    yield "Seed", str(origin.seed)
    yield "Libraries", ", ".join(f"{name} {number}" for name, number in origin.libraries.items())


def _bins(attribute: FittedAttribute) -> list[Block]:
    lines, low = [], "lowest"
    for part in attribute.bins:
        lines.append(_bin_row(_range(part, low), part))
        low = low if part.below is None else f"{part.below:g}"
    return [
        f"{attribute.name}: IV {attribute.iv:.4f}, weight {attribute.coefficient:.4f}, direction"
        f" {attribute.direction}, reason {attribute.reason}",
        Rows(
            ("Bin", "Rows", "Bad", "Share of bad", "WOE", "Points"),
            (*lines, _bin_row("missing", attribute.missing)),
        ),
    ]


def _range(part: FittedBin, low: str) -> str:
    if part.values is not None:
        return ", ".join(part.values)
    return f"{low} to highest" if part.below is None else f"{low} to below {part.below:g}"


def _bin_row(name: str, part: FittedBin) -> tuple[str, ...]:
    share = f"{part.bad / part.rows:.2%}" if part.rows else ""
    return (
        name,
        f"{part.rows:,}",
        f"{part.bad:,}",
        share,
        f"{part.woe:+.4f}",
        f"{part.points:.2f}",
    )


def _performance(validation: Validation) -> list[Block]:
    figures = tuple(Figures.model_fields)
    return [
        f"{validation.fold_count}-fold cross-validation, stratified, seed {validation.seed}: each"
        " row is judged by a model that has not seen it. In brackets: the standard deviation"
        " between the folds. All figures are at the base rate of the data.",
        Rows(
            ("Model", *(name.upper() if name != "brier" else "Brier" for name in figures)),
            tuple(
                (name, *(f"{getattr(e.overall, f):.4f} ({e.spread(f):.4f})" for f in figures))
                for name, e in validation.models.items()
            ),
        ),
    ]


def _calibration(name: str, evidence: Evidence) -> list[Block]:
    title = f"Calibration of the {name}"
    rows = tuple(
        (
            str(at),
            f"{part.rows:,}",
            f"{part.predicted:.4f}",
            f"{part.observed:.4f}",
            f"{part.fold_spread:.4f}",
        )
        for at, part in enumerate(evidence.deciles, start=1)
    )
    return [
        f"{title}, by decile:",
        Plot(f"calibration-{name}.svg", title, calibration(evidence.deciles, title)),
        Rows(("Decile", "Rows", "Predicted", "Observed", "Fold spread"), rows),
    ]


def _limits(card: FittedScorecard) -> list[Block]:
    limits: list[Block] = [
        "The data holds accepted cases only; it says nothing about applicants who were refused.",
        "Cross-validation judges other rows of the same file, not a later period.",
        "Columns that are free by name may still stand for a prohibited basis. A person looks at"
        " the list of attributes before the model is used.",
    ]
    if card.provenance.base_rate is not None:
        limits.append(
            "The base rate is set, not observed: the ranking is tested, the level is assumed."
        )
    return limits


def _markdown(sections: Sequence[Section]) -> str:
    parts = ["# Model report", "SR 26-2 (formerly SR 11-7)"]
    for title, blocks in sections:
        parts += [f"## {title}", *map(_block_in_markdown, blocks)]
    return "\n\n".join(parts) + "\n"


def _block_in_markdown(block: Block) -> str:
    if isinstance(block, str):
        return _plain(block)
    if isinstance(block, Plot):
        return f"![{block.title}]({block.file})"
    lines = (block.header, ("---",) * len(block.header), *block.rows)
    return "\n".join("| " + " | ".join(map(_plain, line)) + " |" for line in lines)


def _plain(text: str) -> str:
    """Text from a file that changes neither the table nor the page."""
    return escaped(" ".join(text.split())).replace("|", "\\|").replace("&quot;", '"')


def _html(sections: Sequence[Section]) -> str:
    body = "".join(
        f"<h2>{escaped(title)}</h2>" + "".join(map(_block_in_html, blocks))
        for title, blocks in sections
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Model report</title><style>'
        "body{font:15px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
        "table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.2rem .6rem}"
        "svg{max-width:34rem}</style>"
        f"<h1>Model report</h1><p>SR 26-2 (formerly SR 11-7)</p>{body}</html>\n"
    )


def _block_in_html(block: Block) -> str:
    if isinstance(block, str):
        return f"<p>{escaped(block)}</p>"
    if isinstance(block, Plot):
        return f"<figure>{block.svg}</figure>"
    head = "".join(f"<th>{escaped(cell)}</th>" for cell in block.header)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escaped(cell)}</td>" for cell in row) + "</tr>"
        for row in block.rows
    )
    return f"<table><tr>{head}</tr>{rows}</table>"
