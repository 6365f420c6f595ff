"""Rows for a terminal of any width: a table where it fits, otherwise a short block for each row.

No cell is cut. A cut amount would look like another amount.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from api.cli.references import SHOWN, is_whole

LONGEST_WORD = 18
"""Characters up to which a table keeps a cell on one line."""
NARROWEST = 15
"""Characters that a column of longer texts has at least."""

_GAP = 2
_BETWEEN = " · "


class Listing:
    """Named columns with their rows. Columns without a value are not shown.

    Where the table is too wide it does without the `spare` columns, the first one first.
    """

    def __init__(
        self, columns: Sequence[str], rows: Iterable[Sequence[str]], spare: Sequence[str] = ()
    ) -> None:
        self._columns = columns
        self._rows = [[_short(cell) for cell in row] for row in rows]
        self._spare = spare

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        filled = [at for at in range(len(self._columns)) if any(row[at] for row in self._rows)]
        kept = list(filled)
        for name in self._spare:
            if self._least_width(kept) > options.max_width:
                kept = [at for at in kept if self._columns[at] != name]
        if self._least_width(kept) <= options.max_width:
            yield self._table(kept)
        else:
            yield from self._blocks(filled, options.max_width)

    def _least_width(self, kept: Sequence[int]) -> int:
        return sum(map(self._least_width_of, kept)) + _GAP * (len(kept) - 1)

    def _least_width_of(self, at: int) -> int:
        """A header may wrap, and so may a longer text; other cells stay on one line."""
        cells = [row[at] for row in self._rows]
        longest = max(map(len, cells))
        words = self._columns[at].split()
        if at != 0 and longest > LONGEST_WORD:
            longest = NARROWEST
            words += [word for cell in cells for word in cell.split()]
        return max([longest, *map(len, words)])

    def _table(self, kept: Sequence[int]) -> Table:
        table = Table(
            header_style="bold underline", box=None, padding=(0, _GAP, 0, 0), pad_edge=False
        )
        for at in kept:
            table.add_column(self._columns[at], min_width=self._least_width_of(at), overflow="fold")
        for row in self._rows:
            table.add_row(*(escape(row[at]) for at in kept))
        return table

    def _blocks(self, filled: Sequence[int], width: int) -> Iterator[Text]:
        first, *others = filled
        for row in self._rows:
            yield Text(row[first], style="bold")
            cells = [self._named(at, row[at]) for at in others if row[at]]
            for line in _lines_of(cells, width):
                yield Text(line)

    def _named(self, at: int, cell: str) -> str:
        return f"{self._columns[at]}: {cell}" if self._columns[at] else cell


def _lines_of(cells: Iterable[str], width: int) -> Iterator[str]:
    """Cells side by side, as many as a line holds; a longer one is wrapped."""
    line = ""
    for cell in cells:
        longer = f"{line}{_BETWEEN}{cell}" if line else f"  {cell}"
        if line and len(longer) > width:
            yield line
            longer = f"  {cell}"
        *full, line = textwrap.wrap(longer, width, subsequent_indent="    ", drop_whitespace=True)
        yield from full
    if line:
        yield line


def _short(cell: str) -> str:
    """A cell, or the first characters of a run's id."""
    return cell[:SHOWN] if is_whole(cell) else cell
