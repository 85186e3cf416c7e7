"""Drawing vector graphics and their gradients: milliseconds, and beside other programs.

    python -m benchmarks.vector [--rounds 15] [--beside FOLDER]

One thread, time of the processor, in one process and in turns: ratios hold on a busy machine.
FOLDER may hold another rasterizer of the same scenes as `vecraster.py` with `render(points, color,
height, width, background)`; pydiffvg takes part where it is installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dreamsampler.generators.vector import Scene, rasterize

SCENES = ((64, 128), (64, 256), (256, 512))
TARGETS = {(64, 128): 8.5, (64, 256): 14.0, (256, 512): 95.0}
Renderer = Callable[[Tensor, Tensor], Tensor]


def ours(scene: Scene) -> Renderer:
    """The package's rasterizer on white."""
    white = torch.ones(3, scene.height, scene.width)
    return lambda points, color: rasterize(scene.moved(points, color), white)


def beside(folder: Path, scene: Scene) -> Renderer:
    """Another rasterizer of the same scenes."""
    sys.path.insert(0, str(folder))
    spec = importlib.util.find_spec("vecraster")
    if spec is None:
        raise SystemExit(f"there is no vecraster.py in {folder}: check --beside")
    render = importlib.import_module("vecraster").render
    white = torch.ones(3, scene.height, scene.width)
    shape = (scene.paths, -1, 2)
    return lambda p, c: render(p.view(shape), c, scene.height, scene.width, white)


def diffvg(scene: Scene, *, prefilter: bool) -> Renderer:
    """Pydiffvg with its usual 2 x 2 samples, or its prefilter."""
    import pydiffvg  # type: ignore[import-not-found]

    pydiffvg.set_use_gpu(False)
    count = len(scene.points) // scene.paths
    per_segment = torch.full((count // 3,), 2, dtype=torch.int32)

    def render(points: Tensor, color: Tensor) -> Tensor:
        shapes, groups = [], []
        for k in range(scene.paths):
            own = points[k * count : (k + 1) * count]
            shapes.append(pydiffvg.Path(num_control_points=per_segment, points=own, is_closed=True))
            groups.append(pydiffvg.ShapeGroup(torch.tensor([k]), fill_color=color[k]))
        arguments = pydiffvg.RenderFunction.serialize_scene(
            scene.width, scene.height, shapes, groups, use_prefiltering=prefilter
        )
        samples = 1 if prefilter else 2
        draw = pydiffvg.RenderFunction.apply
        picture = draw(scene.width, scene.height, samples, samples, 0, None, *arguments)
        rgb = picture[..., :3] * picture[..., 3:] + (1 - picture[..., 3:])
        return rgb.permute(2, 0, 1)

    return render


def once(render: Renderer, scene: Scene, weight: Tensor) -> tuple[float, float]:
    """Seconds of the processor for one forward and one backward pass."""
    points, color = (x.clone().requires_grad_() for x in (scene.points, scene.color))
    start = time.process_time()
    picture = render(points, color)
    middle = time.process_time()
    torch.autograd.grad(picture, (points, color), weight)
    return middle - start, time.process_time() - middle


def renderers(scene: Scene, folder: Path | None) -> dict[str, Renderer]:
    """Whoever can take part."""
    found = {"ours": ours(scene)}
    if folder is not None:
        found[folder.name] = beside(folder, scene)
    if importlib.util.find_spec("pydiffvg"):
        found["diffvg 2x2"] = diffvg(scene, prefilter=False)
        found["diffvg prefilter"] = diffvg(scene, prefilter=True)
    return found


def main(arguments: list[str] | None = None) -> None:
    """Print one row a scene and program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--beside", type=Path, default=None)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print("| scene | program | forward ms | backward ms | both ms | least ms | times ours |")
    print("|---|---|---|---|---|---|---|")
    for paths, size in SCENES:
        rng = torch.Generator().manual_seed(0)
        scene = Scene.random(paths, size, size, rng)
        weight = torch.randn(3, size, size, generator=rng)
        programs = renderers(scene, options.beside)
        times: dict[str, list[Any]] = {name: [] for name in programs}
        for turn in range(options.rounds + 2):
            for name, render in programs.items():
                spent = once(render, scene, weight)
                times[name] += [spent] if turn >= 2 else []  # the first ones warm up
        whole = {name: statistics.median(map(sum, spent)) for name, spent in times.items()}
        for name, spent in times.items():
            forward, backward = (1e3 * statistics.median(part) for part in zip(*spent, strict=True))
            row = (
                f"{paths}x4, {size} px | {name} | {forward:.1f} | {backward:.1f} | "
                f"{1e3 * whole[name]:.1f} | {1e3 * min(map(sum, spent)):.1f} | "
                f"{whole[name] / whole['ours']:.2f}"
            )
            print(f"| {row} |", flush=True)
        print(f"\ntarget for {paths}x4, {size} px: {TARGETS[paths, size]:g} ms\n")


if __name__ == "__main__":
    main()
