"""The paper presets against outputs of the published program, and what its shifted table costs.

By default on the random tiny model of the tests. The trained prototype's references, that of the
inpainting among them, are not in the repository: pass their folder and the model's.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from dreamsampler import from_pretrained
from dreamsampler.maths import Latent, Level, Step, generators
from dreamsampler.methods import dreamsampler, dreamsampler_inpainting

FIXTURES = Path(__file__).parents[1] / "tests" / "fixtures"


def gap(ours: Tensor, theirs: Tensor) -> float:
    """Relative distance |ours - theirs| / |theirs|."""
    return ((ours - theirs).norm() / theirs.norm()).item()


def read(path: Path, size: int) -> Tensor:
    """As the published program reads: resized by Pillow's default filter, in [-1, 1]."""
    with Image.open(path) as image:
        small = np.array(image.convert("RGB").resize((size, size)))
    return torch.from_numpy(small).permute(2, 0, 1)[None].float() / 127.5 - 1


def compare(prior: Any, folder: Path, name: str, negligible: float, shifted: bool) -> str:
    """One row of the table."""
    facts = json.loads((folder / f"{name}.json").read_text())
    reference = load_file(folder / f"{name}.safetensors")
    steps, before, start = facts["NFE"], prior.evaluations, time.perf_counter()
    with torch.no_grad():
        z_src = prior.encode(read(folder / facts["image"], facts["size"]))
        words, null = prior.condition(facts["prompt"]), prior.condition("")
        moments = list(
            dreamsampler(
                prior, z_src, words, null, steps, facts["gamma"], negligible, shifted=shifted
            )
        )
    used = prior.evaluations - before
    return (
        f"| {name} | {'published' if shifted else 'right'} | {negligible:g} "
        f"| {gap(moments[steps].z, reference['zT']):.1e} "
        f"| {gap(moments[-1].z0, reference['z0t']):.1e} "
        f"| {used} of {4 * steps} = {used / (4 * steps):.2f} | {time.perf_counter() - start:.1f} |"
    )


def compare_inpainting(prior: Any, folder: Path, name: str, shifted: bool) -> str:
    """One row for a reference that has a mask; it was made with all fresh noise set to zero."""
    facts = json.loads((folder / f"{name}.json").read_text())
    reference = load_file(folder / f"{name}.safetensors")
    known, steps = reference["mask"][None, None], facts["NFE"]
    hole = 1 - known[..., :: prior.factor, :: prior.factor]  # the program's, and so shifted
    holes, before = [(prior.condition(facts["prompt"]), hole)], prior.evaluations

    def renoise(step: Step, following: Level) -> Latent:
        return (1 - step.level.alpha_bar) ** 0.5 * step.estimate.eps

    start, y, null = time.perf_counter(), reference["x_meas"], prior.condition("")
    moments = list(
        dreamsampler_inpainting(
            prior, y, known, holes, null, generators(0, 1), steps, shifted=shifted, renoise=renoise
        )
    )
    with torch.no_grad():
        x = (prior.decode(moments[-1].z0) / 2 + 0.5).clamp(0, 1)
    mse = (x - reference["img"]).square().mean().item()
    decibels = -10 * np.log10(max(mse, 1e-20))
    return (
        f"| {name} | {'published' if shifted else 'right'} "
        f"| {gap(moments[steps].z, reference['zT']):.1e} "
        f"| {gap(moments[-1].z0, reference['z0t']):.1e} "
        f"| {decibels:.0f} dB, at most {(x - reference['img']).abs().max():.1e} "
        f"| {prior.evaluations - before} | {time.perf_counter() - start:.1f} |"
    )


def main(arguments: list[str] | None = None) -> None:
    """Compare every named reference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--golden", type=Path, default=FIXTURES)
    parser.add_argument("--model", default=str(FIXTURES / "tiny-sd"))
    parser.add_argument("--names", nargs="+", default=["edit_tiny"])
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    prior = from_pretrained(options.model, device="cpu", dtype="float32")
    edits = [name for name in options.names if not name.startswith("inpaint")]
    if edits:
        print("| reference | table | negligible | zT off by | result off by | evaluations | s |")
        print("|---|---|---|---|---|---|---|")
    for name in edits:
        for negligible, shifted in ((0.0, True), (0.005, True), (0.02, True), (0.0, False)):
            print(compare(prior, options.golden, name, negligible, shifted), flush=True)
    others = [name for name in options.names if name not in edits]
    if others:
        print("| reference | table | zT off by | result off by | picture | evaluations | s |")
        print("|---|---|---|---|---|---|---|")
    for name in others:
        for shifted in (True, False):
            print(compare_inpainting(prior, options.golden, name, shifted), flush=True)


if __name__ == "__main__":
    main()
