"""Invented applicants: names, homes, employers and numbers that belong to no real person by intent.

Surnames, streets and employers do not exist. Mail is at example.com, telephones are in the range
555-0100 to 555-0199, and the tax numbers have a valid form without the areas that were first used
after 2011.
"""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from typing import Any

from data.synthetic.builder import Home, Person

_FIRST = tuple(
    """
    Ada Anders Beatriz Calvin Camila Cedric Dalia Darnell Edith Elias Farah Felix Gloria Hakeem
    Hana Ines Jamal Joyce Kamal Kirsten Leila Lorenzo Marisol Milo Nadine Odell Paloma Priya
    Quentin Rosalind Ruben Sanjay Selma Tobias Ursula Viktor Wanda Yusra Zadie Zoltan
    """.split()  # noqa: SIM905
)

_LAST = tuple(
    """
    Alderbrook Ambersley Bexcroft Birchmore Brackwell Caskwright Cinderford Copperlane
    Dapplewood Dunmarrow Elmsgate Everstrand Fallowmere Fenbright Gorsewick Greyhollow
    Hartsbourne Hazelnook Inglewater Ivybridge Juniperry Kestrelby Kingfallow Larkenfield
    Lindenquist Marrowby Meadowcraft Nettlecombe Northquill Oakenhurst Orchardine Pebblemoor
    Pinefeather Quillhaven Ravensholt Rushwater Saltmarch Silverthorne Tamsworth Thistledown
    Umberleigh Valebrook Vinterholm Wexmoor Willowby Yarrowdale Yewtonne Zephyrine
    """.split()  # noqa: SIM905
)

_EMPLOYERS = (
    "Prairie Freight Cooperative",
    "Lantern Street Bakery",
    "Halcyon Valley Clinic",
    "Copper Kettle Foods",
    "Blue Heron Logistics",
    "Foxglove School District",
    "Ninth Street Machine Works",
    "Marigold Home Care",
    "Tallgrass Software",
    "Cobalt Ridge Utilities",
    "Wren and Sparrow Hotels",
    "Old Mill Paper Company",
    "Juniper Insurance Services",
    "Granite Bay Builders",
    "Starling Transit Authority",
    "Clearwater Dental Group",
)
_STREETS = ("Alder", "Birch", "Cedar", "Elder", "Hawthorn", "Laurel", "Magnolia", "Rowan", "Sumac")
_KINDS_OF_STREET = ("Street", "Avenue", "Lane", "Court")

_PLACES = (
    ("Springfield", "IL", "627", "217", "Illinois Secretary of State"),
    ("Columbus", "OH", "432", "614", "Ohio Bureau of Motor Vehicles"),
    ("Austin", "TX", "787", "512", "Texas Department of Public Safety"),
    ("Fresno", "CA", "937", "559", "California Department of Motor Vehicles"),
    ("Tampa", "FL", "336", "813", "Florida Highway Safety and Motor Vehicles"),
    ("Macon", "GA", "312", "478", "Georgia Department of Driver Services"),
    ("Durham", "NC", "277", "919", "North Carolina Division of Motor Vehicles"),
    ("Spokane", "WA", "992", "509", "Washington Department of Licensing"),
    ("Duluth", "MN", "558", "218", "Minnesota Driver and Vehicle Services"),
    ("Pueblo", "CO", "810", "719", "Colorado Division of Motor Vehicles"),
    ("Mesa", "AZ", "852", "480", "Arizona Motor Vehicle Division"),
    ("Knoxville", "TN", "379", "865", "Tennessee Department of Safety"),
    ("Flint", "MI", "485", "810", "Michigan Secretary of State"),
    ("Roanoke", "VA", "240", "540", "Virginia Department of Motor Vehicles"),
)
_NOT_SERVED = (
    ("Hilo", "HI", "967", "808", "Hawaii County Motor Vehicle Registration"),
    ("Wheeling", "WV", "260", "304", "West Virginia Division of Motor Vehicles"),
    ("Dubuque", "IA", "520", "563", "Iowa Department of Transportation"),
)

_AREAS = [area for area in range(300, 600) if area not in {333, 444, 555}]
"""Areas of tax numbers without those that are advertised, or all of one digit."""
_NUMBERS = len(_AREAS) * 99 * 9999
_STRIDE = 104_729
"""A prime that does not divide `_NUMBERS`: steps of it meet every number once."""


def home(rng: Random, *, is_served: bool = True) -> Home:
    """A home in a state that the shipped policy serves, or in one that it does not."""
    city, state, prefix, area_code, licensed_by = rng.choice(_PLACES if is_served else _NOT_SERVED)
    return Home(
        street=f"{rng.randrange(10, 2000)} {rng.choice(_STREETS)} {rng.choice(_KINDS_OF_STREET)}",
        city=city,
        state=state,
        postal_code=f"{prefix}{rng.randrange(1, 100):02d}",
        area_code=area_code,
        licensed_by=licensed_by,
    )


def person(
    rng: Random,
    as_of: date,
    number: int,
    *,
    age: tuple[int, int] = (30, 64),
    income: tuple[int, int] = (3400, 9800),
    **differs: Any,
) -> Person:
    """An employee whose tax number follows from `number`, and no other number has it.

    Ages are years on the as-of date, incomes are dollars per month; both are ranges. Dependents
    are no more than the income can support.
    """
    born = as_of - timedelta(days=round(rng.randint(*age) * 365.25) + rng.randrange(1, 364))
    earns = rng.triangular(*income, income[0] + (income[1] - income[0]) / 3)
    grown_days = (as_of - born).days - 20 * 365
    found: dict[str, Any] = {
        "first": rng.choice(_FIRST),
        "last": rng.choice(_LAST),
        "ssn": _tax_number(number),
        "income": f"{round(earns / 10) * 10}.00",
        "housing": f"{round(earns * rng.uniform(0.14, 0.24) / 5) * 5}.00",
        "dob": born,
        "employer": rng.choice(_EMPLOYERS),
        "since": as_of - timedelta(days=rng.randrange(400, max(401, min(grown_days, 6000)))),
        "home": home(rng),
        "dependents": max(
            0, min(rng.choice((0, 0, 0, 1, 1, 2, 3)), int((0.4 * earns - 910) / 250))
        ),
        "as_of": as_of,
    }
    return Person(**(found | differs))


def _tax_number(number: int) -> str:
    place = number * _STRIDE % _NUMBERS
    rest, serial = divmod(place, 9999)
    area, group = divmod(rest, 99)
    return f"{_AREAS[area]}-{group + 1:02d}-{serial + 1:04d}"
