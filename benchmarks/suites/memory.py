"""Peak memory of an edit at SD1.5's size: random weights, bfloat16."""

from __future__ import annotations

import resource
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.device import Device
from benchmarks.random_models import pipeline
from benchmarks.report import header, line
from dreamsampler import Edit, from_pipe


def peak() -> str:
    """Peak resident memory of this process so far, in GiB."""
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f}"


def main(steps: int = 2, size: int = 512, device: str = "cpu") -> None:
    """Load, edit, and print the peak after each.

    Args:
        steps: of the edit.
        size: of the picture, pixels.
        device: where the networks are.
    """
    torch.set_num_threads(1)
    print(f"{header('after', 'peak GiB', 's')}\n{line('imports', peak(), '')}")
    clock = Device(device).clock
    start = clock()
    prior = from_pipe(pipeline("sd15", device, torch.bfloat16))
    print(line("weights", peak(), f"{clock() - start:.0f}"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "noise.png"
        pixels = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
        Image.fromarray(pixels).save(path)
        start = clock()
        run = Edit(path, "dog", "cat", num_inference_steps=steps).start(prior).run()
        run.pictures()
    what = f"edit, {steps} steps, {run.evaluations} evaluations"
    print(line(what, peak(), f"{clock() - start:.0f}"))
    if device != "cpu":
        print(line("on the device", f"{torch.cuda.max_memory_allocated() / 2**30:.2f}", ""))
