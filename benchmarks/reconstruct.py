"""Scenes from degraded views: without the model, with it, and restoring every view alone.

    python -m benchmarks.reconstruct --model iconic --size 64 --out benchmarks/runs/reconstruct.json

Truth is rendered from closed forms (`dreamsampler.generators.toy`); what counts are sharp views
that no method has seen. Three answers to the same views:

    data      the field alone: data term and total variation (beta = 0)
    dream     the task Reconstruct: the same, then the model at falling levels (beta > 0)
    views     every view restored alone by the task Restore's method, then a field fitted to them
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamsampler.maths import generators
from dreamsampler.methods.restoration import anchored_restoration
from dreamsampler.models.load import Pretrained, from_pretrained
from dreamsampler.objectives import plain
from dreamsampler.objectives.measurement import Measurement
from dreamsampler.operators import Mask, compose
from dreamsampler.samplers import by_noise, finish
from dreamsampler.tasks.make_scene import NAMES, MakeScene
from dreamsampler.tasks.picture import open_picture, save_picture
from dreamsampler.tasks.reconstruct import Reconstruct
from dreamsampler.tasks.reconstruct_run import ReconstructRun
from dreamsampler.tasks.verdict import closed, first_guess

DEGRADATIONS: dict[str, dict[str, Any]] = {
    "blur": {"operator": "blur(sigma=2)", "noise": 0.01},
    "x4": {"operator": "downsample(4)", "noise": 0.01},
    "masked": {"masked": 0.5, "noise": 0.01},
    "few": {"views": 8, "noise": 0.01},
    "clean": {},
}
"""What is done to the views; 20 of them unless it says otherwise."""


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


def restored(run: ReconstructRun, prior: Pretrained, prompt: str, noise: float) -> Tensor:
    """Every view on its own: Restore's default method, and its last word, (v, 3, h, w)."""
    views, results = run.views, []
    told = [camera.view(views.center) for camera in views.cameras]
    for i, (y, known, word) in enumerate(zip(views.y, views.known, told, strict=True)):
        op = views.op if bool(known.all()) else compose(views.op, Mask(known[None]))
        data = Measurement(op, (y * known)[None], max(noise, 0.0012), run._decode, run._encode)
        with torch.no_grad():
            z = run._encode(first_guess(data))
        denoise = plain(prior, prior.condition(f"{prompt}, {word}"))
        levels = by_noise(prior.schedule, 16, start=0.5)
        walk = anchored_restoration(
            denoise, data, z, levels, generators([i]), spread=lambda level: 0.3 * level.flow
        )
        with torch.no_grad():
            results.append(closed(data, run._decode(finish(walk).z0))[0])
    return torch.stack(results)


def one(scene: MakeScene, prior: Pretrained, asked: argparse.Namespace) -> dict[str, Any]:
    """All answers to one scene."""
    with TemporaryDirectory() as folder:
        scene.save(folder)
        shots = [s for s in Reconstruct(folder).shots() if s.held_out]
        truth = [open_picture(s.path).rgb for s in shots]
        row: dict[str, Any] = {"toy": scene.toy}
        for name in asked.answers:
            prompt = f"{scene.prompt} on a white background"
            task = Reconstruct(
                folder,
                operator="none" if name == "views" else scene.operator,
                prompt=prompt,
                beta=asked.beta if name == "dream" else 0.0,
                num_inference_steps=asked.levels,
                inner_steps=asked.inner,
                strength=asked.strength,
                steps=asked.steps + (0 if name == "dream" else asked.levels * asked.inner),
            )
            began = time.process_time()
            if name == "views":
                alone(folder, scene, prior, prompt)
            run = task.start(prior).run()
            row[name] = scores(run.pictures(), truth) | {"seconds": time.process_time() - began}
            if asked.sheets:
                sheet = torch.cat([torch.cat(truth[:5], 2), torch.cat(run.pictures()[:5], 2)], 1)
                save_picture(asked.sheets / f"{scene.toy}-{asked.now}-{name}.png", sheet)
    return row


def alone(folder: str, scene: MakeScene, prior: Pretrained, prompt: str) -> None:
    """Put the restored views in the place of the degraded ones."""
    task = Reconstruct(folder, operator=scene.operator, prompt=prompt, beta=0.0)
    run = task.start(prior)
    pictures = restored(run, prior, prompt, scene.noise)
    told = json.loads((Path(folder) / "transforms.json").read_text())
    for frame in told["frames"]:
        frame.pop("mask_path", None)
    told = {k: v for k, v in told.items() if k not in ("w", "h", "fl_x", "fl_y", "cx", "cy")}
    (Path(folder) / "transforms.json").write_text(json.dumps(told))
    for i, picture in enumerate(pictures.clamp(0, 1)):
        save_picture(Path(folder) / f"view_{i:03d}.png", picture)


def main(arguments: list[str]) -> None:
    """Run and print a table; rows are written as they are measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="iconic")
    parser.add_argument("--toys", nargs="+", default=list(NAMES), choices=NAMES)
    parser.add_argument("--degradations", nargs="+", default=list(DEGRADATIONS))
    parser.add_argument("--answers", nargs="+", default=["data", "dream", "views"])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--views", type=int, default=20)
    parser.add_argument("--held-out", type=int, default=6)
    parser.add_argument("--beta", type=float, default=Reconstruct("").beta)
    parser.add_argument("--levels", type=int, default=Reconstruct("").num_inference_steps)
    parser.add_argument("--inner", type=int, default=Reconstruct("").inner_steps)
    parser.add_argument("--strength", type=float, default=Reconstruct("").strength)
    parser.add_argument("--steps", type=int, default=Reconstruct("").steps)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--sheets", type=Path)
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    prior = from_pretrained(asked.model)
    rows = []
    print(f"{'':8} {'':9}" + "".join(f"{a:>22}" for a in asked.answers))
    for name in asked.degradations:
        asked.now = name
        for toy in asked.toys:
            given = {"views": asked.views, **DEGRADATIONS[name]}
            scene = MakeScene(toy, held_out=asked.held_out, size=asked.size, **given)
            rows.append({"degradation": name, **one(scene, prior, asked)})
            told = [rows[-1][answer] for answer in asked.answers]
            cells = [f"{t['psnr']:9.2f} {t['ssim']:.3f} {t['seconds']:5.0f}s" for t in told]
            print(f"{name:8} {toy:9}" + "".join(f"{c:>22}" for c in cells), flush=True)
            if asked.out:
                asked.out.parent.mkdir(parents=True, exist_ok=True)
                asked.out.write_text(json.dumps({"options": str(vars(asked)), "rows": rows}))


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
