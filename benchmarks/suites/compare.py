"""Two runs of a suite side by side: which of the stated figures another machine finds as well.

A figure is the mean of a measure over the items that both runs have. The stated interval is that
of `bootstrap` over the same items of the other run; half of it is what the means may differ by.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.suites.bootstrap import Interval, bootstrap
from benchmarks.suites.records import Row
from benchmarks.suites.report import label, mean
from benchmarks.suites.results import DIGITS, Results

TIMES = {"seconds", "each", "loop"}
"""Of a machine, not of a method: shown, never judged."""
EQUAL = 0.5 * 10.0 ** (1 - DIGITS)
"""Relative difference that may come from rounding to so many digits alone."""


class Figure(NamedTuple):
    """A mean of theirs and one of ours.

    Args:
        method: what the table calls the row.
        measure: of what.
        items: how many items both runs have.
        theirs: their mean, and where it may lie.
        ours: our mean.
    """

    method: str
    measure: str
    items: int
    theirs: Interval
    ours: float

    @property
    def judged(self) -> bool:
        """Whether it says something of the method."""
        return self.measure not in TIMES

    @property
    def share(self) -> float:
        """Of the half width, what the means differ by; 0 where they are equal but for rounding."""
        apart = abs(self.ours - self.theirs.mean)
        if apart <= EQUAL * max(abs(self.ours), abs(self.theirs.mean)):
            return 0.0
        return apart / self.theirs.half if self.theirs.half > 0 else math.inf

    @property
    def within(self) -> bool:
        """Whether the difference is less than the half width, or nothing."""
        return self.share < 1


def figures(theirs: Results, ours: Results) -> list[Figure]:
    """Every measure of every row that both runs have with the same settings, in our order."""
    known = {row["key"]: row for row in theirs["rows"]}
    return [
        figure
        for row in ours["rows"]
        if row["key"] in known and same(row, known[row["key"]])
        for figure in _of_row(known[row["key"]], row)
    ]


def same(one: Results, other: Results) -> bool:
    """Whether two rows of one key are the same method with the same settings."""
    return (one["method"], one["settings"]) == (other["method"], other["settings"])


def _of_row(theirs: Results, ours: Results) -> list[Figure]:
    shared = [name for name in ours["items"] if name in set(theirs["items"])]
    name = ours["method"]
    if ours["kind"] == "sweep":
        name = label(Row(ours["key"], ours["method"], ours["kind"], ours["settings"]))
    told: list[Figure] = []
    for measure in [*ours["measures"], "evaluations", "seconds"]:
        pairs = _pairs(theirs, ours, measure, shared)
        if pairs:
            stated, found = zip(*pairs, strict=True)
            told.append(Figure(name, measure, len(pairs), bootstrap(stated), mean(found)))
    return told


def _pairs(
    theirs: Results, ours: Results, measure: str, shared: Sequence[str]
) -> list[tuple[float, float]]:
    """(their figure, ours) of every shared item that has both."""
    both = [_by_item(row, measure) for row in (theirs, ours)]
    pairs = [(both[0].get(name), both[1].get(name)) for name in shared]
    return [(a, b) for a, b in pairs if a is not None and b is not None]


def _by_item(row: Results, measure: str) -> dict[str, float | None]:
    lists = {**row["measures"], "evaluations": row["evaluations"], "seconds": row["seconds"]}
    every = lists.get(measure)
    return {} if every is None else dict(zip(row["items"], every, strict=True))


def comparison(name: str, theirs: Results, ours: Results) -> str:
    """Markdown: every figure of both runs, and how many lie within what was stated.

    Args:
        name: of their file.
        theirs: their figures.
        ours: this run's.
    """
    found = figures(theirs, ours)
    lines = [f"## Against {name}", "", f"Theirs: {_made(theirs)}. Here: {_made(ours)}.", ""]
    lines += [*_table(found), ""] if found else []
    return "\n".join([*lines, *_left_out(theirs, ours), verdict(found), ""])


def _made(results: Results) -> str:
    """On what, and in what precision."""
    told: list[str] = []
    for each in results["made"]:
        machine, torch = each["machine"], each["versions"].get("torch", "unknown")
        where = machine["name"] if isinstance(machine, dict) else machine
        told.append(f"{where}, torch {torch}, {each['records']} records")
    dtype = results["model"].get("dtype", "").removeprefix("torch.")
    return "; ".join([*told, *([dtype] if dtype else [])])


def _table(found: Sequence[Figure]) -> list[str]:
    lines = ["| method | measure | items | theirs | here | difference | within |", "|---" * 7 + "|"]
    for each in found:
        stated = f"{_short(each.theirs.mean)} ± {_short(each.theirs.half)}"
        apart = f"{each.ours - each.theirs.mean:+.3g}"
        judged = ("yes" if each.within else "**no**") if each.judged else "not judged"
        cells = each.method, each.measure, each.items, stated, _short(each.ours), apart, judged
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return lines


def _short(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"


def _left_out(theirs: Results, ours: Results) -> list[str]:
    """Rows that only one run has, in a line each; nobody shall think that they were compared."""
    known = {row["key"]: row for row in theirs["rows"]}
    own = {row["key"]: row for row in ours["rows"]}
    told = [
        ("only here", [r for k, r in own.items() if k not in known]),
        ("only there", [r for k, r in known.items() if k not in own]),
        (
            "with other settings",
            [r for k, r in own.items() if k in known and not same(r, known[k])],
        ),
    ]
    return [f"Rows {what}: {', '.join(r['key'] for r in rows)}.\n" for what, rows in told if rows]


def verdict(found: Sequence[Figure]) -> str:
    """How many figures are within, and which one is the furthest out."""
    judged = [each for each in found if each.judged]
    if not judged:
        return "No figure is in both: nothing was compared."
    kept = sum(each.within for each in judged)
    worst = max(judged, key=lambda each: (each.share, abs(each.ours - each.theirs.mean)))
    told = f"{kept} of {len(judged)} figures within the stated intervals"
    if worst.share == 0:
        return f"{told}; all are equal."
    apart = abs(worst.ours - worst.theirs.mean)
    what = f"{worst.method}, {worst.measure}: {apart:.3g} apart, ± {worst.theirs.half:.3g} stated"
    if worst.within:
        return f"{told}; largest difference {worst.share:.2f} of its interval's half ({what})."
    return f"{told}; largest excess {apart - worst.theirs.half:.3g} ({what})."
