"""A case as its reviewer reads it: the summary of the request, drawn on a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from rich.console import Group, RenderableType
from rich.markdown import Markdown
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

_LINK = re.compile(r"\[(?P<said>[^\]]+)\]\((?P<target>\S+)\)")
_LINES_OF_ONE_ROW = 3
"""The header of a table, the line below it, and the row."""


def case_page(summary: str) -> RenderableType:
    """The summary, which is Markdown, at any width.

    A table of one row is a list of facts here: a narrow terminal would cut its cells. A link
    shows its address, because not every terminal opens links.
    """
    facts: dict[str, str] = {}
    texts: list[str] = []
    for is_table, lines in groupby(summary.splitlines(), lambda line: line.startswith("|")):
        block = list(lines)
        if is_table and len(block) == _LINES_OF_ONE_ROW:
            names, _, values = map(_cells, block)
            facts |= zip(names, values, strict=False)
        else:
            texts.append("\n".join(block).strip())
    return Padding(Group(_list(facts), *_text("\n".join(filter(None, texts)))), (1, 0))


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def _list(facts: dict[str, str]) -> Table:
    shown = Table.grid(padding=(0, 2, 0, 0))
    shown.add_column(no_wrap=True, style="bold")
    shown.add_column(overflow="fold")
    for name, value in facts.items():
        shown.add_row(name, Text(value))
    return shown


def _text(text: str) -> Iterator[RenderableType]:
    rest, _, last = text.rpartition("\n")
    link = _LINK.fullmatch(last)
    yield Markdown(rest if link else text)
    if link:
        yield Text(f"\n{link['said']}:\n{link['target']}", overflow="fold")
