"""Check digits of the machine-readable zone of a passport (ICAO 9303, size TD3)."""

from __future__ import annotations

from datetime import date

_LENGTH = 44
_WEIGHTS = (7, 3, 1)


def check_digit(text: str) -> int:
    """The check digit with weights 7-3-1, modulo 10. A to Z count as 10 to 35, `<` as 0.

    Raises ValueError for any other character.
    """
    return sum(_value(character) * _WEIGHTS[place % 3] for place, character in enumerate(text)) % 10


def mrz_is_consistent(lines: tuple[str, ...], dob: date, expiry: date) -> bool:
    """Whether all five check digits are right and both dates equal the printed dates."""
    if len(lines) != 2 or any(len(line) != _LENGTH for line in lines):
        return False
    line = lines[1]
    optional, optional_digit = line[28:42], line[42]
    checked = [
        (line[0:9], line[9]),
        (line[13:19], line[19]),
        (line[21:27], line[27]),
        (line[0:10] + line[13:20] + line[21:43], line[43]),
    ]
    if (optional.strip("<"), optional_digit) != ("", "<"):
        # Only the empty optional field may go without a check digit.
        checked.append((optional, optional_digit))
    try:
        digits_hold = all(str(check_digit(text)) == digit for text, digit in checked)
    except ValueError:
        return False
    return digits_hold and line[13:19] == f"{dob:%y%m%d}" and line[21:27] == f"{expiry:%y%m%d}"


def _value(character: str) -> int:
    if character == "<":
        return 0
    if character.isascii() and (character.isdigit() or character.isupper()):
        return int(character, 36)
    raise ValueError("not a character of a machine-readable zone")
