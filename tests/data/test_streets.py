"""Lines of addresses that name a street, and lines that name only a box."""

import pytest

from data.contracts.streets import names_street


@pytest.mark.parametrize(
    "line",
    [
        "410 Alder Street",
        "410 Alder Street Apt 5",
        "12 Box Elder",
        "Boxwood Lane 4",
        "1 General Delaney Street",
        "12 Main St, PO Box 5",
        "RR 2 Box 152",
        "HC 68 Box 23A",
        "PSC 123 Box 45",
        "Calle Sol 12",
    ],
)
def test_a_street_a_route_or_a_post_of_the_armed_forces_is_a_place_to_live(line: str) -> None:
    assert names_street(line)


@pytest.mark.parametrize(
    "line",
    [
        "PO Box 12",
        "po box",
        "P.O.Box12",
        "POB 12",
        "P O Drawer 7",
        "Post Office Box 4",
        "Box 4",
        "Caller 22",
        "General Delivery",
        "GEN DEL",
        "General Delivery Springfield",
        "PO Box 12 Apt 3",
        "PO Box 12 Springfield",
        "C/O Jo, PO Box 5",
        "410 Alder St PMB 3",
    ],
)
def test_a_box_or_general_delivery_alone_is_none(line: str) -> None:
    assert not names_street(line)
