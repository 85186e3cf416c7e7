"""The suite of radiance fields: toys from degraded views; what counts are views nobody has seen.

What is done to the views, and the answers, are `benchmarks.reconstruct`'s; here are frozen items,
SDS, records and intervals.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, final

import torch
from torch import Tensor

from benchmarks.clock import clock_of
from benchmarks.reconstruct import DEGRADATIONS, TUNING, alone, scores
from benchmarks.suites.protocol import HERE, Item, Protocol, frozen
from benchmarks.suites.records import Records, Result, Row, png
from benchmarks.suites.report import Column, Page, page_of
from dreamsampler.files import InputError, sha256, write_whole
from dreamsampler.images.picture import open_picture
from dreamsampler.maths import Latent, Step, draw, fresh, generators
from dreamsampler.methods.reconstruction import by_view
from dreamsampler.samplers import dream, random_levels
from dreamsampler.tasks.make_scene import NAMES, MakeScene, ToyName
from dreamsampler.tasks.reconstruct.run import ReconstructRun, _spread
from dreamsampler.tasks.reconstruct.task import Reconstruct

OURS = "DreamSampler"
ROWS = (
    Row("data", "data only", "published", {"answer": "plain"}),
    Row("guessed", "data only, deconvolved views beside it", "variant", {"answer": "data"}),
    Row("views", "every view restored, then fitted", "published", {"answer": "views"}),
    Row("sds", "SDS (as DreamFusion, data beside it)", "published", {"answer": "sds"}),
    Row("dreamsampler", OURS, "ours", {"answer": "dream"}),
)
"""Every row has the same optimizer steps; SDS and ours the same first field and evaluations."""
COLUMNS = (
    Column("PSNR", "PSNR dB", ".2f"),
    Column("SSIM", "SSIM", ".3f"),
    Column("evaluations", "evaluations", ".0f", 1, None),
    Column("seconds", "s a core", ".0f", 1, None),
)
SIZE, VIEWS, HELD_OUT, STEPS, LEVELS = 64, 12, 6, 250, 4
"""Of every scene ("few" has 8 views), and of every row's fit and walk."""
NEAR = 2 / 255
"""A truth that is rendered this near to the frozen picture is the frozen one."""


@final
class Radiance:
    """Who fits a field, and how near its renders are to the truth.

    Args:
        prior: the model.
    """

    name, batch = "radiance", 1

    def __init__(self, prior: Any) -> None:
        self.prior, self.protocol = prior, frozen("radiance")
        self.clock = clock_of(prior)

    def rows(self, methods: list[str] | None, *, curves: bool) -> list[Row]:
        """All, or those of the named methods."""
        unknown = [name for name in methods or [] if name not in {row.method for row in ROWS}]
        if unknown:
            known = ", ".join(row.method for row in ROWS)
            raise ValueError(f"there is no method {unknown[0]!r}: choose among {known}")
        kept = [row for row in ROWS if curves or row.kind != "variant"]
        return [row for row in kept if methods is None or row.method in methods]

    def measure(self, row: Row, items: list[Item]) -> list[Result]:
        """One scene at a time."""
        self.protocol.check(items)
        return [self._one(row.settings["answer"], item) for item in items]

    def _one(self, answer: str, item: Item) -> Result:
        with TemporaryDirectory() as name:
            folder, scene = Path(name), scene_of(item)
            scene.save(folder)
            truth = [
                open_picture(shot.path).rgb for shot in Reconstruct(folder).shots() if shot.held_out
            ]
            if (truth[0] - open_picture(HERE / item.image).rgb).abs().max() > NEAR:
                raise InputError(f"{item.more['toy']} is no longer rendered as it was frozen")
            before, began = self.prior.evaluations, self.clock()
            pictures = self._answer(answer, folder, scene, item.source_prompt)
            seconds = self.clock() - began
        found = scores(pictures, truth)
        told = {"PSNR": found["psnr"], "SSIM": found["ssim"]}
        used = self.prior.evaluations - before
        return Result(told, used, seconds, pictures[0])

    def _answer(self, answer: str, folder: Path, scene: MakeScene, prompt: str) -> list[Tensor]:
        if answer == "views":
            alone(folder, scene, self.prior, prompt)
        told = {"operator": "none" if answer == "views" else scene.operator, "prompt": prompt}
        how: dict[str, Any] = {"steps": STEPS, "num_inference_steps": LEVELS, "turntable": 0}
        task = Reconstruct(folder, deconvolve=answer != "plain", **told, **how)
        if answer not in ("dream", "sds"):  # the same optimizer steps, all of them on the data
            task = replace(task, beta=0.0, steps=task.steps + LEVELS * task.inner_steps)
        run = task.start(self.prior)
        if answer == "sds":
            run._walk.begin(distilled(run), LEVELS)
        return run.run().pictures()

    def report(self, records: Records, rows: list[Row], items: list[Item], out: Path) -> str:
        """A table of all scenes, one a degradation, a plot and a sheet."""
        digest, model = records.protocol.digest[:12], records.model
        page = Page(
            f"{len(items)} scenes of {SIZE} px, {VIEWS} views (few: 8), noise 0.01, intervals over "
            f"scenes (95 %), model {model['name']} ({model['weights']}), protocol {digest}.",
            COLUMNS,
            first="truth",
            words=[f"{i.more['toy']}\n{i.more['degradation']}" for i in items],
            side=128,
            ours=OURS,
            each="scene by scene",
            more=lambda found: _by_scene(found, items),
            plot="PSNR of unseen views, dB",
        )
        return page_of(page, records, rows, items, out)


def distilled(run: ReconstructRun) -> Iterator[Step]:
    """Score distillation instead of the walk: levels at random, fresh noise, all else as ours.

    Source: Poole et al., "DreamFusion", ICLR 2023 (arXiv:2209.14988), eq. 3, with a data term
    beside it and, as ours, comparing pictures.
    """
    for _ in run.fitting():
        pass
    task, film = run.task, run.film
    rng = generators([task.seed + i for i in range(len(film.cameras))])
    own = torch.Generator().manual_seed(task.seed)
    levels = random_levels(run.prior.schedule, task.num_inference_steps, own)

    def believed(z0: Latent, step: Step) -> Latent:
        film.spread = _spread(step.level)
        return z0

    eps, denoise = draw(film.latent(), rng), by_view(run._guided())
    yield from dream(denoise, film, levels, eps, regularize=believed, renoise=fresh(1.0, rng))


def scene_of(item: Item) -> MakeScene:
    """The scene of an item, as it is made."""
    given: dict[str, Any] = {"views": VIEWS, **DEGRADATIONS[item.more["degradation"]]}
    return MakeScene(item.more["toy"], held_out=HELD_OUT, size=SIZE, seed=item.seed, **given)


def _by_scene(found: dict[str, list[dict[str, Any]]], items: list[Item]) -> list[str]:
    """PSNR of every scene."""
    lines = ["| scene | " + " | ".join(found) + " |", "|---" * (len(found) + 1) + "|"]
    for i, item in enumerate(items):
        cells = [f"{rows[i]['measures']['PSNR']:.2f}" for rows in found.values()]
        lines.append(f"| {item.more['toy']}, {item.more['degradation']} | {' | '.join(cells)} |")
    return lines


def freeze() -> Protocol:
    """Every degradation of every toy that nothing was tuned on; their truth as pictures."""
    toys: list[ToyName] = [name for name in NAMES if name not in TUNING]
    kinds = [name for name in DEGRADATIONS if name != "clean"]
    items: list[Item] = []
    for i in range(24):  # spread: a prefix is fair
        toy, kind = toys[i % 6], kinds[(i + i // 12) % 4]
        image, scene = f"scenes/{toy}.png", MakeScene(toy, views=2, held_out=HELD_OUT, size=SIZE)
        if not (HERE / image).is_file():
            write_whole(HERE / image, png(truth_of(scene)))
        told = {"toy": toy, "degradation": kind}
        prompt = f"{scene.prompt} on a white background"
        items.append(Item(f"{kind}-{toy}", image, sha256(HERE / image), 0, prompt, more=told))
    return Protocol("radiance", 1, {"PSNR": 1, "SSIM": 1}, "", tuple(items))


def truth_of(scene: MakeScene) -> Tensor:
    """The first sharp view that no method sees."""
    with TemporaryDirectory() as folder:
        scene.save(Path(folder))
        (first, *_) = [s for s in Reconstruct(Path(folder)).shots() if s.held_out]
        return open_picture(first.path).rgb
