"""`make bench`: the numbers to hold, each printed as soon as it is known.

Ratios are taken in pairs, in one run on this machine: other figures compare only with those of
the same machine at the same load.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from rich.console import Console

import tests.conftest  # noqa: F401 - this process's own environment, before Prefect is imported
from tests.benchmarks.catalogue import measurements
from tests.benchmarks.measuring import measure
from tests.benchmarks.report import Report


def main() -> int:
    """0 when all goals hold, 1 when one is missed, 2 for a name that is unknown."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--full", action="store_true", help="ten times as many runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there too")
    names = [measurement.name for measurement in measurements(1)]
    parser.add_argument(
        "--only", action="append", choices=names, metavar="NAME", help=f"some of {', '.join(names)}"
    )
    arguments = parser.parse_args()
    chosen = [
        measurement
        for measurement in measurements(10 if arguments.full else 1)
        if not arguments.only or measurement.name in arguments.only
    ]
    console = Console()
    report = Report(console, arguments.json)
    try:
        asyncio.run(measure(chosen, report, console))
    finally:
        report.close()
    return 0 if report.holds else 1


if __name__ == "__main__":
    sys.exit(main())
