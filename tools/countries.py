"""Names of countries as lists write them, as codes of ISO 3166."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from tools.names import name_tokens

_OTHER_NAMES = {
    "Bahamas, The": "BS",
    "Bolivia": "BO",
    "Bosnia and Herzegovina": "BA",
    "Brunei": "BN",
    "Burma": "MM",
    "Cabo Verde": "CV",
    "Congo, Democratic Republic of the": "CD",
    "Congo, Republic of the": "CG",
    "Cote d Ivoire": "CI",
    "Czechia": "CZ",
    "Gambia, The": "GM",
    "Korea, North": "KP",
    "Korea, South": "KR",
    "Kosovo": "XK",
    "Laos": "LA",
    "Macau": "MO",
    "Moldova": "MD",
    "North Macedonia, The Republic of": "MK",
    "Palestinian": "PS",
    "Region: Gaza": "PS",
    "West Bank": "PS",
    "Russia": "RU",
    "South Sudan": "SS",
    "Sudan": "SD",
    "Syria": "SY",
    "Taiwan": "TW",
    "Tanzania": "TZ",
    "Turkey": "TR",
    "Turkiye": "TR",
    "United Kingdom": "GB",
    "United States": "US",
    "Venezuela": "VE",
    "Vietnam": "VN",
    "Virgin Islands, British": "VG",
    "Virgin Islands, US": "VI",
}
"""Names of the US Treasury that differ from those of the time zone database."""


def country_code(name: str) -> str | None:
    """The two letters of a country; None for a name that is not known. Two letters stay."""
    if len(name) == 2 and name.isascii() and name.isalpha():
        return name.upper()
    return _codes().get(name_tokens(name))


@cache
def _codes() -> dict[tuple[str, ...], str]:
    """The table of the time zone database, which is a dependency already, and the other names."""
    table = (files("tzdata") / "zoneinfo" / "iso3166.tab").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in table.splitlines() if not line.startswith("#")]
    found = {name_tokens(row[1]): row[0] for row in rows if len(row) == 2}
    return found | {name_tokens(name): code for name, code in _OTHER_NAMES.items()}
