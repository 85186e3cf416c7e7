"""Does it collapse? Many seeds of one start, by score distillation and by the reverse process.

On an exact prior the truth is known: a mixture of eight components on a circle, with
weights that differ. Every method starts at the same point, the origin; the seeds are all that
differ. Measured: how many components are reached, how far the shares are from the true ones (total
variation), how wide a component comes out over its true width. With the trained model a prompt
that says little ("smiling face") is drawn from a gray picture: how many names the judge gives, and
how far apart its features of the pictures are (mean of 1 - cos).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, final

import torch

from benchmarks.judge import HERE as JUDGE
from benchmarks.judge import WEIGHTS
from benchmarks.plots import strips
from benchmarks.protocol import Item, Protocol, digest
from benchmarks.records import Records, Result, Row
from benchmarks.report import EVALUATIONS, Column, seconds, table
from benchmarks.suite import Suite, slug, timed
from dreamsampler.files import sha256
from dreamsampler.generators import LatentVariable
from dreamsampler.guidance import cfg
from dreamsampler.maths import Latent, Rng, Step, ddpm, draw, fresh, generators, keep
from dreamsampler.methods.edit.sds import sds
from dreamsampler.methods.registry import method
from dreamsampler.models import GaussianMixture
from dreamsampler.models.prior import Condition, Prior
from dreamsampler.samplers import dream, finish, random_levels, trailing

MODES, WIDTH, SEEDS = 8, 0.15, 512
SHARES = torch.tensor([4.0, 1.0, 2.0, 1.0, 3.0, 1.0, 2.0, 2.0], dtype=torch.float64) / 16
PROMPTS = ("smiling face", "fruit", "animal face", "vehicle")
PICTURES = 8
"""Seeds of a prompt."""
SDS_STEP = method("edit", "sds").settings["rate"]

Method = Callable[[Prior, Condition, Condition, Latent, Rng, float, float], Iterator[Step]]
"""(prior, prompt, null, start, rng, guidance, SDS's step) -> a run."""


def _distilled(smaller: int) -> Method:
    """SDS at random levels; steps so many times smaller, and as many more where they are free."""

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
    EVALUATIONS,
    seconds(".1f"),
)


@final
class Collapse(Suite):
    """An exact mixture without guidance, and the trained model with guidance 5."""

    name = "collapse"

    def __init__(self, prior: Any) -> None:
        super().__init__(prior, freeze())

    def all_rows(self, *, curves: bool) -> list[Row]:
        """One row a method."""
        return [Row(slug(name), name, "published") for name in METHODS]

    @torch.no_grad()
    def one(self, row: Row, item: Item) -> Result:
        """Many seeds of one start."""
        return self._exact(row) if item.id == "mixture" else self._trained(row, item)

    def _exact(self, row: Row) -> Result:
        z, rng = torch.zeros(SEEDS, 2, dtype=torch.float64), generators(0, SEEDS)
        with timed() as spent:
            last = finish(METHODS[row.method](mixture(), None, None, z, rng, 1.0, 0.05))
        return Result(diversity(last.z0), 0, spent.seconds)

    def _trained(self, row: Row, item: Item) -> Result:
        side = self.prior.native_size
        with self.metered() as spent:
            gray = self.prior.encode(torch.zeros(1, 3, side, side)).repeat(PICTURES, 1, 1, 1)
            pair = self.prior.condition(item.target_prompt), self.prior.condition("")
            rng = generators(item.seed, PICTURES)
            last = finish(METHODS[row.method](self.prior, *pair, gray, rng, 5.0, SDS_STEP))
            pictures = torch.cat([self.prior.decode(z0) for z0 in last.z0.split(1)])
            pictures = pictures.clamp(-1, 1) / 2 + 0.5
        unit = self.judge.embed(pictures)
        names = {each[0] for each in self.judge.top(pictures)}
        distance = float((1 - unit @ unit.T).sum() / (PICTURES * (PICTURES - 1)))
        measured = {"names": float(len(names)), "spread": distance}
        used, seconds_each = spent.evaluations // PICTURES, spent.seconds / PICTURES
        return Result(measured, used, seconds_each, torch.cat(list(pictures), 2))

    def report(self, records: Records, rows: list[Row], items: list[Item], out: Path) -> str:
        """Two tables, and a sheet a prompt."""
        lines: list[str] = []
        exact = [item for item in items if item.id == "mixture"]
        trained = [item for item in items if item.id != "mixture"]
        for title, own, columns in (
            (f"Exact mixture, {SEEDS} seeds from one point:", exact, COLUMNS),
            (f"Trained model, {PICTURES} seeds a prompt from gray:", trained, TRAINED),
        ):
            if own:
                measured = [(row.method, records.all(row, own)) for row in rows]
                lines += [title, "", table(measured, columns), ""]
        for item in trained:
            names = [row.method.replace(", ", ",\n").replace("d by", "d\nby") for row in rows]
            name = f"{slug(item.target_prompt)}.png"
            strips(names, [records.picture(row, item) for row in rows], out / name)
            lines += [f"{item.target_prompt}: ![pictures]({name})", ""]
        return "\n".join(lines)


SUITE = Collapse


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


def freeze() -> Protocol:
    """Nothing is read from files: the digest is that of the numbers above."""
    world = digest([MODES, WIDTH, SEEDS, SHARES.tolist(), PICTURES])
    items = [Item("mixture", "judge/judge.json", sha256(JUDGE / "judge.json"), 0)]
    items += [
        Item(slug(p), "judge/judge.json", items[0].sha256, 100 * i, target_prompt=p)
        for i, p in enumerate(PROMPTS)
    ]
    judge = sha256(WEIGHTS)
    return Protocol("collapse", 1, {"modes": 1, "spread": 1, world: 1}, judge, tuple(items))
