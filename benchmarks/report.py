"""From records to Markdown: tables of means with intervals, comparisons, pages of a suite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, final

from benchmarks.plots import forest, sheet
from benchmarks.protocol import HERE, Item
from benchmarks.records import Records, Row
from benchmarks.stats import Measured, Point, Record, bootstrap, difference, points, values


class Column(NamedTuple):
    """A column of a table.

    Args:
        measure: name of the measure, or evaluations or seconds.
        title: what the table calls it.
        form: how a number is written.
        scale: what it is multiplied with.
        higher: whether more is better; None where neither is.
    """

    measure: str
    title: str
    form: str
    scale: float = 1.0
    higher: bool | None = True


EVALUATIONS = Column("evaluations", "evaluations", ".0f", 1, None)


def seconds(form: str) -> Column:
    """The column of the cost in time."""
    return Column("seconds", "s a core", form, 1, None)


def table(rows: Sequence[tuple[str, Sequence[Record]]], columns: Sequence[Column]) -> str:
    """Markdown; the best mean of every column is bold.

    Args:
        rows: (what it is called, its records) pairs.
        columns: what is shown; those that were not measured for every row are left out.
    """
    shown = [
        column
        for column in columns
        if column.measure in ("evaluations", "seconds")
        or all(column.measure in each["measures"] for _, records in rows for each in records)
    ]
    measured = [[bootstrap(values(records, c.measure)) for c in shown] for _, records in rows]
    best = [_best([row[k].mean for row in measured], c) for k, c in enumerate(shown)]
    lines = [header("method", *(c.title for c in shown))]
    for (name, _), row in zip(rows, measured, strict=True):
        cells = [name]
        for interval, column, top in zip(row, shown, best, strict=True):
            text = format(column.scale * interval.mean, column.form)
            if column.higher is not None:
                text = f"{text} ± {format(column.scale * interval.half, column.form)}"
            cells.append(f"**{text}**" if interval.mean == top else text)
        lines.append(line(*cells))
    return "\n".join(lines)


def header(*titles: str) -> str:
    """The first two lines of a table."""
    return f"{line(*titles)}\n{'|---' * len(titles)}|"


def line(*cells: object) -> str:
    """One line of a table."""
    return f"| {' | '.join(map(str, cells))} |"


def _best(means: Sequence[float], column: Column) -> float | None:
    if column.higher is None:
        return None
    return max(means) if column.higher else min(means)


def against_front(
    rows: Sequence[Row], measured: Measured, ours: Callable[[Row], bool], like: str, kept: str
) -> list[str]:
    """For each of our rows, its distance to the Pareto front of all others.

    Args:
        rows: all that were measured.
        measured: their records.
        ours: which are ours.
        like: measure of likeness.
        kept: measure of what is kept.
    """
    every = points(rows, measured, like, kept)
    others = [p for p in every if not ours(p.row)]
    return [_distance(own, others, measured, kept) for own in every if ours(own.row)]


def _distance(own: Point, others: Sequence[Point], measured: Measured, kept: str) -> str:
    matched = [p for p in others if p.like >= own.like - 1e-9]
    if not matched:
        likest = max(others, key=lambda p: (p.like, p.kept), default=None)
        more = "" if likest is None else f" (the likest: {_point(likest)})"
        return f"{_point(own)}: above the front, nobody else is as like{more}"
    best = max(matched, key=lambda p: p.kept)
    gap = difference(values(measured[own.row.key], kept), values(measured[best.row.key], kept))
    side = "behind" if gap.mean < 0 else "on or above"
    return (
        f"{_point(own)}: {side} the front of the others by {gap.mean:+.1f} [{gap.low:+.1f}, "
        f"{gap.high:+.1f}], the best of which at least as like is {_point(best)}"
    )


def _point(point: Point) -> str:
    return f"{label(point.row)} ({point.kept:.1f}, {100 * point.like:.0f} %)"


def label(row: Row) -> str:
    """A row in words."""
    settings = (
        f"{name} {value if isinstance(value, str) else format(value, 'g')}"
        for name, value in row.settings.items()
    )
    return f"{row.method} [{', '.join(settings)}]"


def paired(ours: Sequence[Record], others: Measured, measure: str) -> str:
    """How far ours is above each other row on the same pictures, in one line.

    Args:
        ours: records of our row.
        others: name -> records of the same items.
        measure: of which.
    """
    parts: list[str] = []
    for name, records in others.items():
        gap = difference(values(ours, measure), values(records, measure))
        parts.append(f"{name} {gap.mean:+.1f} [{gap.low:+.1f}, {gap.high:+.1f}]")
    return "; ".join(parts)


@final
@dataclass(frozen=True)
class Page:
    """What differs between the pages of suites that are a table, pairs, a plot and a sheet.

    Args:
        title: the first line.
        columns: of every table.
        first: what the sheet's first column of the items' own pictures is called.
        words: what stands before each row of the sheet, as many as are shown.
        side: of a picture on the sheet, pixels.
        tables: (words above it, its items) of each table; one of all items if left out.
        ours: the row that is compared with each other one; "" compares none.
        each: of what its pairs are, such as "icon by icon".
        more: lines after the pairs, of what was measured.
        plot: what the axis of a plot of PSNR says; "" has none.
    """

    title: str
    columns: Sequence[Column]
    first: str
    words: Sequence[str]
    side: int = 96
    tables: Sequence[tuple[str, Sequence[Item]]] = ()
    ours: str = ""
    each: str = ""
    more: Callable[[Measured], list[str]] | None = None
    plot: str = ""


def page_of(
    page: Page, records: Records, rows: Sequence[Row], items: Sequence[Item], out: Path
) -> str:
    """Markdown of a suite; its pictures go to `out`.

    Args:
        page: what this suite's page says.
        records: what was measured.
        rows: which rows are shown.
        items: of which items.
        out: folder of the pictures.
    """

    def measured(some: Sequence[Item]) -> Measured:
        return {row.method: records.all(row, some) for row in rows}

    lines = [page.title, ""]
    for words, some in page.tables or [("", items)]:
        lines += [words, ""] if words else []
        lines += [table([*measured(some).items()], page.columns), ""]
    whole = measured(items)
    rest = {name: each for name, each in whole.items() if name != page.ours}
    if page.ours in whole and rest:
        text = paired(whole[page.ours], rest, "PSNR")
        lines += [f"{page.ours}'s PSNR against theirs, {page.each}: {text}.", ""]
    if page.more is not None:
        lines += [*page.more(whole), ""]
    if page.plot:
        forest([*whole.items()], "PSNR", page.plot, out / "psnr.png")
        lines += ["![PSNR](psnr.png)", ""]
    shown = items[: len(page.words)]
    own = (page.first, [HERE / item.image for item in shown])
    columns = [(row.method, [records.picture(row, item) for item in shown]) for row in rows]
    sheet([own, *columns], page.words, out / "sheet.png", page.side)
    return "\n".join([*lines, "![pictures](sheet.png)", ""])
