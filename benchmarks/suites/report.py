"""From records to a table: means with intervals, tuned rows, and who is ahead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, final

from benchmarks.suites.bootstrap import Interval, bootstrap, difference
from benchmarks.suites.protocol import HERE, Item
from benchmarks.suites.records import Records, Row

Record = dict[str, Any]
Measured = dict[str, list[Record]]
"""Key of a row -> its records, all of the same items in the same order."""


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


def values(records: Sequence[Record], measure: str) -> list[float]:
    """One number an item."""
    if measure in ("evaluations", "seconds"):
        return [float(each[measure]) for each in records]
    return [float(each["measures"][measure]) for each in records]


def cell(interval: Interval, column: Column) -> str:
    """A mean and half the width of its interval; costs without the latter."""
    mean, half = column.scale * interval.mean, column.scale * interval.half
    text = format(mean, column.form)
    return text if column.higher is None else f"{text} ± {format(half, column.form)}"


def table(rows: Sequence[tuple[str, Sequence[Record]]], columns: Sequence[Column]) -> str:
    """Markdown; the best mean of every column is bold.

    Args:
        rows: (what it is called, its records) pairs.
        columns: what is shown; those that nobody measured are left out.
    """
    shown = [column for column in columns if all(_has(records, column) for _, records in rows)]
    found = [[bootstrap(values(records, c.measure)) for c in shown] for _, records in rows]
    best = [_best([row[k].mean for row in found], c) for k, c in enumerate(shown)]
    lines = [
        "| method | " + " | ".join(c.title for c in shown) + " |",
        "|---" * (len(shown) + 1) + "|",
    ]
    for (name, _), row in zip(rows, found, strict=True):
        cells = [
            f"**{cell(x, c)}**" if x.mean == best[k] else cell(x, c)
            for k, (x, c) in enumerate(zip(row, shown, strict=True))
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _has(records: Sequence[Record], column: Column) -> bool:
    names = {"evaluations", "seconds"}
    return column.measure in names or all(column.measure in r["measures"] for r in records)


def _best(means: Sequence[float], column: Column) -> float | None:
    if column.higher is None:
        return None
    return max(means) if column.higher else min(means)


def tuned(
    curve: Sequence[Sequence[Record]], wanted: Sequence[float], like: str, kept: str
) -> list[Record]:
    """Each half of the items at the setting that was best on the other half.

    Best: of the settings whose likeness reaches what is wanted there, the one that keeps most; if
    none does, the one that is likest. So no picture is judged at a setting chosen by itself.

    Args:
        curve: records of every setting, of the same items.
        wanted: likeness of every item that is to be matched.
        like: measure of likeness.
        kept: measure of what is kept.
    """
    halves = [range(0, len(wanted), 2), range(1, len(wanted), 2)]
    chosen: dict[int, Record] = {}
    for own, other in (halves, halves[::-1]):
        seen = other if len(other) else own  # a single item has no other half
        goal = mean([wanted[i] for i in seen])

        def rank(records: Sequence[Record], seen: Sequence[int] = seen, goal: float = goal) -> Any:
            alike = mean([values(records, like)[i] for i in seen])
            keeps = mean([values(records, kept)[i] for i in seen])
            return (1, keeps, alike) if alike >= goal - 1e-9 else (0, alike, keeps)

        best = max(curve, key=rank)
        chosen |= {i: best[i] for i in own}
    return [chosen[i] for i in sorted(chosen)]


def mean(numbers: Sequence[float]) -> float:
    """The arithmetic mean."""
    return sum(numbers) / len(numbers)


class Point(NamedTuple):
    """A row as a point of the plane: what is kept, and how like the target it is."""

    row: Row
    kept: float
    like: float


def points(rows: Sequence[Row], found: Measured, like: str, kept: str) -> list[Point]:
    """Every measured row."""
    return [
        Point(row, mean(values(found[row.key], kept)), mean(values(found[row.key], like)))
        for row in rows
    ]


def front(all_points: Sequence[Point]) -> list[Point]:
    """Those that no other point beats in one and equals or beats in the other, by what is kept."""

    def beaten(a: Point) -> bool:
        return any(
            b.kept >= a.kept and b.like >= a.like and (b.kept, b.like) != (a.kept, a.like)
            for b in all_points
        )

    return sorted((a for a in all_points if not beaten(a)), key=lambda a: a.kept)


def verdict(
    rows: Sequence[Row], found: Measured, ours: Callable[[Row], bool], like: str, kept: str
) -> list[str]:
    """Where our rows stand against the front of all others, and by how much.

    Args:
        rows: all that were measured.
        found: their records.
        ours: which are ours.
        like: measure of likeness.
        kept: measure of what is kept.
    """
    every = points(rows, found, like, kept)
    others = [p for p in every if not ours(p.row)]
    return [_stand(own, others, found, kept) for own in every if ours(own.row)]


def _stand(own: Point, others: Sequence[Point], found: Measured, kept: str) -> str:
    told = f"{label(own.row)} ({_told(own)})"
    matched = [p for p in others if p.like >= own.like - 1e-9]
    if not matched:
        likest = max(others, key=lambda p: (p.like, p.kept), default=None)
        more = "" if likest is None else f" (the likest: {label(likest.row)}, {_told(likest)})"
        return f"{told}: above the front, nobody else is as like{more}"
    peer = max(matched, key=lambda p: p.kept)
    gap = difference(values(found[own.row.key], kept), values(found[peer.row.key], kept))
    where = "behind" if gap.mean < 0 else "on or above"
    return (
        f"{told}: {where} the front of the others by {gap.mean:+.1f} [{gap.low:+.1f}, "
        f"{gap.high:+.1f}], the best of which at least as like is {label(peer.row)} ({_told(peer)})"
    )


def _told(point: Point) -> str:
    return f"{point.kept:.1f}, {100 * point.like:.0f} %"


def label(row: Row) -> str:
    """A row in words."""
    words = (f"{v}" if isinstance(v, str) else f"{v:g}" for v in row.settings.values())
    settings = ", ".join(f"{name} {word}" for name, word in zip(row.settings, words, strict=True))
    return f"{row.method} [{settings}]"


def paired(ours: Sequence[Record], others: Measured, measure: str) -> str:
    """How far ours is above each other row on the same pictures, in one line.

    Args:
        ours: records of our row.
        others: name -> records of the same items.
        measure: of which.
    """
    told: list[str] = []
    for name, records in others.items():
        gap = difference(values(ours, measure), values(records, measure))
        told.append(f"{name} {gap.mean:+.1f} [{gap.low:+.1f}, {gap.high:+.1f}]")
    return "; ".join(told)


@final
@dataclass(frozen=True)
class Page:
    """What differs between the pages of suites that are a table, pairs, a plot and a sheet.

    Args:
        told: the first line.
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

    told: str
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
    from benchmarks.suites.plots import forest, sheet  # which needs what is above

    def found(some: Sequence[Item]) -> Measured:
        return {row.method: [records.read(row, item) or {} for item in some] for row in rows}

    lines = [page.told, ""]
    for words, some in page.tables or [("", items)]:
        lines += [words, ""] if words else []
        lines += [table([*found(some).items()], page.columns), ""]
    whole = found(items)
    rest = {name: each for name, each in whole.items() if name != page.ours}
    if page.ours in whole and rest:
        told = paired(whole[page.ours], rest, "PSNR")
        lines += [f"{page.ours}'s PSNR against theirs, {page.each}: {told}.", ""]
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


def between_markers(text: str, name: str, content: str) -> str:
    """A page with what lies between `<!-- NAME -->` and `<!-- /NAME -->` replaced.

    Raises:
        ValueError: a page without the two markers, in that order.
    """
    first, last = f"<!-- {name} -->", f"<!-- /{name} -->"
    head, opened, rest = text.partition(first)
    _, closed, tail = rest.partition(last)
    if not opened or not closed:
        raise ValueError(f"the page has no {first} followed by {last}: put both where it shall go")
    return f"{head}{first}\n{content.strip()}\n{last}{tail}"
