"""The layout of a letter: the same blocks as plain text and as a page that prints.

The page has its styles in itself and loads nothing, so it looks the same in ten years. Its size is
that of the printer's paper, A4 or Letter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

_STYLE = """
@page { margin: 18mm 20mm; }
body { font: 11pt/1.45 Georgia, 'Times New Roman', serif; color: #111; background: #fff;
  max-width: 42em; margin: 2em auto; padding: 0 1.5em; }
h1 { font-size: 14pt; margin: 1.6em 0 .8em; }
h2 { font-size: 11pt; margin: 1.4em 0 .3em; }
p, ul, table { margin: 0 0 .9em; }
.party { white-space: pre-line; }
table { border-collapse: collapse; }
th, td { text-align: left; vertical-align: top; padding: .15em 1.2em .15em 0; font-weight: normal; }
td { font-variant-numeric: tabular-nums; }
@media print {
  body { max-width: none; margin: 0; padding: 0; font-size: 10pt; line-height: 1.35; }
  h1, h2 { break-after: avoid; }
  .party { break-before: avoid; }
  p, li, tr, table, .party { break-inside: avoid; }
}
"""


@dataclass(frozen=True)
class Paragraph:
    """Some sentences."""

    words: str

    def text(self) -> str:
        return self.words

    def html(self) -> str:
        return f"<p>{escape(self.words)}</p>"


@dataclass(frozen=True)
class Lines:
    """A name with its address, a line each."""

    lines: Sequence[str]

    def text(self) -> str:
        return "\n".join(self.lines)

    def html(self) -> str:
        return f'<p class="party">{escape(self.text())}</p>'


@dataclass(frozen=True)
class Listing:
    """A title and its items."""

    title: str
    items: Sequence[str]

    def text(self) -> str:
        return "\n".join((self.title, *(f"- {item}" for item in self.items)))

    def html(self) -> str:
        items = "".join(f"<li>{escape(item)}</li>" for item in self.items)
        return f"<h2>{escape(self.title)}</h2><ul>{items}</ul>"


@dataclass(frozen=True)
class Figures:
    """Names and values, such as the terms of a loan."""

    title: str
    rows: Sequence[tuple[str, str]]

    def text(self) -> str:
        return "\n".join((self.title, *(f"{name}: {value}" for name, value in self.rows)))

    def html(self) -> str:
        rows = "".join(
            f"<tr><th scope='row'>{escape(name)}</th><td>{escape(value)}</td></tr>"
            for name, value in self.rows
        )
        return f"<h2>{escape(self.title)}</h2><table>{rows}</table>"


Block = Paragraph | Lines | Listing | Figures


def as_text(blocks: Iterable[Block]) -> str:
    """The letter in plain text, with an empty line between two blocks."""
    return "\n\n".join(block.text() for block in blocks) + "\n"


def as_page(title: str, head: Iterable[Block], body: Iterable[Block]) -> str:
    """The letter as a page: sender and date above the title, the letter below it."""
    above, below = ("\n".join(block.html() for block in part) for part in (head, body))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"{above}\n<h1>{escape(title)}</h1>\n{below}\n</body>\n</html>\n"
    )
