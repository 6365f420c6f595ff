"""The machine-readable zone of a passport (ICAO 9303, size TD3): are its check digits right?"""

from __future__ import annotations

from datetime import date

_LENGTH = 44
_WEIGHTS = (7, 3, 1)


def check_digit(text: str) -> int:
    """Weights 7-3-1, modulo 10; digits count as themselves, A to Z as 10 to 35, `<` as 0.

    Raises ValueError for any other sign.
    """
    return sum(_value(sign) * _WEIGHTS[place % 3] for place, sign in enumerate(text)) % 10


def mrz_is_consistent(lines: tuple[str, ...], dob: date, expiry: date) -> bool:
    """Whether all five check digits hold and both dates are those printed on the page."""
    if len(lines) != 2 or any(len(line) != _LENGTH for line in lines):
        return False
    line = lines[1]
    checked = (
        (line[0:9], line[9]),
        (line[13:19], line[19]),
        (line[21:27], line[27]),
        (line[28:42], line[42]),
        (line[0:10] + line[13:20] + line[21:43], line[43]),
    )
    try:
        digits_hold = all(_holds(text, digit) for text, digit in checked)
    except ValueError:
        return False
    return digits_hold and line[13:19] == f"{dob:%y%m%d}" and line[21:27] == f"{expiry:%y%m%d}"


def _holds(text: str, digit: str) -> bool:
    # An empty optional field may carry `<` in the place of its digit.
    return check_digit(text) == (0 if digit == "<" else _value(digit))


def _value(sign: str) -> int:
    if sign == "<":
        return 0
    if sign.isascii() and (sign.isdigit() or sign.isupper()):
        return int(sign, 36)
    raise ValueError("not a sign of a machine-readable zone")
