"""What a letter says, point by point, and whether other words for a point say the same.

The check is strict in one direction. Other words for a point consist of the point's own words and
of `PLAIN`, which can state no reason, no result and no promise. So they can leave out nothing that
the point says, and add nothing to it. A true sentence may be refused; then the letter has the
rules' words alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise, zip_longest

from data.contracts.decision import DecisionContent, Outcome
from data.contracts.notices import LetterPoint, PointText
from tools.memo import requested_loan
from tools.plain_english import is_plain

LONGEST = 300
"""The most characters of one sentence."""

_PLAIN_WORDS = """
    a an the this that these those it its there
    you your we us our
    is are was were be been has have had do does did
    of in on at for to from by with about as because which so when what
    ask asked apply applied application request requested loan decide decided decision letter
    mean means meant say says said see saw seen find found look looked read give gave given
    show shows showed shown
"""

PLAIN = frozenset(_PLAIN_WORDS.split())
"""Words that may be added to a point."""

_NEGATIONS = frozenset({"not", "no", "never", "unable", "cannot", "without"})
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_WITH_DIGIT = re.compile(r"\S*\d\S*")
_ENDING = re.compile(r"(?:ing|ed|es|s)$")


def letter_points(content: DecisionContent) -> tuple[LetterPoint, ...]:
    """The request, and the reasons or what the applicant has to send, in the order of the letter.

    None for a letter without reasons: an approval, or the end of a case by compliance.
    """
    match content.outcome:
        case Outcome.DECLINE | Outcome.COUNTER_OFFER:
            points = [
                LetterPoint(code=reason.value, words=reason.notice_text)
                for reason in content.principal_reasons
            ]
        case Outcome.INCOMPLETE:
            points = [
                LetterPoint(code=found.code, words=found.text)
                for found in content.conditions
                if found.is_asked
            ]
        case _:
            points = []
    if not points:
        return ()
    asked = f"You asked for {requested_loan(content.requested)}."
    return (LetterPoint(code="request", words=asked), *points)


def point_faults(points: Sequence[LetterPoint], texts: Sequence[PointText]) -> tuple[str, ...]:
    """Where sentences for the points of a letter add, drop or contradict something.

    Nothing if each says what its point says. The texts are for the model that wrote the sentences.
    """
    found: list[str] = []
    for point, text in zip_longest(points, texts):
        if point is None or text is None or point.code != text.code:
            codes = ", ".join(point.code for point in points)
            return (f"write exactly these points, in this order: {codes}",)
        found += (f"{point.code}: {fault}" for fault in _faults(point.words, text.text))
    return tuple(found)


def _faults(words: str, text: str) -> Iterator[str]:
    if not text.strip() or len(text) > LONGEST or "\n" in text.strip():
        yield f"write one line of 1 to {LONGEST} characters"
        return
    if not is_plain(text):
        yield "write with plain English letters, digits and signs only"
    numbers = _numbers(words)
    if _numbers(text) != numbers:
        yield f"its numbers have to be {', '.join(numbers) or 'none'}, in this order"
    kept, said = _stems(words), _stems(text)
    for stem in sorted(kept.keys() - said.keys()):
        yield f"'{kept[stem]}' is left out"
    for stem in sorted(said.keys() - kept.keys()):
        yield f"'{said[stem]}' is neither a word of the point nor a plain word"
    if _negated(words) != _negated(text):
        yield "it negates something else than the point"


def _numbers(text: str) -> list[str]:
    return [piece.strip(".,;:!?()") for piece in _WITH_DIGIT.findall(text)]


def _stems(text: str) -> dict[str, str]:
    """The words that carry meaning, by their stem."""
    return {_stem(word): word for word in _words(text) if word not in PLAIN}


def _negated(text: str) -> set[tuple[str, str]]:
    """Each negation with the next word that carries meaning."""
    carrying = [_stem(word) for word in _words(text) if word not in PLAIN]
    return {pair for pair in pairwise([*carrying, ""]) if pair[0] in _NEGATIONS}


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(_WITH_DIGIT.sub(" ", text))]


def _stem(word: str) -> str:
    return _ENDING.sub("", word) if len(word) > 4 else word
