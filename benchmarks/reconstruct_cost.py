"""What a scene costs: an optimizer step, and a level of the model, as views, pixels, voxels grow.

    python -m benchmarks.reconstruct_cost [--device cuda] [--quick]

A step renders two views and moves the field; a level asks the model about all views once (encode,
network, decode twice, data step), without the optimizer steps that follow. Seconds of the
processor, or of the GPU's clock.
"""

from __future__ import annotations

import argparse
import time
from tempfile import TemporaryDirectory

import torch

from benchmarks.clock import Device
from dreamsampler.models.load import Pretrained, from_pretrained
from dreamsampler.tasks.make_scene import MakeScene
from dreamsampler.tasks.reconstruct.task import Reconstruct

USUAL = {"views": 20, "size": 128, "grid": 96}
OTHERS = {"views": (10, 40), "size": (64, 256), "grid": (48, 144)}
"""One number at a time is changed from the usual ones."""
STEPS = 20
"""Of the fit, of which the second half is timed."""


def cost(prior: Pretrained, views: int, size: int, grid: int, operator: str) -> tuple[float, ...]:
    """Seconds of one optimizer step, of the guesses before the fit, and of one level."""
    device = Device(str(prior.device))
    clock = time.perf_counter if device.cuda else time.process_time

    def current() -> float:
        device.wait()
        return clock()

    with TemporaryDirectory() as folder:
        MakeScene("car", operator, 0.01, views=views, held_out=0, size=size).save(folder)
        run = Reconstruct(
            folder,
            operator,
            prompt="a yellow toy car",
            steps=2 * STEPS,
            resolution=grid,
            num_inference_steps=2,
            inner_steps=1,
        ).start(prior)
        began = current()
        next(run.fitting())
        guessed = current() - began
        for step in run.fitting():
            if step == 3 * STEPS // 2:
                began = current()
        fitted = current() - began
        began = current()
        next(iter(run))
        level = current() - began
    step = fitted / (STEPS // 2)
    return step, guessed, max(level - step, 0.0)


def main(arguments: list[str]) -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", default="iconic")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--operator", default="blur(sigma=2)")
    parser.add_argument("--quick", action="store_true", help="a quarter of the pixels and views")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    prior = from_pretrained(asked.model, device=asked.device)
    rows = [USUAL]
    rows += [{**USUAL, name: value} for name, values in OTHERS.items() for value in values]
    print("| views | pixels | grid | step, ms | guesses, s | level, s |\n|---|---|---|---|---|---|")
    for row in rows:
        row = {name: value // 2 for name, value in row.items()} if asked.quick else row
        step, guessed, level = cost(prior, **row, operator=asked.operator)
        told = f"| {row['views']} | {row['size']} | {row['grid']} | {1e3 * step:.0f} "
        print(told + f"| {guessed:.1f} | {level:.2f} |", flush=True)


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
