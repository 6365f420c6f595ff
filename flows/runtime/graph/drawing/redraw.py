"""Draw a map with Graphviz, for the file that is checked in beside it.

`make drawing` runs this on a developer's machine. The desk itself never starts `dot`.
"""

from __future__ import annotations

import argparse
import pkgutil
from collections.abc import Sequence
from pathlib import Path

import graphviz

from flows.runtime.graph.drawing.drawing import to_dot
from flows.runtime.graph.drawing.svg import framed, paint
from flows.runtime.graph.workflow import Workflow


def draw_with_dot(workflow: Workflow) -> str:
    """The map as `dot` lays it out, with every node pending.

    Raises graphviz.ExecutableNotFound where `dot` is not installed.
    """
    drawn = str(graphviz.Source(to_dot(workflow)).pipe(format="svg", encoding="utf-8"))
    return paint(framed(drawn, workflow), workflow, {})


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the named workflow into a file."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("workflow", help="module:name of the workflow")
    parser.add_argument("file", type=Path, help="the SVG file to write")
    options = parser.parse_args(arguments)
    workflow: Workflow = pkgutil.resolve_name(options.workflow)
    try:
        drawn = draw_with_dot(workflow)
    except graphviz.ExecutableNotFound:
        parser.exit(
            1,
            "make drawing needs Graphviz, and `dot` is not installed.\n"
            "Install it (on Debian and Ubuntu: apt-get install graphviz) and run it again.\n",
        )
    options.file.write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    main()
