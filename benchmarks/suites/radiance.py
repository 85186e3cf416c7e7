"""The suite of radiance fields: toys from degraded views; measured on views that no method gets."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, final

import torch
from torch import Tensor

from benchmarks.metrics import psnr, read, ssim
from benchmarks.protocol import HERE, Item, Protocol
from benchmarks.records import Records, Result, Row, png
from benchmarks.report import EVALUATIONS, Column, Page, header, line, page_of, seconds
from benchmarks.stats import Measured
from benchmarks.suite import Suite
from dreamsampler.files import InputError, sha256, write_whole
from dreamsampler.guidance import cfg, conditional
from dreamsampler.images.fit import Fit
from dreamsampler.images.save import save_picture
from dreamsampler.maths import Latent, Step, draw, fresh, generators
from dreamsampler.methods.inputs import RunningMean
from dreamsampler.methods.reconstruction import by_view
from dreamsampler.methods.registry import method
from dreamsampler.methods.restore.default import FLIPS, averaged_restoration, restarts
from dreamsampler.operators import Mask, compose
from dreamsampler.regularizers.measurement import Measurement
from dreamsampler.samplers import dream, finish, random_levels
from dreamsampler.tasks import Reconstruct
from dreamsampler.tasks.data_consistency import closed, first_guess, guessable
from dreamsampler.tasks.make_scene import NAMES, MakeScene, ToyName

OURS = "DreamSampler"
ROWS = (
    Row("data", "data only", "published", {"answer": "plain"}),
    Row("guessed", "data only, deconvolved views beside it", "variant", {"answer": "data"}),
    Row("views", "every view restored, then fitted", "published", {"answer": "views"}),
    Row("sds", "SDS (as DreamFusion, data beside it)", "published", {"answer": "sds"}),
    Row("dreamsampler", OURS, "ours", {"answer": "dream"}),
)
"""Every row has the same optimizer steps; SDS and ours the same first field and evaluations."""
DEGRADATIONS: dict[str, dict[str, Any]] = {
    "blur": {"operator": "blur(sigma=2)", "noise": 0.01},
    "x4": {"operator": "downsample(4)", "noise": 0.01},
    "masked": {"masked": 0.5, "noise": 0.01},
    "few": {"views": 8, "noise": 0.01},
}
"""What is done to the views."""
TUNING = ("mug", "stack")
"""Toys by which the defaults were chosen; the suite is of the six others."""
SIZE, VIEWS, HELD_OUT, STEPS, LEVELS = 64, 12, 6, 250, 4
"""Of every scene ("few" has 8 views), and of every row's fit and loop."""
NEAR = 2 / 255
"""Largest difference between a truth as it is rendered today and the frozen picture."""


@final
class Radiance(Suite):
    """How near the renders of a fitted field are to the truth."""

    name, float32 = "radiance", True
    columns = (
        Column("PSNR", "PSNR dB", ".2f"),
        Column("SSIM", "SSIM", ".3f"),
        EVALUATIONS,
        seconds(".0f"),
    )

    def all_rows(self, *, curves: bool) -> list[Row]:
        """Without curves no variants."""
        return [row for row in ROWS if curves or row.kind != "variant"]

    def one(self, row: Row, item: Item) -> Result:
        """Fit a field to the views of a scene."""
        with TemporaryDirectory() as name:
            folder, scene = Path(name), scene_of(item)
            scene.start().save(folder)
            truth = held_out(folder)
            if (truth[0] - read(HERE / item.image)).abs().max() > NEAR:
                raise InputError(f"{item.more['toy']} is no longer rendered as it was frozen")
            with self.metered() as spent:
                pictures = self._answer(row.settings["answer"], folder, scene, item.source_prompt)
        renders, sharp = torch.stack(pictures), torch.stack(truth)
        measured = {"PSNR": psnr(renders, sharp), "SSIM": ssim(renders, sharp)}
        return Result(measured, spent.evaluations, spent.seconds, pictures[0])

    def _answer(self, answer: str, folder: Path, scene: MakeScene, prompt: str) -> list[Tensor]:
        if answer == "views":
            restore_views(folder, scene, self.prior, prompt)
        operator = "none" if answer == "views" else scene.operator
        task = Reconstruct(folder, operator=operator, prompt=prompt, deconvolve=answer != "plain",
                           fit_steps=STEPS, num_inference_steps=LEVELS, turntable=0)  # fmt: skip
        if answer == "sds":
            return distilled(task, self.prior)
        if answer != "dream":  # the same optimizer steps, all of them on the data
            task = replace(task, beta=0.0, fit_steps=task.fit_steps + LEVELS * task.update_steps)
        return task.start(self.prior).run().pictures()

    def report(self, records: Records, rows: list[Row], items: list[Item], out: Path) -> str:
        """A table of all scenes, one a degradation, a plot and a sheet."""

        def by_scene(measured: Measured) -> list[str]:
            lines = [header("scene", *measured)]
            for i, item in enumerate(items):
                cells = [f"{rows[i]['measures']['PSNR']:.2f}" for rows in measured.values()]
                lines.append(line(f"{item.more['toy']}, {item.more['degradation']}", *cells))
            return lines

        page = Page(
            f"{len(items)} scenes of {SIZE} px, {VIEWS} views (few: 8), noise 0.01, intervals over "
            f"scenes (95 %), model {records.model['name']} ({records.model['weights']}), protocol "
            f"{self.protocol.digest[:12]}.",
            self.columns,
            first="truth",
            words=[f"{i.more['toy']}\n{i.more['degradation']}" for i in items],
            side=128,
            ours=OURS,
            each="scene by scene",
            more=by_scene,
            plot="PSNR of unseen views, dB",
        )
        return page_of(page, records, rows, items, out)


SUITE = Radiance


def distilled(task: Reconstruct, prior: Any) -> list[Tensor]:
    """Score distillation instead of the loop: levels at random, fresh noise, all else as ours.

    Source: Poole et al., "DreamFusion", ICLR 2023 (arXiv:2209.14988), eq. 3, with a data term
    beside it and, as ours, comparing pictures.
    """
    run = task.start(prior)
    for _ in run.fitting():
        pass
    field = run.field
    rng = generators([task.seed + i for i in range(len(field.cameras))])
    levels = random_levels(
        prior.schedule, task.num_inference_steps, torch.Generator().manual_seed(task.seed)
    )
    null, words = prior.condition(""), [camera.view(run.views.center) for camera in field.cameras]
    denoisers = {
        word: cfg(prior, prior.condition(f"{task.prompt}, {word}"), null, task.guidance_scale)
        for word in dict.fromkeys(words)
    }

    def spread(z0: Latent, step: Step) -> Latent:
        field.spread = max(0.5 * step.level.flow, 0.02)  # as the task
        return z0

    denoise, eps = by_view([denoisers[word] for word in words]), draw(field.latent(), rng)
    finish(dream(denoise, field, levels, eps, regularize=spread, renoise=fresh(1.0, rng)))
    return [run.rendered(camera)[0] for camera in run.targets]


def restore_views(folder: Path, scene: MakeScene, prior: Any, prompt: str) -> None:
    """Put restored views in the place of the degraded ones, each restored alone."""
    run = Reconstruct(folder, operator=scene.operator, beta=0.0).start(prior)
    words = [f"{prompt}, {camera.view(run.views.center)}" for camera in run.views.cameras]
    pictures = restored(run.views, run.fit, prior, words, max(scene.noise, 0.0012))
    for i, picture in enumerate(pictures.cpu().clamp(0, 1)):
        save_picture(folder / f"view_{i:03d}.png", picture)
    path = folder / "transforms.json"
    scene_file = json.loads(path.read_text())
    for frame in scene_file["frames"]:
        frame.pop("mask_path", None)
    intrinsics = ("w", "h", "fl_x", "fl_y", "cx", "cy")  # of the degraded views
    path.write_text(json.dumps({k: v for k, v in scene_file.items() if k not in intrinsics}))


@torch.no_grad()
def restored(views: Any, fit: Fit, prior: Any, prompts: list[str], noise: float) -> Tensor:
    """Every view on its own: the default method of the task Restore, all views in one batch."""
    settings, masked = method("restore", "default").settings, not bool(views.known.all())

    def mirrored(axes: tuple[int, ...]) -> Measurement:
        """The views, as latents of their mirror images explain them."""
        op = compose(views.op, Mask(views.known)) if masked else views.op
        return Measurement(
            op,
            views.y * views.known,
            noise,
            lambda z: fit.up(prior.decode(z), clamp=False).flip(axes),
            lambda x: prior.encode(fit.down(x.flip(axes))),
        )

    def view(i: int) -> Measurement:
        row = data.of_row(i)
        return replace(row, op=Mask(views.known[i : i + 1])) if masked else row

    data = mirrored(())
    first, *others = settings["starts"]
    starts = [first if guessable(view(0).op, data.size) else 1.0, *others]
    denoisers = {p: conditional(prior, prior.condition(p)) for p in dict.fromkeys(prompts)}
    levels = restarts(prior.schedule, settings["num_inference_steps"], starts)
    mean = RunningMean(first_guess(data))
    steps = averaged_restoration(
        by_view([denoisers[prompt] for prompt in prompts]),
        [mirrored(FLIPS[i % len(FLIPS)]) for i in range(len(levels))],
        mean,
        levels,
        generators(list(range(len(prompts)))),
        spread=lambda level: settings["spread"] * level.flow,
    )
    finish(steps)
    return torch.cat([closed(view(i), mean.mean[i : i + 1]) for i in range(len(prompts))])


def held_out(folder: Path) -> list[Tensor]:
    """The sharp views of a scene that no method gets."""
    return [read(shot.path) for shot in Reconstruct(folder).shots() if shot.held_out]


def scene_of(item: Item) -> MakeScene:
    """The scene of an item, as it is made."""
    given: dict[str, Any] = {"views": VIEWS, **DEGRADATIONS[item.more["degradation"]]}
    return MakeScene(item.more["toy"], held_out=HELD_OUT, size=SIZE, seed=item.seed, **given)


def truth_of(toy: ToyName) -> tuple[MakeScene, Tensor]:
    """A scene of a toy, and its first sharp view that no method gets."""
    scene = MakeScene(toy, views=2, held_out=HELD_OUT, size=SIZE)
    with TemporaryDirectory() as folder:
        scene.start().save(folder)
        return scene, held_out(Path(folder))[0]


def freeze() -> Protocol:
    """Every degradation of every toy that nothing was tuned on; their truth as pictures."""
    toys: list[ToyName] = [name for name in NAMES if name not in TUNING]
    kinds, items = [*DEGRADATIONS], []
    for i in range(24):  # spread: a prefix is fair
        toy, kind = toys[i % 6], kinds[(i + i // 12) % 4]
        image, scene = f"scenes/{toy}.png", MakeScene(toy, views=2, held_out=HELD_OUT, size=SIZE)
        if not (HERE / image).is_file():
            write_whole(HERE / image, png(truth_of(toy)[1]))
        more = {"toy": toy, "degradation": kind}
        prompt = f"{scene.prompt} on a white background"
        items.append(Item(f"{kind}-{toy}", image, sha256(HERE / image), 0, prompt, more=more))
    return Protocol("radiance", 1, {"PSNR": 1, "SSIM": 1}, "", tuple(items))
