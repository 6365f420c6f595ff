"""Reads the text out of a JSON answer while the answer is still arriving, sentence by sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

_START = re.compile(r'"text"\s*:\s*"')
_STRING = re.compile(r'(?:[^"\\]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*')
_SENTENCE = re.compile(r".+?(?:[.!?](?=\s)|\n)\s*", re.DOTALL)


class TextReader:
    """Feed it the pieces of an answer, and take what is complete."""

    def __init__(self) -> None:
        self.raw = ""
        """Everything so far."""
        self._taken = 0

    def feed(self, piece: str) -> Iterator[str]:
        """Take a piece. Yields the sentences that are complete with it, each once."""
        self.raw += piece
        rest = self._text()[self._taken :]
        start = 0
        # Not `findall`: after the last end it would look for one more from every character.
        while (found := _SENTENCE.match(rest, start)) is not None:
            start = found.end()
            self._taken += len(found[0])
            yield found[0]

    def rest(self) -> str:
        """What came after the last whole sentence."""
        return self._text()[self._taken :]

    def _text(self) -> str:
        """The text so far. Half of an escape at the end waits for its other half."""
        start = _START.search(self.raw)
        if start is None:
            return ""
        written = _STRING.match(self.raw, start.end())
        assert written is not None, "the pattern also matches nothing"
        text = str(json.loads(f'"{written[0]}"', strict=False))
        # Half of a pair of surrogates is no character yet.
        return text[:-1] if text and "\ud800" <= text[-1] <= "\udbff" else text
