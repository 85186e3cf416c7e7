"""The vectorization suite: blurred icons drawn with paths, by the data, by the model, or traced."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, final

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.baselines import wiener
from benchmarks.judge import WEIGHTS
from benchmarks.metrics import named, psnr, read, ssim
from benchmarks.protocol import HERE, Item, Protocol, listed, spread
from benchmarks.records import Records, Result, Row
from benchmarks.report import EVALUATIONS, Column, Page, page_of, seconds
from benchmarks.suite import Suite, slug
from benchmarks.suites.restoration import degraded
from dreamsampler.files import sha256
from dreamsampler.generators.vector import (
    Drawing,
    Scene,
    VectorGraphic,
    crosses_itself,
    crossing,
    fitted,
    from_svg,
    placed,
    rasterize,
    stacked,
    staged,
    to_svg,
)
from dreamsampler.guidance import conditional
from dreamsampler.images.fit import Fit
from dreamsampler.images.save import save_picture
from dreamsampler.maths import draw, fresh, generators
from dreamsampler.operators import is_linear, parse
from dreamsampler.samplers import dream
from dreamsampler.samplers.levels import random_levels
from dreamsampler.tasks import Restore, Vectorize

OURS = "DreamSampler"
BASELINES = {
    "data only": "data only (plain fit)",
    "SDS": "SDS (as VectorFusion)",
    "restored, traced": "restored, then traced",
}
"""Method -> what tables call it; the other rows are variants of ours, and Wiener's."""
METHODS = ("data only", "same start, beta 0", OURS, "SDS", "DreamSampler, loss 1",
           "Wiener, traced", "restored, traced")  # fmt: skip
WHITE = torch.ones(3)
LEAST_NOISE, LEAST_SPREAD = 0.01, 0.12
"""Deviations up to which the task trusts data, and the model's pictures."""


@final
class Icon:
    """One blurred icon as a file, and what the methods make of it.

    Args:
        item: of the protocol.
        folder: where the file is written.
        prior: the model.
    """

    def __init__(self, item: Item, folder: Path, prior: Any) -> None:
        row, self.prior = item.more["icon"], prior
        self.noise, self.seed = item.more["noise"], item.more["draw"]
        self.operator = f"blur(sigma={item.more['sigma']:g})"
        self.prompt = f"{row['concept']} on a {row['background']} background"
        self.sharp, self.file = read(HERE / item.image), folder / f"{item.id}.png"
        op = parse(self.operator).build((128, 128))
        assert is_linear(op)
        self.op = op
        blurred = degraded(op, self.sharp, self.noise, 1000 + 100 * self.seed + row["id"])
        save_picture(self.file, blurred)
        self.y = read(self.file)[None]
        self.fit: Any = None

    def start(self, kind: Any = Vectorize, **options: Any) -> Any:
        """A task as a user would write it, run to its end."""
        more = {"noise": self.noise or "auto", "prompt": self.prompt, "seed": self.seed}
        return kind(self.file, self.operator, **more, **options).start(self.prior).run()

    def data_only(self) -> Scene:
        """Nothing but |A g - y|^2: as many paths and steps as ours, begun on y itself."""
        task, rng = Vectorize(), torch.Generator().manual_seed(self.seed)
        steps = task.fit_steps + task.num_inference_steps * task.update_steps
        scene, error, stages = None, 1 - self.y[0], staged(task.paths)
        for count in stages:
            disks = placed(self.y[0], error, count, rng)
            scene = disks if scene is None else stacked([scene, disks])
            share = (count + task.paths / len(stages)) / (2 * task.paths)
            graphic = VectorGraphic(scene)
            for _ in fitted(graphic, self.misfit, self.y[0], round(share * steps), rng):
                pass
            scene = frozen(graphic)
            error = rasterize(scene, WHITE) - self.y[0]
        assert scene is not None
        return scene

    def misfit(self, _: VectorGraphic, drawn: Tensor, noise: float = LEAST_NOISE) -> Tensor:
        """|A g - y|^2, in deviations of the noise."""
        return (self.op.A(drawn) - self.y).square().mean() / (2 * noise**2)

    def without_model(self) -> Any:
        """Ours with beta = 0; its paths before they are simplified are where SDS begins."""
        if self.fit is None:
            self.fit = self.start(beta=0.0)
        return self.fit

    def sds(self) -> Scene:
        """Ours from the same first paths, but random levels and fresh noise."""
        run, task, prior = self.without_model(), Vectorize(), self.prior
        graphic, rng = VectorGraphic(frozen(run.graphic)), generators([self.seed])
        fit = Fit.to((128, 128), prior.native_size, prior.multiple)

        def energy(graphic: VectorGraphic, drawn: Tensor) -> Tensor:
            wrong = crossing(graphic.scene, tol=0.02) / drawn[0, 0].numel()
            data = self.misfit(graphic, drawn, max(run.noise, LEAST_NOISE))
            return data + task.crossing / (2 * LEAST_NOISE) * wrong

        def encode(x: Tensor) -> Tensor:
            return prior.encode(fit.down((x + 1) / 2))

        def decode(z: Tensor) -> Tensor:
            return 2 * fit.up(prior.decode(z), clamp=False) - 1

        drawing = Drawing(graphic, energy, encode, decode, update_steps=task.update_steps)
        drawing.spread = LEAST_SPREAD
        levels = random_levels(prior.schedule, task.num_inference_steps, rng[0])
        denoise, eps = conditional(prior, prior.condition(self.prompt)), draw(drawing.latent(), rng)
        for _ in dream(denoise, drawing, levels, eps, renoise=fresh(1.0, rng)):
            pass
        return frozen(graphic)

    def by(self, method: str) -> Scene:
        """What a method draws."""
        makers: dict[str, Callable[[], Scene]] = {
            "data only": self.data_only,
            "same start, beta 0": lambda: self.without_model().scene(),
            OURS: lambda: self.start().scene(),
            "SDS": self.sds,
            "DreamSampler, loss 1": lambda: self.start(loss=1.0).scene(),
            "Wiener, traced": lambda: traced(wiener(self.op, self.y, self.noise or 0.002)[0]),
            "restored, traced": lambda: traced(self.start(Restore).pictures()[0]),
        }
        return makers[method]()


def frozen(graphic: VectorGraphic) -> Scene:
    """The paths as they are now."""
    return graphic.scene.moved(graphic.points.detach(), graphic.color.detach())


def traced(picture: Tensor) -> Scene:
    """By vtracer with its own settings."""
    import vtracer

    levels = (picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    data = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(levels)).convert("RGBA").save(data, "PNG")
    return from_svg(vtracer.convert_raw_image_to_svg(data.getvalue(), img_format="png"))


@final
class Vectorization(Suite):
    """How near drawings are to the sharp icon, and what they consist of."""

    name, float32 = "vectorization", True
    columns = (
        Column("PSNR", "PSNR dB", ".2f"),
        Column("SSIM", "SSIM", ".3f"),
        Column("top-1", "top-1 %", ".0f", 100),
        Column("paths", "paths", ".0f", 1, None),
        Column("segments", "segments", ".0f", 1, None),
        Column("crossing", "cross themselves %", ".0f", 100, None),
        EVALUATIONS,
        seconds(".0f"),
    )

    def __init__(self, prior: Any) -> None:
        super().__init__(prior)
        self._folder = TemporaryDirectory()
        self._last: tuple[str, Icon] | None = None

    def all_rows(self, *, curves: bool) -> list[Row]:
        """Without curves only ours and the baselines."""
        return [_row(name) for name in METHODS if curves or name == OURS or name in BASELINES]

    def one(self, row: Row, item: Item) -> Result:
        """Draw an icon; the rows of one icon share the fit without the model."""
        method, folder = row.settings["method"], Path(self._folder.name)
        if self._last is None or self._last[0] != item.id:
            self._last = item.id, Icon(item, folder, self.prior)
        icon = self._last[1]
        if method == "SDS":
            icon.without_model()  # its cost is that of the other row
        with self.metered() as spent:
            scene = icon.by(method)
        picture = rasterize(scene, WHITE).clamp(0, 1)
        measured = {
            "PSNR": psnr(picture, icon.sharp),
            "SSIM": ssim(picture, icon.sharp),
            "top-1": named(self.judge, picture, item.target)["top-1"],
            "paths": float(scene.paths),
            "segments": float(len(scene.segments)),
            "crossing": float(crosses_itself(scene).float().mean()),
        }
        svg = to_svg(scene, title=icon.prompt, background=(1, 1, 1)).encode()
        return Result(measured, spent.evaluations, spent.seconds, picture, {"svg": svg})

    def report(self, records: Records, rows: list[Row], items: list[Item], out: Path) -> str:
        """A table, a plot of PSNR with intervals, and a sheet."""
        page = Page(
            f"{len(items)} icons, blur 3, noise 0.02, 95 % bootstrap intervals, model "
            f"{records.model['name']} ({records.model['weights']}), protocol "
            f"{self.protocol.digest[:12]}.",
            self.columns,
            first="sharp",
            words=[item.source_prompt[:24] for item in items[:8]],
            side=128,
            ours=OURS,
            each="icon by icon",
            plot="PSNR, dB",
        )
        return page_of(page, records, rows, items, out)


SUITE = Vectorization


def _row(name: str) -> Row:
    kind = "ours" if name == OURS else "published" if name in BASELINES else "variant"
    return Row(slug(name), BASELINES.get(name, name), kind, {"method": name})


def freeze() -> Protocol:
    """Of the 24 icons that nothing was tuned on, one blur."""
    items = [
        Item(
            id=f"{icon['id']:02d}-{icon['concept'].replace(' ', '-')}-{icon['style']}",
            image=icon["image"],
            sha256=sha256(HERE / icon["image"]),
            seed=1000 + icon["id"],
            source_prompt=f"{icon['concept']}, {icon['style']}",
            target=icon["concept"],
            more={"icon": icon, "sigma": 3.0, "noise": 0.02, "draw": 0},
        )
        for icon in listed("vector_icons.json")
    ]
    names = ("PSNR", "SSIM", "top-1", "paths", "segments", "crossing")
    return Protocol("vectorization", 1, dict.fromkeys(names, 1), sha256(WEIGHTS), spread(items))
