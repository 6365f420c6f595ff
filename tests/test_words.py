"""Docstrings, comments and pages use standard words, which every reader of English understands."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FORBIDDEN = (
    "whoever",
    "whomever",
    "anew",
    "nobody",
    "somebody",
    "what was ",
    "reckon",
    "one_run",
    "astray",
    "in hand",
    "deaths",
    "besieged",
    "siege",
)
"""Words, phrases and beginnings of words. A space also matches a line break."""

PRODUCT = ("data", "tools", "agents", "flows", "api")
TESTS = sorted({path.parent.name for path in (ROOT / "tests").glob("*/*.py")})

GLOBS = (
    *(f"{folder}/**/*.py" for folder in PRODUCT),
    "tests/*.py",
    *(f"tests/{folder}/**/*.py" for folder in TESTS),
)

_PATTERN = re.compile(
    r"\b(?:" + "|".join(word.replace(" ", r"\s+") for word in FORBIDDEN) + ")", re.IGNORECASE
)


def texts_of(source: str) -> Iterator[tuple[int, str]]:
    """Every docstring and comment with its first line. A string below a field is a docstring."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Constant(value=str() as text)):
                yield node.lineno, text
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def forbidden_in(source: str) -> Iterator[tuple[int, str]]:
    """Every forbidden word with its line."""
    for first_line, text in texts_of(source):
        for found in _PATTERN.finditer(text):
            line = first_line + text.count("\n", 0, found.start())
            yield line, " ".join(found[0].split())


@pytest.mark.parametrize("glob", GLOBS)
def test_docstrings_and_comments_have_no_forbidden_word(glob: str) -> None:
    paths = sorted(ROOT.glob(glob))
    found = [
        f"{path.relative_to(ROOT)}:{line}: {word}"
        for path in paths
        for line, word in sorted(forbidden_in(path.read_text(encoding="utf-8")))
    ]

    assert paths
    assert not found, "use standard words:\n" + "\n".join(found)


@pytest.mark.parametrize("page", sorted(path.name for path in ROOT.glob("*.md")))
def test_pages_have_no_forbidden_word(page: str) -> None:
    assert _PATTERN.findall((ROOT / page).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('"""Ask whoever\n\nis on duty."""\n', [(1, "whoever")]),
        ("x = 1  # as reckoned before\n", [(1, "reckon")]),
        ('class A:\n    x: int\n    """Known.\n\n    Nobody knows."""\n', [(5, "Nobody")]),
        ('def f():\n    """Says what\n    was asked."""\n', [(2, "what was")]),
        ("text = 'nobody'\n", []),
        ("# renew, handle, begin handling, what wasted time\n", []),
    ],
)
def test_a_forbidden_word_is_found_with_its_line(
    source: str, expected: list[tuple[int, str]]
) -> None:
    assert list(forbidden_in(source)) == expected
