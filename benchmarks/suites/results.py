"""All figures of a run in one file, small enough to commit, and two such files side by side.

    SUITE.json:  schema, suite, protocol (its digest), model, made (versions, machine; how often),
                 rows: key, method, kind, settings, items, evaluations, seconds, measures

A row's lists are in the order of its items; an item that a measure was not taken of has null.
Nothing in it names a person, a host or a folder.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.suites.protocol import HERE, Item
from benchmarks.suites.records import Records, Row
from dreamsampler.files import InputError

SCHEMA = 1
COMMITTED = HERE / "results"
"""Where the files lie that everybody can check; the word `committed` stands for them."""
DIGITS = 5
"""Significant digits of every figure: more differ from run to run on one machine."""

Results = dict[str, Any]


def results_of(records: Records, rows: Sequence[Row], items: Sequence[Item]) -> Results:
    """What is recorded of some rows and items, as plain values; rows by their keys.

    Args:
        records: of a run.
        rows: which rows.
        items: of which items, in the order of the protocol.
    """
    found = [(row, _recorded(records, row, items)) for row in sorted(rows, key=lambda r: r.key)]
    made: dict[str, Results] = {}
    for _, held in found:
        for each in held.values():
            with_what = {"machine": each["machine"], "versions": each["versions"]}
            one = made.setdefault(
                json.dumps(with_what, sort_keys=True), {**with_what, "records": 0}
            )
            one["records"] += 1
    return {
        "schema": SCHEMA,
        "suite": records.protocol.suite,
        "protocol": records.protocol.digest,
        "model": records.model,
        "made": [made[key] for key in sorted(made)],
        "rows": [_row(row, held) for row, held in found if held],
    }


def _recorded(records: Records, row: Row, items: Sequence[Item]) -> dict[str, Results]:
    every = {item.id: records.read(row, item) for item in items}
    return {name: held for name, held in every.items() if held is not None}


def _row(row: Row, held: dict[str, Results]) -> Results:
    """One row: a list a measure, one figure an item."""
    every = list(held.values())
    names = sorted({name for each in every for name in each["measures"]})
    return {
        **asdict(row),
        "items": list(held),
        "evaluations": [each["evaluations"] for each in every],
        "seconds": [rounded(each["seconds"]) for each in every],
        "measures": {
            name: [rounded(each["measures"].get(name)) for each in every] for name in names
        },
    }


def rounded(value: float | None) -> float | None:
    """A figure to the digits that count.

    Example:
        >>> rounded(123.456789)
        123.46
    """
    return None if value is None else float(f"{value:.{DIGITS}g}")


def text_of(results: Results) -> str:
    """The text of the file: keys in order, a list of figures on one line, for diffs to be read."""
    return f"{_lined(results, 0)}\n"


def _lined(value: Any, depth: int) -> str:
    inner, close = "\n" + " " * (depth + 1), "\n" + " " * depth
    if isinstance(value, dict) and value:
        parts = (f"{json.dumps(k)}: {_lined(value[k], depth + 1)}" for k in sorted(value))
        return "{" + inner + f",{inner}".join(parts) + close + "}"
    if isinstance(value, list) and any(isinstance(each, dict) for each in value):
        return "[" + inner + f",{inner}".join(_lined(v, depth + 1) for v in value) + close + "]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def found_at(against: str, suite: str) -> Path:
    """The file that a run is compared with.

    Args:
        against: its name, or `committed`.
        suite: of which suite, for the latter.
    """
    return COMMITTED / f"{suite}.json" if against == "committed" else Path(against)


def read_results(path: Path, suite: str) -> Results:
    """The figures of another run.

    Raises:
        InputError: no file, a file that holds something else, or another suite's.
    """
    if not path.is_file():
        raise InputError(
            f"there is no file {path} to compare with: pass the {suite}.json of another run's "
            "folder, or leave against out"
        )
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        kind = held["schema"], held["suite"]
        for row in held["rows"]:
            lists = [row["evaluations"], row["seconds"], *row["measures"].values()]
            if any(len(each) != len(row["items"]) for each in lists):
                raise ValueError(f"row {row['key']} has more figures than items, or fewer")
        _ = held["protocol"], held["model"]["name"], held["model"]["weights"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} holds no figures of a suite ({error})") from error
    if kind != (SCHEMA, suite):
        raise InputError(
            f"{path} holds the suite {kind[1]!r} in schema {kind[0]}, and {suite!r} in schema "
            f"{SCHEMA} was wanted"
        )
    return held


def check_comparable(path: Path, theirs: Results, protocol: str, model: dict[str, Any]) -> None:
    """Refuse figures of another protocol or of another model; dtype and device may differ.

    Raises:
        InputError: such figures.
    """
    if theirs["protocol"] != protocol:
        raise InputError(
            f"{path} is of protocol {theirs['protocol'][:12]}, and this run of {protocol[:12]}: "
            "figures of two protocols cannot be compared; check out the commit that it is from"
        )
    other = theirs["model"]
    revision = model.get("revision")
    same = revision is not None and other.get("revision") == revision
    if not same and other["weights"] != model["weights"]:  # which depend on their dtype
        raise InputError(
            f"{path} is of the model {other['name']} ({other['weights']}), and this run of "
            f"{model['name']} ({model['weights']}): figures of two models cannot be compared"
        )
    if other.get("brought") != model.get("brought"):
        raise InputError(
            f"{path} was measured with other measures of the user's own: pass the same"
        )
