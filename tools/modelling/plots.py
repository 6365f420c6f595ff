"""The plots of a model report as SVG, without a plotting library."""

from __future__ import annotations

from collections.abc import Sequence

from data.contracts.fitted import FittedAttribute
from tools.modelling.validation import Decile

_WIDTH, _HEIGHT, _EDGE = 480, 320, 40


def calibration(deciles: Sequence[Decile], title: str) -> str:
    """Observed against predicted share of bad, with the spread of the folds as whiskers."""
    top = max(max(part.predicted, part.observed + part.fold_spread) for part in deciles) * 1.05
    marks = [_line((0, 0), (top, top), top, "#999", "4 4")]
    for part in deciles:
        low, high = part.observed - part.fold_spread, part.observed + part.fold_spread
        marks.append(_line((part.predicted, max(0, low)), (part.predicted, high), top, "#1f5fa8"))
        x, y = _at(part.predicted, part.observed, top)
        marks.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#1f5fa8"/>')
    return _frame(title, "predicted probability", "observed share of bad", marks)


def information(attributes: Sequence[FittedAttribute]) -> str:
    """The information value of each attribute as a bar."""
    ranked = sorted(attributes, key=lambda attribute: -attribute.iv)[:20]
    step = (_HEIGHT - 2 * _EDGE) / max(1, len(ranked))
    longest = max(attribute.iv for attribute in ranked)
    marks = []
    for at, attribute in enumerate(ranked):
        y = _EDGE + at * step
        width = (_WIDTH - 220) * attribute.iv / longest
        marks.append(
            f'<rect x="180" y="{y:.1f}" width="{width:.1f}" height="{step * 0.8:.1f}"'
            ' fill="#1f5fa8"/>'
            f'<text x="174" y="{y + step * 0.7:.1f}" font-size="9" text-anchor="end">'
            f"{escaped(attribute.name[:32])}</text>"
        )
    return _frame("Information value", "", "", marks)


def escaped(text: str) -> str:
    """Text that HTML and SVG show as it is."""
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(sign, entity)
    return text


def _at(x: float, y: float, top: float) -> tuple[float, float]:
    wide, high = _WIDTH - 2 * _EDGE, _HEIGHT - 2 * _EDGE
    return _EDGE + x / top * wide, _HEIGHT - _EDGE - y / top * high


def _line(
    start: tuple[float, float], end: tuple[float, float], top: float, colour: str, dash: str = ""
) -> str:
    (x1, y1), (x2, y2) = _at(*start, top), _at(*end, top)
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"{dashed}/>'
    )


def _frame(title: str, below: str, beside: str, marks: Sequence[str]) -> str:
    middle = _WIDTH / 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"'
        f' font-family="sans-serif"><title>{escaped(title)}</title>'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>'
        f'<text x="{middle}" y="22" text-anchor="middle" font-size="14">{escaped(title)}</text>'
        f'<text x="{middle}" y="{_HEIGHT - 10}" text-anchor="middle" font-size="11">{below}</text>'
        f'<text x="12" y="{_HEIGHT / 2}" text-anchor="middle" font-size="11"'
        f' transform="rotate(-90 12 {_HEIGHT / 2})">{beside}</text>{"".join(marks)}</svg>\n'
    )
