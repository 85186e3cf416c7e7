"""The page of conformance: its rows, and the names on it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.protocol import HERE

PAGE = HERE.parent / "docs" / "conformance.md"
CHECKS = ("difference", "estimate", "gradient", "batch", "odd size", "edit")
EXACT, CLOSE = 0.0, 1e-4


@dataclass
class Row:
    """What was found about one pipeline.

    Args:
        name: of the pipeline, and what is special about it.
        refused: why it cannot be driven; "" if it can.
        cells: a check's name -> a difference, or why it failed.
    """

    name: str
    refused: str = ""
    cells: dict[str, float | str] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        """Whether it is driven with no difference at all."""
        return self.cells.get("difference") == EXACT

    def __str__(self) -> str:
        texts = [self.cells.get(check, "") for check in CHECKS]
        return f"| {short(self.name)} | {' | '.join(map(_cell, texts))} |"


def _cell(value: float | str) -> str:
    if isinstance(value, str):
        return value.replace("|", "/")
    return "0" if value == 0 else f"{value:.0e}".replace("e-0", "e-")


def page(rows: Sequence[Row]) -> str:
    """The page of all rows, and of what is not among them."""
    import diffusers

    from tests.pipelines import LEFT_OUT

    driven = sorted((row for row in rows if not row.refused), key=lambda row: row.name)
    refused = sorted((row for row in rows if row.refused), key=lambda row: (row.refused, row.name))
    equal = sum(row.equal for row in driven)
    lines = [
        "# Conformance",
        "",
        "Written by `python -m benchmarks.conformance` with diffusers "
        f"{diffusers.__version__}. Every pipeline that makes pictures is built tiny with "
        "random weights, and used by `from_pipe`.",
        "",
        f"**{len(driven)} pipelines are driven, {equal} of them with a difference of 0.** "
        f"{len(refused)} are refused. {len(LEFT_OUT)} exported classes are not built: most make "
        "videos or sound.",
        "",
        "- difference: at the latents and times of the pipeline's own run, largest difference of "
        "what is passed to `scheduler.step` (pictures encoded by the mode, not by a sample)",
        "- estimate: relative difference of the clean estimate from the scheduler's (- where it "
        "has none)",
        "- gradient: through a prediction, finite and not zero",
        "- batch: relative difference of two pictures together from each alone",
        "- odd size: the size next to 40 x 56 pixels that works",
        "- edit: `Edit` in three steps gives a picture",
        "",
        f"| pipeline | {' | '.join(CHECKS)} |",
        "|---" * (len(CHECKS) + 1) + "|",
        *map(str, driven),
        "",
        "## Refused",
        "",
        *(f"- {short(row.name)}: {row.refused.split('as a prior: ')[-1]}" for row in refused),
        "",
        "## Not built",
        "",
    ]
    for reason in dict.fromkeys(LEFT_OUT.values()):
        names = sorted(short(name) for name, each in LEFT_OUT.items() if each == reason)
        lines.append(f"- {reason}: {', '.join(names)}")
    lines += ["- put together from blocks: every class that is called ...ModularPipeline", ""]
    return "\n".join(lines)


def short(name: str) -> str:
    """A name without its last word."""
    return name.replace("Pipeline", "", 1) if name != "DiffusionPipeline" else name


def listed(text: str) -> set[str]:
    """Names of the classes on a page."""
    table, refused, rest = re.split(r"^## .*$", text, flags=re.M)
    names = re.findall(r"^\| (\w+)[^|]* \|", table, re.M)[1:]
    names += re.findall(r"^- (\w+)[^:]*: ", refused, re.M)
    for line in re.findall(r"^- .*: (.*)$", rest, re.M)[:-1]:
        names += line.split(", ")
    return {f"{name.removesuffix('Pipeline')}Pipeline" for name in names}
