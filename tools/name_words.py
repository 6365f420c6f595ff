"""The words of names: spelled in plain letters, and compared letter by letter and by sound."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from anyascii import anyascii
from rapidfuzz.distance import OSA

from tools.short_names import short_name_groups

EQUAL = 1.0
SAME_SOUND = 0.95
SHORT_FORM = 0.93
SAME_CONSONANTS = 0.91
INITIAL = 0.9
"""The similarity of two words by what they have in common."""

ICAO_LETTERS = {
    "ä": "ae",
    "å": "aa",
    "æ": "ae",
    "ö": "oe",
    "ø": "oe",
    "ü": "ue",
    "þ": "th",
    "ß": "ss",
    "œ": "oe",
    "ĳ": "ij",
    "ð": "d",
    "đ": "d",
    "ł": "l",
    "ı": "i",
    "ŋ": "n",
    "ə": "e",
}
"""Letters that passports write with two letters, or that have no accent to drop (ICAO 9303-3)."""
_ICAO = str.maketrans(ICAO_LETTERS)

_WITHOUT_VOWELS = (
    *("ARABIC", "HEBREW", "HANGUL"),
    *("DEVANAGARI", "BENGALI", "GURMUKHI", "GUJARATI", "TAMIL", "TELUGU", "SINHALA"),
    *("THAI", "LAO", "KHMER", "MYANMAR"),
)
"""Scripts that leave vowels out, or whose vowels have many spellings in Latin letters."""

_SOUNDS = tuple(
    (re.compile(pattern), letters)
    for pattern, letters in (
        (r"sch|sh|ch", "s"),
        (r"x", "s"),
        (r"ph", "f"),
        (r"kh|gh", "h"),
        (r"zh|dz|dj", "j"),
        (r"ts|tz|cz", "z"),
        (r"ck|[cqg]", "k"),
        (r"w", "v"),
        (r"ou|oo", "u"),
        (r"ee|ei|ey|ij|iy|yi", "i"),
        (r"[yj]", "i"),
        (r"(?<=[^aeiou])h", ""),
        (r"h$", ""),
        (r"(.)\1+", r"\1"),
    )
)
_SKELETON = tuple(
    (re.compile(pattern), letters)
    for pattern, letters in (
        (r"sch|sh|ch|x", "s"),
        (r"ph", "f"),
        (r"kh|gh|[cqg]", "k"),
        (r"[aeiouyvw]", ""),
        (r"(.)\1+", r"\1"),
    )
)


_VOWELS = str.maketrans("iu", "eo")
"""Vowels that transliterations exchange: Usama and Osama, Ladin and Laden."""

_FEMININE = ("a", "le", "ine")
_FAMILY_ENDINGS = ("ov", "ev", "in", "sky")


class Word(NamedTuple):
    """One word of a name in its forms of comparison."""

    text: str
    """Lower-case letters and digits of ASCII."""
    icao: str
    """The same word as a passport's machine-readable zone spells it: `mueller` for `müller`."""
    sound: str
    """The word with one letter for each sound, so that transliterations agree."""
    skeleton: str
    """The consonants that every transliteration keeps."""
    from_consonants: bool
    """Whether the word comes from a script without vowels, so that only consonants compare."""

    @property
    def is_initial(self) -> bool:
        return len(self.text) == 1


@lru_cache(maxsize=65536)
def words_of(text: str) -> tuple[Word, ...]:
    """The words in a text without spaces, apostrophes and hyphens: usually one.

    Scripts that write a name without spaces give a word for each sign.
    """
    if text.isascii():
        return (word_of(text.casefold()),)
    letters = unicodedata.normalize("NFC", text).casefold()
    bare = any(unicodedata.name(letter, "").startswith(_WITHOUT_VOWELS) for letter in letters)
    plain = _ascii(letters)
    icao = _ascii(letters.translate(_ICAO))
    if len(plain) != 1 or len(icao) != 1:
        return tuple(word_of(word, "", bare) for word in plain)
    return (word_of(plain[0], icao[0], bare),)


@lru_cache(maxsize=262144)
def word_of(text: str, icao: str = "", from_consonants: bool = False) -> Word:
    """A word of plain letters in all its forms."""
    return Word(
        text,
        icao or text,
        _replaced(text, _SOUNDS),
        _replaced(text, _SKELETON),
        from_consonants,
    )


def joined(*words: Word) -> Word:
    """Several words written as one."""
    if len(words) == 1:
        return words[0]
    return word_of(
        "".join(word.text for word in words),
        "".join(word.icao for word in words),
        any(word.from_consonants for word in words),
    )


def _replaced(text: str, rules: tuple[tuple[re.Pattern[str], str], ...]) -> str:
    for pattern, letters in rules:
        text = pattern.sub(letters, text)
    return text


@lru_cache(maxsize=262144)
def word_similarity(first: Word, second: Word) -> float:
    """How alike two words are, from 0 to 1; 0 when they are words of different names."""
    if first.text == second.text or first.icao == second.icao:
        return EQUAL
    if first.text == second.icao or first.icao == second.text:
        return EQUAL
    if first.is_initial or second.is_initial:
        return INITIAL if first.text[0] == second.text[0] else 0.0
    if short_name_groups(first.text) & short_name_groups(second.text):
        return SHORT_FORM
    if first.from_consonants or second.from_consonants:
        return SAME_SOUND if first.skeleton and first.skeleton == second.skeleton else 0.0
    return _by_letters(first, second)


def _by_letters(first: Word, second: Word) -> float:
    if first.sound == second.sound:
        return SAME_SOUND
    if first.sound.translate(_VOWELS) == second.sound.translate(_VOWELS):
        return SAME_CONSONANTS
    shorter, longer = sorted((first.text, second.text), key=len)
    if len(shorter) < 4 or _are_two_names(shorter, longer):
        return 0.0
    heard = OSA.distance(first.sound, second.sound, score_cutoff=2)
    sounds = min(len(first.sound), len(second.sound))
    if first.skeleton == second.skeleton and heard <= 2 and sounds > 5:
        return SAME_CONSONANTS
    distance = OSA.distance(first.text, second.text, score_cutoff=2)
    if sounds > 5:
        distance = min(distance, heard)
    allowed = 2 if len(shorter) >= 9 else 1
    return max(0.8, 1 - distance / len(longer)) if distance <= allowed else 0.0


def _are_two_names(shorter: str, longer: str) -> bool:
    """Whether a small difference makes another name, and not a misspelled one.

    Another last vowel or an added ending is often another gender (Mario, Maria; Juan, Juana). One
    letter in place of another makes a short word another word (Hall, Hill).
    """
    ending = longer.removeprefix(shorter)
    if len(shorter) < 6 and len(ending) == 1:
        return True
    is_family_name = len(shorter) > 6 and shorter.endswith(_FAMILY_ENDINGS)
    if ending in _FEMININE and len(shorter) < 8 and not is_family_name:
        return True
    if len(shorter) != len(longer):
        return False
    if {shorter[-1], longer[-1]} == {"a", "o"} and shorter[:-1] == longer[:-1]:
        return True
    return len(shorter) < 6 and sorted(shorter) != sorted(longer)


def _ascii(letters: str) -> list[str]:
    """The words of letters in ASCII. A sign that stands for a whole word begins with a capital."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", anyascii(letters))
    return ["".join(filter(str.isalnum, word)) for word in spaced.casefold().split()]
