"""Paths from blurred icons: what the data say alone, with the model, with SDS, and traced.

    python -m benchmarks.vectorize --sigma 3 --noise 0.02 --seeds 1

24 icons of benchmarks/vector_icons (8 things in 3 styles) of 128 px are blurred, noise is added,
and the 8-bit file is drawn with paths. Every item is written as it is done (--out) and skipped when
it is there for the same model: a run that was cut off goes on. PSNR and SSIM are against the sharp
picture; top-1 is how often the judge (its own weights) names the icon; "crossing" is the share of
paths that cross themselves; seconds are of the processor (of rows that share
our first paths: beyond them).
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from benchmarks.classical import wiener
from benchmarks.judge import Judge
from benchmarks.restore import psnr, ssim
from dreamsampler import from_pretrained
from dreamsampler.files import write_whole
from dreamsampler.generators.vector import (
    Drawing,
    Scene,
    VectorGraphic,
    crosses_itself,
    fitted,
    from_svg,
    placed,
    rasterize,
    save_svg,
    stacked,
    staged,
    untangled,
)
from dreamsampler.images.save import save_picture
from dreamsampler.maths import draw, fresh, generators
from dreamsampler.operators import is_linear, parse
from dreamsampler.samplers import dream
from dreamsampler.samplers.levels import random_levels
from dreamsampler.tasks import Restore, Vectorize
from dreamsampler.tasks.vectorize.initialize import still
from dreamsampler.tasks.vectorize.run import LEAST_NOISE, LOSS, VectorizeRun
from dreamsampler.tasks.vectorize.sampling import LEAST
from dreamsampler.tasks.vectorize.simplify import fewest

HERE = Path(__file__).parent
METHODS = (
    "data only",
    "same start, beta 0",
    "DreamSampler",
    "SDS",
    "DreamSampler, loss 1",
    "Wiener, traced",
    "restored, traced",
)
WHITE = torch.ones(3)


class Place(Protocol):
    """Where an icon is drawn: with which model, and where its file goes."""

    prior: Any
    out: Path


class Item:
    """One blurred icon, and what the methods make of it."""

    def __init__(self, bench: Place, row: dict[str, Any], sigma: float, noise: float, seed: int):
        self.bench, self.row, self.noise, self.seed = bench, row, noise, seed
        self.name = f"{row['id']:02d}-{sigma:g}-{noise:g}-{seed}"
        self.operator = f"blur(sigma={sigma:g})"
        self.sharp = _read(HERE / row["image"])
        op = parse(self.operator).build((128, 128))
        assert is_linear(op)
        self.op = op
        rng = torch.Generator().manual_seed(1000 + 100 * seed + row["id"])
        y = self.op.A(self.sharp[None])[0]
        y = y + noise * torch.randn(y.shape, generator=rng)
        self.file = bench.out / f"{self.name}.png"
        save_picture(self.file, y.clamp(0, 1))
        self.y = _read(self.file)[None]
        self._run: VectorizeRun | None = None

    @property
    def prompt(self) -> str:
        """What the icon shows, and on which ground."""
        return f"{self.row['concept']} on a {self.row['background']} background"

    def task(self, **options: Any) -> VectorizeRun:
        """The task as a user would ask for it, run to its end."""
        asked = {"noise": self.noise or "auto", "prompt": self.prompt, "seed": self.seed}
        return Vectorize(self.file, self.operator, **asked, **options).start(self.bench.prior).run()

    def ours(self) -> VectorizeRun:
        """The default run; the others begin with its first paths."""
        if self._run is None:
            self._run = self.task()
        return self._run

    def plain(self) -> Scene:
        """Nothing but |A g - y|^2: as many paths and steps as ours, begun on y itself."""
        task, rng = Vectorize(), torch.Generator().manual_seed(self.seed)
        steps = task.steps + task.num_inference_steps * task.inner_steps

        def energy(_: VectorGraphic, drawn: Tensor) -> Tensor:
            return (self.op.A(drawn) - self.y).square().mean() / (2 * LEAST_NOISE**2)

        scene, error, stages = None, 1 - self.y[0], staged(task.paths)
        for count in stages:
            disks = placed(self.y[0], error, count, rng)
            scene = disks if scene is None else stacked([scene, disks])
            share = (count + task.paths / len(stages)) / (2 * task.paths)
            graphic = VectorGraphic(scene)
            for _ in fitted(graphic, energy, self.y[0], round(share * steps), rng):
                pass
            scene = graphic.scene.moved(graphic.points.detach(), graphic.color.detach())
            error = rasterize(scene, WHITE) - self.y[0]
        assert scene is not None
        return scene

    def finished(self, scene: Scene, loss: float, *, asked: bool) -> Scene:
        """The end of our task for some paths, with or without the model's last belief."""
        run = self.ours()
        goal, energy = (run._goal(), run._ending) if asked else (run.wanted.guess, run._energy)
        return fewest(untangled(scene), goal, loss, energy, run._misfit)

    def begun(self) -> Scene:
        """Ours without the walk: the start by total variation, the penalty, simplified."""
        fitted = self.ours()._fitted
        assert fitted is not None
        return self.finished(fitted, LOSS[False], asked=False)

    def more(self) -> Scene:
        """Ours with a smaller loss at its end."""
        graphic = self.ours().graphic
        assert graphic is not None
        return self.finished(still(graphic), 1.0, asked=True)

    def sds(self) -> Scene:
        """Ours from the same first paths, but random levels and fresh noise."""
        run, task = self.ours(), Vectorize()
        assert run._fitted is not None
        graphic, rng = VectorGraphic(run._fitted), generators([self.seed])
        walks = run._walks
        subject = Drawing(
            graphic, run._energy, walks.encode, walks.decode, update_steps=task.inner_steps
        )
        subject.spread = LEAST
        levels = random_levels(self.bench.prior.schedule, task.num_inference_steps, rng[0])
        eps = draw(subject.latent(), rng)
        for _ in dream(walks._guided(), subject, levels, eps, renoise=fresh(1.0, rng)):
            pass
        return graphic.scene.moved(graphic.points.detach(), graphic.color.detach())

    def traced(self, picture: Tensor) -> Scene:
        """By vtracer with its own settings."""
        import vtracer

        levels = (picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
        data = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(levels)).convert("RGBA").save(data, "PNG")
        return from_svg(vtracer.convert_raw_image_to_svg(data.getvalue(), img_format="png"))

    def restored(self) -> Scene:
        """Restored as a user would, then traced."""
        asked = {"noise": self.noise or "auto", "prompt": self.prompt, "seed": self.seed}
        run = Restore(self.file, self.operator, **asked).start(self.bench.prior).run()
        return self.traced(run.pictures()[0])

    def by(self, method: str) -> Scene:
        """What a method draws."""
        makers: dict[str, Callable[[], Scene]] = {
            "data only": self.plain,
            "same start, beta 0": self.begun,
            "DreamSampler": lambda: self.ours().scene(),
            "SDS": self.sds,
            "DreamSampler, loss 1": self.more,
            "Wiener, traced": lambda: self.traced(wiener(self.op, self.y, self.noise or 0.002)[0]),
            "restored, traced": self.restored,
        }
        return makers[method]()


class Bench:
    """The icons, the model and the judge."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.out = options, options.out
        rows = json.loads((HERE / "vector_icons.json").read_text())
        self.rows = rows[options.first :: options.every][: options.limit]
        self.prior = from_pretrained("iconic", device="cpu", dtype="float32")
        self.judge = Judge.load()
        self.out.mkdir(parents=True, exist_ok=True)

    def items(self, sigma: float, noise: float) -> Iterator[Item]:
        """All icons of one case, all seeds."""
        for seed in range(self.options.seeds):
            for row in self.rows:
                yield Item(self, row, sigma, noise, seed)

    def figures(self, item: Item, method: str) -> dict[str, Any]:
        """One method on one item, from its file if it has been measured."""
        stem = f"{item.name}-{method.replace(', ', '-').replace(' ', '-')}"
        path = self.out / f"{stem}.json"
        if path.is_file():
            found = json.loads(path.read_text())
            if found["model"] == self.prior.revision:
                return found
        began = time.process_time()
        scene = item.by(method)
        spent = time.process_time() - began
        save_svg(path.with_suffix(".svg"), scene, title=item.prompt, background=(1, 1, 1))
        picture = rasterize(scene, WHITE).clamp(0, 1)
        save_picture(path.with_suffix(".png"), picture)
        best = int(self.judge.rank(picture[None]).argmax())
        found = {
            "model": self.prior.revision,
            "psnr": psnr(picture, item.sharp),
            "ssim": ssim(picture, item.sharp),
            "named": self.judge.concepts[best],
            "right": self.judge.concepts[best] == item.row["concept"],
            "paths": scene.paths,
            "segments": len(scene.segments),
            "crossing": float(crosses_itself(scene).float().sum()),
            "seconds": spent,
        }
        write_whole(path, json.dumps(found).encode())
        return found

    def case(self, sigma: float, noise: float) -> None:
        """One table and one sheet."""
        found: dict[str, list[dict[str, Any]]] = {m: [] for m in self.options.methods}
        items = list(self.items(sigma, noise))
        inputs = [psnr(item.y[0], item.sharp) for item in items]
        for item in items:
            for method in found:
                found[method].append(self.figures(item, method))
            item._run = None
        print(f"\nblur {sigma:g}, noise {noise:g}, {len(items)} items, ", end="")
        print(f"input {np.mean(inputs):.2f} dB, model {self.prior.revision}\n")
        print("| method | PSNR | SSIM | top-1 | paths | segments | crossing | s |")
        print("|---|---|---|---|---|---|---|---|")
        for method, rows in found.items():
            print(f"| {method} | {_row(rows)} |", flush=True)
        self.sheet(items, [*found], self.out / f"sheet-{sigma:g}-{noise:g}.png")

    def sheet(self, items: list[Item], methods: list[str], path: Path) -> None:
        """Sharp pictures, inputs and results, a row an item of the first seed."""
        shown = [item for item in items if item.seed == 0]
        page = Image.new("RGB", (128 * (len(methods) + 2), 128 * len(shown) + 16), "white")
        pen = ImageDraw.Draw(page)
        for k, name in enumerate(["sharp", "input", *methods]):
            pen.text((128 * k + 3, 2), name, fill="black")
        for j, item in enumerate(shown):
            files = [
                self.out / f"{item.name}-{m.replace(', ', '-').replace(' ', '-')}.png"
                for m in methods
            ]
            for k, file in enumerate([HERE / item.row["image"], item.file, *files]):
                with Image.open(file) as picture:
                    page.paste(picture.convert("RGB"), (128 * k, 16 + 128 * j))
        page.save(path)
        print(f"\nsheet: {path}")


def _row(rows: list[dict[str, Any]]) -> str:
    """Means, as a row of the table."""
    paths = sum(row["paths"] for row in rows)

    def mean(name: str) -> float:
        return float(np.mean([row[name] for row in rows]))

    cells = [f"{mean('psnr'):.2f}", f"{mean('ssim'):.3f}", f"{mean('right'):.0%}"]
    cells += [f"{mean('paths'):.0f}", f"{mean('segments'):.0f}"]
    cells += [f"{sum(row['crossing'] for row in rows) / max(paths, 1):.1%}"]
    return " | ".join([*cells, f"{mean('seconds'):.1f}"])


def _read(path: Path) -> Tensor:
    with Image.open(path) as image:
        return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1).float() / 255


def arguments_of(arguments: list[str] | None) -> argparse.Namespace:
    """What was typed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sigma", type=float, nargs="*", default=[3.0])
    parser.add_argument("--noise", type=float, nargs="*", default=[0.02])
    parser.add_argument("--seeds", type=int, default=1, help="how many, from 0")
    parser.add_argument("--every", type=int, default=1, help="every n-th icon")
    parser.add_argument("--first", type=int, default=0, help="the icon to begin with")
    parser.add_argument("--limit", type=int, default=None, help="at most so many icons")
    parser.add_argument("--methods", nargs="*", default=[*METHODS], choices=METHODS, metavar="M")
    parser.add_argument("--out", type=Path, default=HERE / "runs" / "vectorize")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Measure every case that was asked for."""
    options = arguments_of(arguments)
    torch.set_num_threads(1)
    bench = Bench(options)
    for sigma in options.sigma:
        for noise in options.noise:
            bench.case(sigma, noise)


if __name__ == "__main__":
    main()
