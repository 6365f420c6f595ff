"""Made-up tables whose risk is known."""

from __future__ import annotations

import math
import random
from pathlib import Path

from tools.modelling.table import Table, read_table

HEADER = ("key", "debt", "late", "purpose", "sex", "ForeignWorker", "seen", "answer")
PURPOSES = {"car": -0.6, "holiday": 0.8, "kitchen": 0.0}


def lines(rows: int = 1000, seed: int = 1, good_and_bad: tuple[str, str] = ("0", "1")) -> list[str]:
    """Rows whose risk rises with debt, late payments and the purpose."""
    draw = random.Random(seed)
    made = [",".join(HEADER)]
    for at in range(rows):
        debt, late = draw.uniform(0, 1), draw.choice((0, 0, 0, 1, 2, 3))
        purpose = draw.choice(sorted(PURPOSES))
        risk = -2 + 1.5 * debt + 0.6 * late + PURPOSES[purpose]
        is_bad = draw.random() < 1 / (1 + math.exp(-risk))
        cell = "" if draw.random() < 0.1 else f"{debt:.4f}"
        made.append(
            f"A{at},{cell},{late},{purpose},{draw.choice('mf')},{draw.choice(('yes', 'no'))},"
            f"2024-01-{1 + at % 28:02d},{good_and_bad[is_bad]}"
        )
    return made


def table(folder: Path, made: list[str] | None = None, name: str = "rows.csv") -> Table:
    """A table as the command reads it."""
    return read_table(written(folder, made or lines(), name))


def written(folder: Path, made: list[str], name: str = "rows.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(made) + "\n", encoding="utf-8")
    return path
