"""Does it collapse? Many seeds of one start, by score distillation and by the reverse process.

Two worlds. In the exact one the truth is known: a mixture of eight components on a circle, with
weights that differ. Every method starts at the same point, the origin; the seeds are all that
differ. How many components are reached, how far the shares are from the true ones (total
variation), how wide a component comes out against its true width. In the trained one a word that
says little ("smiling face") is made from a gray picture: how many names the judge gives, and how
far apart the pictures are to it (mean distance of their unit vectors, 1 - cos).
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, final

import torch

from benchmarks.clock import clock_of
from benchmarks.judge import HERE as JUDGE
from benchmarks.judge import Judge
from benchmarks.suites.plots import sheet
from benchmarks.suites.protocol import Item, Protocol, digest
from benchmarks.suites.records import Records, Result, Row
from benchmarks.suites.report import Column, table
from benchmarks.suites.rows import DDS_STEP, slug
from dreamsampler.files import sha256
from dreamsampler.generators import LatentVariable
from dreamsampler.guidance import cfg
from dreamsampler.maths import Latent, Rng, Step, ddpm, draw, fresh, generators, keep
from dreamsampler.methods import sds
from dreamsampler.models import GaussianMixture
from dreamsampler.models.prior import Condition, Prior
from dreamsampler.samplers import dream, finish, random_levels, trailing

MODES, WIDTH, SEEDS = 8, 0.15, 512
SHARES = torch.tensor([4.0, 1.0, 2.0, 1.0, 3.0, 1.0, 2.0, 2.0], dtype=torch.float64) / 16
PROMPTS = ("smiling face", "fruit", "animal face", "vehicle")
PICTURES = 8
"""Seeds of a prompt."""

Method = Callable[[Prior, Condition, Condition, Latent, Rng, float, float], Iterator[Step]]
"""(prior, prompt, null, start, rng, guidance, SDS's step) -> a run."""


def _distilled(smaller: int) -> Method:
    """SDS at random levels; steps so many times smaller, and more where they cost nothing."""

    def run(
        prior: Prior, c: Condition, null: Condition, z: Latent, rng: Rng, w: float, step: float
    ) -> Iterator[Step]:
        own, exact = torch.Generator().manual_seed(0), isinstance(prior, GaussianMixture)
        levels = random_levels(prior.schedule, 200 * (smaller if exact else 1), own)
        return sds(cfg(prior, c, null, w), LatentVariable(z), levels, rng, step / smaller)

    return run


def _reverse(steps: int, share: str) -> Method:
    """Falling levels from noise; noise is kept, or renewed: DDPM's share, or the paper's."""

    def run(
        prior: Prior, c: Condition, null: Condition, z: Latent, rng: Rng, w: float, step: float
    ) -> Iterator[Step]:
        levels, eps = trailing(prior.schedule, steps, start=0.98), draw(z, rng)
        policies = {
            "kept": keep,
            "ddpm": fresh(ddpm(), rng),
            "alpha_bar": fresh(lambda level, following: level.alpha_bar, rng),
        }
        return dream(
            cfg(prior, c, null, w), LatentVariable(z), levels, eps, renoise=policies[share]
        )

    return run


METHODS: dict[str, Method] = {
    "SDS": _distilled(1),
    "SDS, steps a fifth": _distilled(5),
    "DreamSampler, noise renewed by alpha_bar": _reverse(50, "alpha_bar"),
    "reverse process, DDPM's share": _reverse(50, "ddpm"),
    "reverse process, noise kept (DDIM)": _reverse(50, "kept"),
}

COLUMNS = (
    Column("modes", "components reached of 8", ".0f", 1, None),
    Column("distance", "distance of the shares", ".2f", 1, None),
    Column("width", "width / true width", ".2f", 1, None),
)
TRAINED = (
    Column("names", f"names of {PICTURES}", ".1f"),
    Column("spread", "spread", ".3f"),
    Column("evaluations", "evaluations", ".0f", 1, None),
    Column("seconds", "s a core", ".1f", 1, None),
)


@final
class Collapse:
    """Both worlds; the exact one's guidance is none, the trained one's 5."""

    name, batch = "collapse", 1

    def __init__(self, prior: Any) -> None:
        self.prior, self.judge = prior, Judge.load()
        self.clock = clock_of(prior)
        self.protocol = freeze()

    def rows(self, methods: list[str] | None, *, curves: bool) -> list[Row]:
        """One row a method."""
        unknown = [name for name in methods or [] if name not in METHODS]
        if unknown:
            known = ", ".join(METHODS)
            raise ValueError(f"there is no method {unknown[0]!r}: choose among {known}")
        return [Row(slug(name), name, "published") for name in methods or METHODS]

    @torch.no_grad()
    def measure(self, row: Row, items: list[Item]) -> list[Result]:
        """Many seeds of one start."""
        return [
            self._exact(row) if item.id == "mixture" else self._trained(row, item) for item in items
        ]

    def _exact(self, row: Row) -> Result:
        prior, start = mixture(), time.process_time()
        z = torch.zeros(SEEDS, 2, dtype=torch.float64)
        rng = generators(0, SEEDS)
        last = finish(METHODS[row.method](prior, None, None, z, rng, 1.0, 0.05))
        return Result(diversity(last.z0), 0, time.process_time() - start)

    def _trained(self, row: Row, item: Item) -> Result:
        before, start = self.prior.evaluations, self.clock()
        side = self.prior.native_size
        gray = self.prior.encode(torch.zeros(1, 3, side, side)).repeat(PICTURES, 1, 1, 1)
        pair = self.prior.condition(item.target_prompt), self.prior.condition("")
        rng = generators(item.seed, PICTURES)
        last = finish(METHODS[row.method](self.prior, *pair, gray, rng, 5.0, DDS_STEP))
        made = torch.cat([self.prior.decode(z0) for z0 in last.z0.split(1)]).clamp(-1, 1) / 2 + 0.5
        unit = self.judge.embed(made)
        apart = 1 - unit @ unit.T
        names = {each[0] for each in self.judge.top(made)}
        spread = float(apart.sum() / (PICTURES * (PICTURES - 1)))
        used = (self.prior.evaluations - before) // PICTURES
        seconds = (self.clock() - start) / PICTURES
        strip = torch.cat(list(made), 2)
        return Result({"names": float(len(names)), "spread": spread}, used, seconds, strip)

    def report(self, records: Records, rows: list[Row], items: list[Item], out: Path) -> str:
        """Two tables and a sheet."""
        lines: list[str] = []
        exact = [item for item in items if item.id == "mixture"]
        trained = [item for item in items if item.id != "mixture"]
        for told, own, columns in (
            (f"Exact mixture, {SEEDS} seeds from one point:", exact, COLUMNS),
            (f"Trained model, {PICTURES} seeds a prompt from gray:", trained, TRAINED),
        ):
            if own:
                found = [
                    (row.method, [records.read(row, item) or {} for item in own]) for row in rows
                ]
                lines += [told, "", table(found, columns), ""]
        for item in trained:
            strips = [[records.picture(row, item)] for row in rows]
            name = f"{slug(item.target_prompt)}.png"
            _strips([row.method for row in rows], [each[0] for each in strips], out / name)
            lines += [f"{item.target_prompt}: ![pictures]({name})", ""]
        return "\n".join(lines)


def mixture() -> GaussianMixture:
    """Eight components on a circle of radius 3, of different weight."""
    angle = torch.arange(MODES, dtype=torch.float64) * 2 * math.pi / MODES
    means = 3 * torch.stack([angle.cos(), angle.sin()], 1)
    return GaussianMixture(means, WIDTH, weights=SHARES)


def diversity(z0: Latent) -> dict[str, float]:
    """What many samples of `mixture` look like against the truth.

    Modes: components with at least one sample within four widths. Distance: total variation of
    the shares, a sample that is near no component counting as wrong. Width: root mean square
    deviation from the nearest mean's own center, over the true one, of samples near a component.

    Args:
        z0: (n, 2).
    """
    means = mixture().means.to(z0)
    apart = torch.cdist(z0, means)
    nearest, gap = apart.argmin(1), apart.min(1).values
    near = gap < 4 * WIDTH
    counts = Counter(nearest[near].tolist())
    shares = torch.tensor([counts[k] / len(z0) for k in range(MODES)], dtype=torch.float64)
    wrong = 1 - float(near.double().mean())
    squares = [
        (z0[near & (nearest == k)] - z0[near & (nearest == k)].mean(0)).square().mean(1)
        for k, count in counts.items()
        if count > 1
    ]
    width = float(torch.cat(squares).mean().sqrt()) / WIDTH if squares else 0.0
    distance = float(((shares - SHARES).abs().sum() + wrong) / 2)
    return {"modes": float(len(counts)), "distance": distance, "width": width, "astray": wrong}


def _strips(names: list[str], paths: list[Path], path: Path) -> None:
    """One strip of pictures a method, below each other."""
    from PIL import Image

    tiles: list[Path] = []
    folder = path.parent / "tiles" / path.stem
    folder.mkdir(parents=True, exist_ok=True)
    columns: list[tuple[str, list[Path]]] = []
    for k in range(PICTURES):
        tiles = []
        for n, strip in enumerate(paths):
            with Image.open(strip) as opened:
                side = opened.height
                tile = opened.crop((k * side, 0, (k + 1) * side, side))
            tiles.append(folder / f"{n}-{k}.png")
            tile.save(tiles[-1])
        columns.append((f"seed {k}", tiles))
    words = [name.replace(", ", ",\n").replace("renewed by", "renewed\nby") for name in names]
    sheet(columns, words, path)


def freeze() -> Protocol:
    """Nothing is read from files: the digest is that of the numbers above."""
    world = digest([MODES, WIDTH, SEEDS, SHARES.tolist(), PICTURES])
    items = [Item("mixture", "judge/judge.json", sha256(JUDGE / "judge.json"), 0)]
    items += [
        Item(slug(p), "judge/judge.json", items[0].sha256, 100 * i, target_prompt=p)
        for i, p in enumerate(PROMPTS)
    ]
    judge = sha256(JUDGE / "judge.safetensors")
    return Protocol("collapse", 1, {"modes": 1, "spread": 1, world: 1}, judge, tuple(items))
