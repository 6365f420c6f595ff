"""Whether a text can be held to its evidence at all: English, in letters that are what they seem.

The checks of a text know English words and the digits 0 to 9. What is written in another language,
or in letters that only look alike, would get past them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_SIGNS = frozenset("€£§°·•…–—‐‘’“”")
"""What models write beside ASCII."""
_ACCENT = re.compile("[\u0300-\u036f]")
_LETTERS_APART = re.compile(r"(?<![^\W_])(?:[^\W\d_][\W_]+){3,}[^\W\d_](?![^\W_])")
_ADDRESS = re.compile(r"://|\bwww\.|\w@\w", re.IGNORECASE)
_WORD = re.compile(r"[a-z]+")

_OF_ENGLISH = """
    the and are has have with for to from by this that not which been at as it than there each both
    other their be its but is of was were a an in on no or
"""
_OF_OTHERS = """
    der das und ist wurde nicht ein eine wird el los las que fue una con del le et est une du des
    het een de van en il che di della um uma para por foi og och jest nie
"""
"""Frequent words of languages whose speakers the desk may meet. Some are names in English too."""
_ENGLISH, _OTHERS = frozenset(_OF_ENGLISH.split()), frozenset(_OF_OTHERS.split())
_SHARE = 10
"""In a text of some length, one word of so many at least is a frequent one of English."""
_LENGTH = 6


def folded(text: str) -> str:
    """A text without accents of Latin letters, and with plain letters for wide ones."""
    if text.isascii():
        return text
    plain = _ACCENT.sub("", unicodedata.normalize("NFKD", text))
    return unicodedata.normalize("NFC", plain)


def is_plain(text: str) -> bool:
    """Whether a text has nothing but what an American keyboard has, and a few signs more."""
    return all(
        letter in _SIGNS or letter in "\n\t" or (letter.isascii() and letter.isprintable())
        for letter in text
    )


def foreign_faults(text: str) -> Iterator[str]:
    """Why a text cannot be held to anything, in words for the model; nothing if it can."""
    plain = folded(text)
    if not is_plain(plain):
        yield "write with plain English letters, digits and signs only"
    if _LETTERS_APART.search(plain):
        yield "write words without signs between their letters"
    if _ADDRESS.search(plain):
        yield "leave out addresses of pages and mail"
    words = _WORD.findall(plain.casefold())
    english = sum(word in _ENGLISH for word in words)
    others = sum(word in _OTHERS for word in words)
    if others > english or (len(words) >= _LENGTH and english * _SHARE < len(words)):
        yield "write whole sentences of plain English"
