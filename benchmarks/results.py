"""All figures of a run in one file, small enough to commit, and two such files side by side.

    SUITE.json:  schema, suite, protocol (its digest), model, made (versions, machine; how often),
                 rows: key, method, kind, settings, items, evaluations, seconds, measures

A row's lists are in the order of its items; an item that a measure was not taken of has null.
Nothing in it names a person, a host or a folder. Two files are compared by the means of every
measure over the items of both; they may differ by half the bootstrap interval of the stated one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.protocol import HERE, Item
from benchmarks.records import Records, Row
from benchmarks.report import header, label, line
from benchmarks.stats import Interval, bootstrap, mean
from dreamsampler.files import InputError

SCHEMA = 1
COMMITTED = HERE / "results"
"""The figures that everybody can check; the word `committed` stands for them."""
DIGITS = 5
"""Significant digits of every figure: more differ from run to run on one machine."""
TIMES = {"seconds", "each", "loop"}
"""Of a machine, not of a method: shown, never judged."""
EQUAL = 0.5 * 10.0 ** (1 - DIGITS)
"""Relative difference that may come from rounding to so many digits alone."""

Results = dict[str, Any]


def results_of(records: Records, rows: Sequence[Row], items: Sequence[Item]) -> Results:
    """What is recorded of some rows and items, as plain values; rows by their keys."""
    measured: list[Results] = []
    made: dict[str, Results] = {}
    for row in sorted(rows, key=lambda r: r.key):
        every = {i.id: record for i in items if (record := records.read(row, i)) is not None}
        for each in every.values():
            source = {"machine": each["machine"], "versions": each["versions"]}
            one = made.setdefault(json.dumps(source, sort_keys=True), {**source, "records": 0})
            one["records"] += 1
        if not every:
            continue
        names = sorted({name for each in every.values() for name in each["measures"]})
        figures = {
            name: [rounded(each["measures"].get(name)) for each in every.values()] for name in names
        }
        measured.append(
            {
                **asdict(row),
                "items": [*every],
                "evaluations": [each["evaluations"] for each in every.values()],
                "seconds": [rounded(each["seconds"]) for each in every.values()],
                "measures": figures,
            }
        )
    return {
        "schema": SCHEMA,
        "suite": records.protocol.suite,
        "protocol": records.protocol.digest,
        "model": records.model,
        "made": [made[key] for key in sorted(made)],
        "rows": measured,
    }


def rounded(value: float | None) -> float | None:
    """A figure to the digits that count.

    Example:
        >>> rounded(123.456789)
        123.46
    """
    return None if value is None else float(f"{value:.{DIGITS}g}")


def text_of(results: Results) -> str:
    """The text of the file: keys in order, a list of figures on one line, for readable diffs."""
    return f"{_indented(results, 0)}\n"


def _indented(value: Any, depth: int) -> str:
    inner, close = "\n" + " " * (depth + 1), "\n" + " " * depth
    if isinstance(value, dict) and value:
        parts = (f"{json.dumps(k)}: {_indented(value[k], depth + 1)}" for k in sorted(value))
        return "{" + inner + f",{inner}".join(parts) + close + "}"
    if isinstance(value, list) and any(isinstance(each, dict) for each in value):
        return "[" + inner + f",{inner}".join(_indented(v, depth + 1) for v in value) + close + "]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def read_results(against: str, suite: str) -> tuple[str, Results]:
    """The name and the figures of another run.

    Args:
        against: its SUITE.json, or `committed`.
        suite: of which suite.

    Raises:
        InputError: no file, a file that holds something else, or another suite's.
    """
    path = COMMITTED / f"{suite}.json" if against == "committed" else Path(against)
    name = f"benchmarks/results/{path.name}" if against == "committed" else str(path)
    if not path.is_file():
        raise InputError(
            f"there is no file {path} to compare with: pass the {suite}.json of another run's "
            "folder, or leave against out"
        )
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
        kind = results["schema"], results["suite"]
        for row in results["rows"]:
            lists = [row["evaluations"], row["seconds"], *row["measures"].values()]
            if any(len(each) != len(row["items"]) for each in lists):
                raise ValueError(f"row {row['key']} has more figures than items, or fewer")
        _ = results["protocol"], results["model"]["name"], results["model"]["weights"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} holds no figures of a suite ({error})") from error
    if kind != (SCHEMA, suite):
        raise InputError(
            f"{path} holds the suite {kind[1]!r} in schema {kind[0]}, but it must hold {suite!r} "
            f"in schema {SCHEMA}"
        )
    return name, results


def check_comparable(name: str, theirs: Results, protocol: str, model: dict[str, Any]) -> None:
    """Refuse figures of another protocol or of another model; dtype and device may differ.

    Raises:
        InputError: such figures.
    """
    if theirs["protocol"] != protocol:
        raise InputError(
            f"{name} is of protocol {theirs['protocol'][:12]}, and this run of {protocol[:12]}: "
            "figures of two protocols cannot be compared; check out the commit that it is from"
        )
    other, revision = theirs["model"], model.get("revision")
    same = revision is not None and other.get("revision") == revision
    if not same and other["weights"] != model["weights"]:  # which depend on their dtype
        raise InputError(
            f"{name} is of the model {other['name']} ({other['weights']}), and this run of "
            f"{model['name']} ({model['weights']}): figures of two models cannot be compared"
        )
    if other.get("brought") != model.get("brought"):
        raise InputError(
            f"{name} was measured with other measures of the user's own: pass the same"
        )


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
        """The difference over the half width; 0 where the means are equal but for rounding."""
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
    measured: list[Figure] = []
    for row in ours["rows"]:
        other = known.get(row["key"])
        if other is None or not same(row, other):
            continue
        name = row["method"]
        if row["kind"] == "sweep":
            name = label(Row(row["key"], row["method"], row["kind"], row["settings"]))
        for measure in [*row["measures"], "evaluations", "seconds"]:
            mine, stated = _by_item(row, measure), _by_item(other, measure)
            both = [i for i in mine if mine[i] is not None and stated.get(i) is not None]
            if both:
                interval = bootstrap([stated[i] for i in both])
                measured.append(
                    Figure(name, measure, len(both), interval, mean([mine[i] for i in both]))
                )
    return measured


def same(one: Results, other: Results) -> bool:
    """Whether two rows of one key are the same method with the same settings."""
    return (one["method"], one["settings"]) == (other["method"], other["settings"])


def _by_item(row: Results, measure: str) -> dict[str, Any]:
    lists = {**row["measures"], "evaluations": row["evaluations"], "seconds": row["seconds"]}
    return dict(zip(row["items"], lists[measure], strict=True)) if measure in lists else {}


def comparison(name: str, theirs: Results, ours: Results) -> str:
    """Markdown: every figure of both runs, and how many lie within what was stated.

    Args:
        name: of their file.
        theirs: their figures.
        ours: this run's.
    """
    measured = figures(theirs, ours)
    lines = [f"## Against {name}", "", f"Theirs: {_made(theirs)}. Here: {_made(ours)}.", ""]
    if measured:
        titles = ("method", "measure", "items", "theirs", "here", "difference", "within")
        lines += [header(*titles), *map(_line, measured), ""]
    return "\n".join([*lines, *_left_out(theirs, ours), summary(measured), ""])


def _made(results: Results) -> str:
    """On what, and in what precision."""
    parts: list[str] = []
    for each in results["made"]:
        machine, torch = each["machine"], each["versions"].get("torch", "unknown")
        name = machine["name"] if isinstance(machine, dict) else machine
        parts.append(f"{name}, torch {torch}, {each['records']} records")
    dtype = results["model"].get("dtype", "").removeprefix("torch.")
    return "; ".join([*parts, *([dtype] if dtype else [])])


def _line(each: Figure) -> str:
    stated = f"{_short(each.theirs.mean)} ± {_short(each.theirs.half)}"
    apart = f"{each.ours - each.theirs.mean:+.3g}"
    judged = ("yes" if each.within else "**no**") if each.judged else "not judged"
    return line(each.method, each.measure, each.items, stated, _short(each.ours), apart, judged)


def _short(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"


def _left_out(theirs: Results, ours: Results) -> list[str]:
    """Rows that were not compared, one line for each reason."""
    known = {row["key"]: row for row in theirs["rows"]}
    own = {row["key"]: row for row in ours["rows"]}
    other = [k for k, r in own.items() if k in known and not same(r, known[k])]
    rows = {
        "only here": [key for key in own if key not in known],
        "only there": [key for key in known if key not in own],
        "with other settings": other,
    }
    return [f"Rows {reason}: {', '.join(keys)}.\n" for reason, keys in rows.items() if keys]


def summary(measured: Sequence[Figure]) -> str:
    """How many figures are within, and which one is the furthest out."""
    judged = [each for each in measured if each.judged]
    if not judged:
        return "No figure is in both: nothing was compared."
    worst = max(judged, key=lambda each: (each.share, abs(each.ours - each.theirs.mean)))
    text = f"{sum(x.within for x in judged)} of {len(judged)} figures within the stated intervals"
    if worst.share == 0:
        return f"{text}; all are equal."
    apart = abs(worst.ours - worst.theirs.mean)
    what = f"{worst.method}, {worst.measure}: {apart:.3g} apart, ± {worst.theirs.half:.3g} stated"
    if worst.within:
        return f"{text}; largest difference {worst.share:.2f} of its interval's half ({what})."
    return f"{text}; largest excess {apart - worst.theirs.half:.3g} ({what})."
