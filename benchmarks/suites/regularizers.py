"""Regularizers on the default edit: what each is for, and what it costs.

10 of the 60 pairs first, then the others, are edited with and without each of them, from the same
noise. Measured: its own figure without and with it, what the judge names, and the change of the
background. `tileable` is measured on the same pairs laid on a ground that fades from left to right.

A regularizer of your own takes part with `--own FILE`: a Python file with `regularizer`, a map
(x, step) -> x of pictures in [-1, 1], and, if it has a figure, `figure`, pictures (b, 3, h, w) in
[0, 1] -> b numbers. The figures of the others:

- total_variation: total variation a pixel, of 255; and paths that a tracer needs
- symmetry: mean difference of the halves, of 255
- palette: mean distance of a pixel to the nearest color of the palette, of 255
- reference_style: distance of the statistics of the autoencoder's stages from those of the
  reference, as a share of them, in percent
- tileable: jump across the border over the mean step between neighbors inside (1: no seam)

All of them are smaller where the regularizer has its effect.
"""

from __future__ import annotations

import runpy
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.metrics import background, named, preservation, read
from benchmarks.plots import sheet
from benchmarks.protocol import HERE, Item, frozen
from benchmarks.records import Records, Result, Row, png
from benchmarks.report import header, line
from benchmarks.run import Options
from benchmarks.stats import Record, bootstrap, difference, values
from benchmarks.suite import Suite
from benchmarks.suites.editing import Editing
from dreamsampler.generators.vector import traced
from dreamsampler.images.assemble import assemble
from dreamsampler.images.fit import Fit
from dreamsampler.maths import generators
from dreamsampler.methods.inputs import EditInputs
from dreamsampler.methods.registry import method
from dreamsampler.models.features import encoder_features
from dreamsampler.regularizers import Regularizer, chain, decoded, palette_of
from dreamsampler.regularizers.parse import REGULARIZERS, read_regularizers
from dreamsampler.samplers import finish

BATCH, COLORS = 5, 6
REFERENCE = HERE.parent / "examples" / "apple.png"
"""Whose colors and style are taken, at the size of the pairs."""
NAMES = {
    name: f"{name}(apple.png)" if "path" in each.parameters else name
    for name, each in REGULARIZERS.items()
} | {"palette": f"palette(apple.png, {COLORS})"}
"""Every regularizer that has a name -> its text."""
Figures = Callable[[Tensor], list[float]]


@dataclass(frozen=True)
class Case:
    """A regularizer as it is measured.

    Args:
        regularizer: the map of pictures.
        figures: its own figure of pictures (b, 3, h, w), b numbers; None if it has none.
        faded: on a ground that fades from left to right.
    """

    regularizer: Regularizer
    figures: Figures | None = None
    faded: bool = False


@final
class Regularizers(Suite):
    """The default edit with each regularizer, beside the edit without.

    Args:
        prior: the model.
        own: Python files of the user's regularizers.
    """

    name, batch = "regularizers", BATCH

    def __init__(self, prior: Any, own: tuple[Path, ...] = ()) -> None:
        items = sorted(frozen("editing").items, key=lambda item: (item.seed % 6, item.seed))
        super().__init__(prior, replace(frozen("editing"), suite=self.name, items=tuple(items)))
        self.editing, self.files = Editing(prior), own
        self._without: dict[str, Tensor] = {}

    @classmethod
    def of(cls, prior: Any, options: Options) -> Regularizers:
        """With the files of the command line."""
        return cls(prior, options.own)

    def all_rows(self, *, curves: bool) -> list[Row]:
        """Those that have a name, then the user's own; another text is another regularizer."""
        rows = [Row(name, name, "ours", {"text": text}) for name, text in NAMES.items()]
        return rows + [
            Row(path.stem, path.stem, "own", {"sha256": sha256(path.read_bytes()).hexdigest()})
            for path in self.files
        ]

    def case(self, row: Row) -> Case:
        """The regularizer of a row.

        Raises:
            ValueError: a file that holds none.
        """
        if row.kind == "own":
            (path,) = (path for path in self.files if path.stem == row.key)
            module = runpy.run_path(str(path))
            if not callable(module.get("regularizer")):
                raise ValueError(f"{path} has no `regularizer`: a map (x, step) -> x of pictures")
            figure = module.get("figure")
            own = None if figure is None else lambda x: torch.as_tensor(figure(x)).tolist()
            return Case(module["regularizer"], own)
        features = encoder_features(self.prior)
        parsed = read_regularizers(row.settings["text"])
        regularizer = parsed.build(lambda _: reference()[None] * 2 - 1, lambda _: features)
        figures = {
            "total_variation": variation,
            "symmetry": lambda x: (255 * (x - x.flip(-1)).abs().mean((1, 2, 3))).tolist(),
            "palette": palette_distance,
            "reference_style": lambda x: style_distance(features, x),
            "tileable": border_jump,
        }
        return Case(regularizer, figures.get(row.key), faded=row.key == "tileable")

    @torch.no_grad()
    def measure(self, row: Row, items: list[Item]) -> list[Result]:
        """A batch of pairs, without and with the regularizer."""
        self.protocol.check(items)
        case = self.case(row)
        x = torch.stack([read(HERE / item.image) for item in items])
        ground = [background(each) for each in x]
        if case.faded:
            x = x * (1 - torch.linspace(0.25, 0.0, x.shape[-1]))
        key = f"{case.faded}" + ",".join(item.id for item in items)
        if key not in self._without:
            self._without = {key: self.edited(x, items, None)}
        free = self._without[key]
        with self.metered() as spent:
            made = self.edited(x, items, case.regularizer)
        measures: dict[str, Figures] = {} if case.figures is None else {"own": case.figures}
        if row.key == "total_variation":
            measures["paths"] = lambda x: [float(traced(each, 4096).paths) for each in x]
        own = {name: (figures(free), figures(made)) for name, figures in measures.items()}
        results: list[Result] = []
        for i, item in enumerate(items):
            output: dict[str, float] = {}
            for ending, picture in ((" without", free[i]), ("", made[i])):
                output |= {
                    f"{k}{ending}": v for k, v in named(self.judge, picture, item.target).items()
                }
                kept = preservation(picture, x[i], ground[i])["background dB"]
                output[f"background{ending}"] = kept
            for name, (before, after) in own.items():
                output |= {f"{name} without": before[i], name: after[i]}
            files = {"source.png": png(x[i]), "without.png": png(free[i])}
            used, seconds = spent.evaluations // len(items), spent.seconds / len(items)
            results.append(Result(output, used, seconds, made[i], files))
        return results

    def edited(self, x: Tensor, items: list[Item], regularizer: Regularizer | None) -> Tensor:
        """The default edit of pictures (b, 3, h, w) in [0, 1]."""
        prior = self.prior
        fit = Fit.to((x.shape[-2], x.shape[-1]), prior.native_size, prior.multiple)
        z_src = torch.cat([prior.encode(fit.down(each[None])) for each in x])

        def decode(z: Tensor) -> Tensor:
            return torch.cat([prior.decode(each[None]) for each in z]).clamp(-1, 1)

        inputs = EditInputs(
            prior,
            z_src,
            self.editing.condition([item.target_prompt for item in items]),
            self.editing.condition([item.source_prompt for item in items]),
            prior.condition(""),
            generators([item.seed for item in items]),
            regularize=chain()
            if regularizer is None
            else decoded(regularizer, prior.encode, decode),
        )
        last = finish(method("edit", "default").start(inputs)[0])
        both = zip(x, decode(last.z0).split(1), decode(z_src).split(1), strict=True)
        return torch.stack([assemble(each, made, origin, fit) for each, made, origin in both])

    def report(self, records: Records, rows: list[Row], items: list[Item], out: Path) -> str:
        """A table, and a sheet of the first pairs."""
        lines = [f"{len(items)} pairs, without to with", ""]
        lines += [header("regularizer", "its own figure", "top-1 %", "top-5 %", "background dB",
                         "s a core")]  # fmt: skip
        lines += [_line(row, records.all(row, items)) for row in rows]
        shown, columns = items[:4], []
        for row in rows:
            paths = [records.picture(row, item) for item in shown]
            if row is rows[0] or row.key == "tileable":
                for ending, title in (("source", "source"), ("without", "no regularizer")):
                    columns.append((title, [path.with_suffix(f".{ending}.png") for path in paths]))
            columns.append((row.method, paths))
        words = [f"{item.source_prompt[:22]}\n-> {item.target}" for item in shown]
        sheet(columns, words, out / "sheet.png", 128)
        return "\n".join([*lines, "", "![pictures](sheet.png)", ""])


SUITE = Regularizers


def reference() -> Tensor:
    """The picture whose colors and style are taken, (3, 128, 128) in [0, 1]."""
    with Image.open(REFERENCE) as image:
        small = image.convert("RGB").resize((128, 128), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(small)).permute(2, 0, 1).float() / 255


def _line(row: Row, records: list[Record]) -> str:
    def change(name: str, form: str, scale: float = 1.0) -> str:
        pair = (bootstrap(values(records, key)).mean for key in (f"{name} without", name))
        return " to ".join(format(scale * each, form) for each in pair)

    measured = records[0]["measures"]
    own = change("own", ".1f") if "own" in measured else "-"
    if "paths" in measured:
        own += f"; {change('paths', '.0f')} paths"
    gap = difference(values(records, "background"), values(records, "background without"))
    ground = f"{change('background', '.1f')} ({gap.mean:+.1f} [{gap.low:+.1f}, {gap.high:+.1f}])"
    seconds = f"{bootstrap(values(records, 'seconds')).mean:.1f}"
    tops = (change(name, ".0f", 100) for name in ("top-1", "top-5"))
    return line(f"`{row.settings.get('text', row.method)}`", own, *tops, ground, seconds)


def variation(x: Tensor) -> list[float]:
    """Total variation a pixel, of 255."""
    down, right = x.diff(dim=-2)[..., :-1], x.diff(dim=-1)[..., :-1, :]
    return (255 * (down.square() + right.square()).sum(1).sqrt().mean((1, 2))).tolist()


def palette_distance(x: Tensor) -> list[float]:
    """Mean distance of a pixel to the nearest color of the reference's palette, of 255."""
    colors = palette_of(reference()[None] * 2 - 1, COLORS) / 2 + 0.5
    rows = x.movedim(1, -1).flatten(1, 2)
    return (255 * torch.cdist(rows, colors.expand(len(x), -1, -1)).amin(2).mean(1)).tolist()


def border_jump(x: Tensor) -> list[float]:
    """Jump across the border over the mean step between neighbors inside."""
    wide, high = (x[..., 0] - x[..., -1]).abs(), (x[..., 0, :] - x[..., -1, :]).abs()
    inside = x.diff(dim=-1).abs().mean((1, 2, 3)) + x.diff(dim=-2).abs().mean((1, 2, 3))
    return ((wide.mean((1, 2)) + high.mean((1, 2))) / inside).tolist()


def style_distance(features: Any, x: Tensor) -> list[float]:
    """Distance to the reference in mean and deviation of every channel, in percent of them."""

    def style(picture: Tensor) -> list[Tensor]:
        maps = features(picture[None] * 2 - 1)
        return [torch.cat([m.mean((2, 3)), m.std((2, 3), correction=0)], 1) for m in maps]

    goal, output = style(reference()), []
    for row in map(style, x):
        shares = [((a - b).norm() / b.norm()) ** 2 for a, b in zip(row, goal, strict=True)]
        output.append(100 * float(torch.stack(shares).mean().sqrt()))
    return output
