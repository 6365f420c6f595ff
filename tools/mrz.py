"""The machine-readable zone of passports (TD3) and identity cards (TD1), as in ICAO 9303.

A zone proves something only together with the printed page: its check digits hold, and its number,
dates and name are those of the page.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from tools.names import MATCHES_FROM, likeness

_TD3, _TD1 = (2, 44), (3, 30)
_WEIGHTS = (7, 3, 1)


@dataclass(frozen=True)
class MachineReadable:
    """The fields of a zone whose check digits hold."""

    number: str
    name: str
    """Last name first; words are separated by spaces."""
    is_name_cut: bool
    """Whether the name fills its field, so that the rest of it may be missing."""
    dob: str
    expiry: str
    """Both as `YYMMDD`."""


def check_digit(text: str) -> int:
    """The check digit with weights 7-3-1, modulo 10. A to Z count as 10 to 35, `<` as 0.

    Raises ValueError for any other character.
    """
    return sum(_value(character) * _WEIGHTS[place % 3] for place, character in enumerate(text)) % 10


def read_mrz(lines: tuple[str, ...]) -> MachineReadable | None:
    """The fields of a zone; None when its size is unknown or a check digit is wrong."""
    sizes = {len(line) for line in lines}
    if len(sizes) != 1:
        return None
    size = (len(lines), sizes.pop())
    try:
        if size == _TD3:
            return _read_td3(*lines)
        return _read_td1(*lines) if size == _TD1 else None
    except ValueError:
        return None


def mrz_agrees(
    lines: tuple[str, ...], full_name: str, number: str, dob: date, expiry: date
) -> bool:
    """Whether a zone is consistent and says the same as the printed page."""
    zone = read_mrz(lines)
    return (
        zone is not None
        and zone.dob == f"{dob:%y%m%d}"
        and zone.expiry == f"{expiry:%y%m%d}"
        and zone.number == _plain(number)
        and _is_same_name(zone, full_name)
    )


def _read_td3(first: str, second: str) -> MachineReadable | None:
    optional, optional_digit = second[28:42], second[42]
    checked = [
        (second[0:9], second[9]),
        (second[13:19], second[19]),
        (second[21:27], second[27]),
        (second[0:10] + second[13:20] + second[21:43], second[43]),
    ]
    if (optional.strip("<"), optional_digit) != ("", "<"):
        # Only the empty optional field may go without a check digit.
        checked.append((optional, optional_digit))
    if first[0] != "P" or not _all_hold(checked):
        return None
    return _zone(second[0:9], first[5:44], second[13:19], second[21:27])


def _read_td1(first: str, second: str, third: str) -> MachineReadable | None:
    number, digit = first[5:14], first[14]
    if digit == "<":
        # A longer number goes on in the optional field, with its check digit at the end.
        rest = first[15:30].partition("<")[0]
        number, digit = number + rest[:-1], rest[-1:]
    checked = [
        (number, digit),
        (second[0:6], second[6]),
        (second[8:14], second[14]),
        (first[5:30] + second[0:7] + second[8:15] + second[18:29], second[29]),
    ]
    if first[0] not in "ACI" or not _all_hold(checked):
        return None
    return _zone(number, third, second[0:6], second[8:14])


def _zone(number: str, name: str, dob: str, expiry: str) -> MachineReadable:
    return MachineReadable(
        number=_plain(number),
        name=" ".join(name.replace("<", " ").split()),
        is_name_cut=not name.endswith("<"),
        dob=dob,
        expiry=expiry,
    )


def _all_hold(checked: list[tuple[str, str]]) -> bool:
    return all(str(check_digit(text)) == digit for text, digit in checked)


def _is_same_name(zone: MachineReadable, printed: str) -> bool:
    if likeness(zone.name, printed).score >= MATCHES_FROM:
        return True
    whole, _, _cut = zone.name.rpartition(" ")
    return zone.is_name_cut and likeness(whole, printed).score >= MATCHES_FROM


def _plain(number: str) -> str:
    return "".join(filter(str.isalnum, number)).upper()


def _value(character: str) -> int:
    if character == "<":
        return 0
    if character.isascii() and (character.isdigit() or character.isupper()):
        return int(character, 36)
    raise ValueError("not a character of a machine-readable zone")
