"""Scenes from degraded views: without the model, with it, and restoring every view alone.

    python -m benchmarks.reconstruct --size 64 --out benchmarks/runs/reconstruct
    python -m benchmarks.reconstruct --device cuda --seconds 60      (again and again, until done)
    python -m benchmarks.reconstruct --table --sheet benchmarks/runs/reconstruct.png

Truth is rendered from closed forms (`dreamsampler.generators.toy`); what counts are sharp views
that no method has seen. Four answers to the same views, after the same number of optimizer steps:

    plain     the field under the data term and total variation alone
    data      the task Reconstruct without the model (beta = 0): `conditional`; where there is an
              operator the fit also follows the deconvolved views (deconvolve)
    dream     the task Reconstruct: `data`, then the model at falling levels (beta > 0)
    views     every view restored alone by the task Restore's method, then a field fitted to them

Every answer to every scene is a file in --out; those that are there are not measured again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.reconstruct_table import contact_sheet, tables
from dreamsampler.files import write_whole
from dreamsampler.guidance import conditional
from dreamsampler.images.picture import open_picture, save_picture
from dreamsampler.maths import generators
from dreamsampler.methods import RunningMean, averaged_restoration, restarts
from dreamsampler.methods.reconstruction import by_view
from dreamsampler.models.load import Pretrained, from_pretrained
from dreamsampler.operators import Mask, compose
from dreamsampler.regularizers.measurement import Measurement
from dreamsampler.samplers import finish
from dreamsampler.tasks.data_consistency import closed, first_guess, guessable
from dreamsampler.tasks.make_scene import NAMES, MakeScene
from dreamsampler.tasks.reconstruct.run import ReconstructRun
from dreamsampler.tasks.reconstruct.task import Reconstruct
from dreamsampler.tasks.restore.run import MIRRORED
from dreamsampler.tasks.restore.task import RESTORE_PRESETS

DEGRADATIONS: dict[str, dict[str, Any]] = {
    "blur": {"operator": "blur(sigma=2)", "noise": 0.01},
    "x4": {"operator": "downsample(4)", "noise": 0.01},
    "masked": {"masked": 0.5, "noise": 0.01},
    "few": {"views": 8, "noise": 0.01},
    "clean": {},
}
"""What is done to the views; 20 of them unless it says otherwise."""
TUNING = ("mug", "stack")
"""Toys by which the defaults were chosen; the tables are of the six others."""
ANSWERS = ("plain", "data", "dream", "views")
SHOWN = 3
"""Held-out views of an answer that are kept for the contact sheet."""


def scores(renders: list[Tensor], truth: list[Tensor]) -> dict[str, float]:
    """Mean PSNR and SSIM of the held-out views."""
    a, b = torch.stack(renders), torch.stack(truth)
    near = -10 * ((a - b) ** 2).mean((1, 2, 3)).clamp_min(1e-10).log10()
    return {"psnr": float(near.mean()), "ssim": ssim(a, b)}


def ssim(a: Tensor, b: Tensor) -> float:
    """Structural similarity of pictures (b, 3, h, w) in [0, 1]; windows of deviation 1.5 inside.

    Source: Wang et al., IEEE Trans. Image Processing 13 (2004), eq. 13.
    """
    taps = torch.exp(-0.5 * (torch.arange(-5, 6) / 1.5) ** 2)
    window = (taps[:, None] * taps / taps.sum() ** 2)[None, None]
    x, y = a.flatten(0, 1)[:, None], b.flatten(0, 1)[:, None]
    m_x, m_y, xx, yy, xy = (F.conv2d(v, window) for v in (x, y, x * x, y * y, x * y))
    v_x, v_y, both = xx - m_x**2, yy - m_y**2, xy - m_x * m_y
    top = (2 * m_x * m_y + 1e-4) * (2 * both + 9e-4)
    return float((top / ((m_x**2 + m_y**2 + 1e-4) * (v_x + v_y + 9e-4))).mean())


@torch.no_grad()
def restored(run: ReconstructRun, prior: Pretrained, prompt: str, noise: float) -> Tensor:
    """Every view on its own: the task Restore's default method, all views in one batch."""
    views, preset = run.views, RESTORE_PRESETS["default"]
    op = views.op if bool(views.known.all()) else compose(views.op, Mask(views.known))
    data = Measurement(op, views.y * views.known, noise, run._decode, run._encode)
    first, *others = preset.starts or (1.0,)
    starts = [first if guessable(_one(data, views.known, 0).op, data.size) else 1.0, *others]
    words = [camera.view(views.center) for camera in views.cameras]
    told = {w: conditional(prior, prior.condition(f"{prompt}, {w}")) for w in dict.fromkeys(words)}
    walks = restarts(prior.schedule, preset.num_inference_steps, starts)
    found = RunningMean(first_guess(data))
    steps = averaged_restoration(
        by_view([told[word] for word in words]),
        [_mirrored(data, run, MIRRORED[i % len(MIRRORED)]) for i in range(len(walks))],
        found,
        walks,
        generators(list(range(len(words)))),
        spread=lambda level: (preset.spread or 0.0) * level.flow,
    )
    finish(steps)
    rows = [_one(data, views.known, i) for i in range(len(words))]
    return torch.cat([closed(row, found.mean[i : i + 1]) for i, row in enumerate(rows)])


def _mirrored(data: Measurement, run: ReconstructRun, axes: tuple[int, ...]) -> Measurement:
    """The measurement as a latent of the mirror image sees it."""
    return replace(
        data,
        decode=lambda z: run._decode(z).flip(axes),
        encode=lambda x: run._encode(x.flip(axes)),
    )


def _one(data: Measurement, known: Tensor, i: int) -> Measurement:
    """The measurement of one view; its own mask, if there are masks."""
    one = data.of_row(i)
    if bool(known.all()):
        return one
    return replace(one, op=Mask(known[i : i + 1]))


def alone(folder: Path, scene: MakeScene, prior: Pretrained, prompt: str) -> None:
    """Put the restored views in the place of the degraded ones."""
    run = Reconstruct(folder, operator=scene.operator, beta=0.0).start(prior)
    pictures = restored(run, prior, prompt, max(scene.noise, 0.0012)).cpu()
    path = folder / "transforms.json"
    told = json.loads(path.read_text())
    for frame in told["frames"]:
        frame.pop("mask_path", None)
    told = {k: v for k, v in told.items() if k not in ("w", "h", "fl_x", "fl_y", "cx", "cy")}
    path.write_text(json.dumps(told))
    for i, picture in enumerate(pictures.clamp(0, 1)):
        save_picture(folder / f"view_{i:03d}.png", picture)


def measure(
    folder: Path, scene: MakeScene, answer: str, prior: Pretrained, asked: argparse.Namespace
) -> tuple[dict[str, Any], Tensor]:
    """One answer to one scene: its scores, and a strip of its first held-out views.

    Args:
        folder: of the scene; the answer `views` replaces its views, so it comes last.
        scene: what the folder holds.
        answer: which one.
        prior: the model.
        asked: options of the task among others.
    """
    prompt = f"{scene.prompt} on a white background"
    clock = time.perf_counter if prior.device.type == "cuda" else time.process_time
    truth = [open_picture(s.path).rgb for s in Reconstruct(folder).shots() if s.held_out]
    began = clock()
    if answer == "views":
        alone(folder, scene, prior, prompt)
    options = {key: getattr(asked, key) for key in TUNED if getattr(asked, key) is not None}
    task = Reconstruct(
        folder,
        operator="none" if answer == "views" else scene.operator,
        prompt=prompt,
        deconvolve=answer != "plain",
        turntable=0,
        **options,
    )
    if answer != "dream":
        more = task.num_inference_steps * task.inner_steps
        task = replace(task, beta=0.0, steps=task.steps + more)
    run = task.start(prior).run()
    pictures = run.pictures()
    found = {**scores(pictures, truth), "seconds": clock() - began, "stages": run.seconds}
    found |= {"residual": run.report["residual"], "options": options}
    shown = torch.cat([torch.cat(truth[:SHOWN], 2), torch.cat(pictures[:SHOWN], 2)], 1)
    return found, shown


TUNED = {"beta": float, "num_inference_steps": int, "inner_steps": int, "strength": float,
         "steps": int, "guidance_scale": float, "new_views": int}  # fmt: skip
"""Options of the task that can be given here; what is left out is the task's default."""


def asked_for(arguments: list[str]) -> argparse.Namespace:
    """The command line, read."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", default="iconic")
    parser.add_argument("--device", default="cpu")
    reported = [name for name in NAMES if name not in TUNING]
    parser.add_argument("--toys", nargs="+", default=reported, choices=NAMES)
    parser.add_argument("--degradations", nargs="+", default=list(DEGRADATIONS))
    parser.add_argument("--answers", nargs="+", default=list(ANSWERS), choices=ANSWERS)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--views", type=int, default=20)
    parser.add_argument("--held-out", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/runs/reconstruct"))
    parser.add_argument("--seconds", type=float, help="begin no further answer after so many")
    parser.add_argument("--table", action="store_true", help="measure nothing, print the tables")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet of --toys, too")
    for name, kind in TUNED.items():
        parser.add_argument("--" + name.replace("_", "-"), type=kind)
    return parser.parse_args(arguments)


def measure_all(asked: argparse.Namespace) -> None:
    """Every answer that is not there yet, a file each."""
    began, prior = time.perf_counter(), None
    for degradation, toy in itertools.product(asked.degradations, asked.toys):
        stem = f"{asked.size}-{degradation}-{toy}"
        wanted = ("data",) if degradation == "clean" else asked.answers
        left = [a for a in ANSWERS if not (asked.out / f"{stem}-{a}.json").exists()]
        given = {"views": asked.views, **DEGRADATIONS[degradation]}
        scene = MakeScene(toy, held_out=asked.held_out, size=asked.size, seed=asked.seed, **given)
        with TemporaryDirectory() as folder:
            for answer in (each for each in left if each in wanted):
                if asked.seconds and time.perf_counter() - began > asked.seconds:
                    return
                if not any(Path(folder).iterdir()):
                    scene.save(folder)
                prior = prior or from_pretrained(asked.model, device=asked.device)
                found, shown = measure(Path(folder), scene, answer, prior, asked)
                path = asked.out / f"{stem}-{answer}.json"
                save_picture(path.with_suffix(".png"), shown)
                row = {"degradation": degradation, "toy": toy, "answer": answer, **found}
                write_whole(path, json.dumps({**row, "device": str(prior.device)}).encode())
                print(f"{path.stem}: {found['psnr']:.2f} dB, {found['seconds']:.0f} s", flush=True)


def main(arguments: list[str]) -> None:
    """Measure what is missing, then print what there is."""
    asked = asked_for(arguments)
    torch.set_num_threads(1)
    if not asked.table:
        measure_all(asked)
    print(tables(asked.out, asked.size))
    if asked.sheet:
        contact_sheet(asked.out, asked.size, SHOWN, asked.toys).save(asked.sheet)


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
