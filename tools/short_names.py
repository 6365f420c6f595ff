"""Common short forms of given names in the United States."""

from __future__ import annotations

from collections import defaultdict

_FORMS = """
abigail abby gail
albert al bert
alexander alex sasha aleksandr alexandr oleksandr sandy
alexandra alex sasha sandra
alfred al fred
andrew andy drew
anthony tony
barbara barb babs
benjamin ben benny
catherine katherine kathryn cathy kathy kate katie
charles charlie chuck
christina christine chris tina
christopher chris
daniel dan danny
david dave
deborah debra deb debbie
donald don
dorothy dot dottie
edward ed eddie ted ned
elizabeth liz beth betty lizzie eliza
emily em
eugene gene
frances fran
francis frank
francisco paco pancho
frederick fred freddie
gabriel gabe
george georgie
gerald gerry jerry
gregory greg
guadalupe lupe
harold hal harry
henry hank harry
ignacio nacho
jacob jake
james jim jimmy jamie
jeffrey jeff
jennifer jen jenny
jessica jess
jesus chuy
john johnny jack
jonathan jon
jose pepe
joseph joe joey
joshua josh
judith judy
kenneth ken kenny
kimberly kim
lawrence larry
leonard len lenny leo
manuel manny manolo
margaret maggie meg peggy marge
matthew matt
melissa missy
michael mike mick mickey
nathaniel nathan nate
nicholas nick
pamela pam
patricia pat patty trish tricia
patrick pat paddy
peter pete
philip phillip phil
raymond ray
rebecca becky
richard rick rich dick ricky
robert bob bobby rob robbie
ronald ron ronnie
rosario charo
samantha sam
samuel sam sammy
stephanie steph
stephen steven steve
susan sue susie
theodore ted teddy theo
theresa teresa terry tess
thomas tom tommy
timothy tim
victoria vicky
vincent vince
vladimir vova volodymyr
walter walt
william will bill billy willie liam
zachary zach zack
"""
"""A line for each name: the whole name and the forms that people use for it."""


def _groups() -> dict[str, frozenset[int]]:
    found: dict[str, set[int]] = defaultdict(set)
    for number, line in enumerate(_FORMS.split("\n")):
        for form in line.split():
            found[form].add(number)
    return {form: frozenset(numbers) for form, numbers in found.items()}


_GROUPS = _groups()
_NONE: frozenset[int] = frozenset()


def short_name_groups(word: str) -> frozenset[int]:
    """The names of which a word in lower case is a form. `alex` is a form of two names."""
    return _GROUPS.get(word, _NONE)
