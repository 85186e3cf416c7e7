"""The published method against outputs of the published program, and what its shifted table costs.

By default on the random tiny model of the tests. The trained prototype's references, that of the
inpainting among them, are not in the repository: pass their folder and the model's.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from benchmarks.metrics import psnr
from benchmarks.protocol import HERE
from benchmarks.report import header, line
from benchmarks.suite import timed
from dreamsampler import from_pretrained
from dreamsampler.maths import Latent, Level, Step, generators
from dreamsampler.methods.edit.dreamsampler import dreamsampler
from dreamsampler.methods.inpaint.dreamsampler import dreamsampler_inpainting

FIXTURES = HERE.parent / "tests" / "fixtures"


def gap(ours: Tensor, theirs: Tensor) -> str:
    """Relative distance |ours - theirs| / |theirs|."""
    return f"{((ours - theirs).norm() / theirs.norm()).item():.1e}"


def read(path: Path, size: int) -> Tensor:
    """As the published program reads: resized by Pillow's default filter, in [-1, 1]."""
    with Image.open(path) as image:
        small = np.array(image.convert("RGB").resize((size, size)))
    return torch.from_numpy(small).permute(2, 0, 1)[None].float() / 127.5 - 1


def edit(prior: Any, folder: Path, name: str, negligible: float, shifted: bool) -> str:
    """One row of the table of edits."""
    facts, reference = reference_of(folder, name)
    steps, before = facts["NFE"], prior.evaluations
    with torch.no_grad(), timed() as spent:
        z_src = prior.encode(read(folder / facts["image"], facts["size"]))
        pair = prior.condition(facts["prompt"]), prior.condition("")
        rest = steps, facts["gamma"], negligible
        measured = list(dreamsampler(prior, z_src, *pair, *rest, shifted=shifted))
    used = prior.evaluations - before
    gaps = gap(measured[steps].z, reference["zT"]), gap(measured[-1].z0, reference["z0t"])
    calls = f"{used} of {4 * steps} = {used / (4 * steps):.2f}"
    table = "published" if shifted else "right"
    return line(name, table, f"{negligible:g}", *gaps, calls, f"{spent.seconds:.1f}")


def inpaint(prior: Any, folder: Path, name: str, shifted: bool) -> str:
    """One row for a reference that has a mask; it was made with all fresh noise set to zero."""
    facts, reference = reference_of(folder, name)
    known, steps, before = reference["mask"][None, None], facts["NFE"], prior.evaluations
    hole = 1 - known[..., :: prior.factor, :: prior.factor]  # the program's, and so shifted
    holes = [(prior.condition(facts["prompt"]), hole)]

    def renoise(step: Step, following: Level) -> Latent:
        return (1 - step.level.alpha_bar) ** 0.5 * step.estimate.eps

    with timed() as spent:
        rest = prior.condition(""), generators(0, 1), steps
        measured = list(
            dreamsampler_inpainting(
                prior, reference["x_meas"], known, holes, *rest, shifted=shifted, renoise=renoise
            )
        )
        with torch.no_grad():
            x = (prior.decode(measured[-1].z0) / 2 + 0.5).clamp(0, 1)
    gaps = gap(measured[steps].z, reference["zT"]), gap(measured[-1].z0, reference["z0t"])
    largest = (x - reference["img"]).abs().max()
    picture = f"{psnr(x, reference['img']):.0f} dB, at most {largest:.1e}"
    used, table = prior.evaluations - before, "published" if shifted else "right"
    return line(name, table, *gaps, picture, used, f"{spent.seconds:.1f}")


def reference_of(folder: Path, name: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What the published program was given, and what it made."""
    facts = json.loads((folder / f"{name}.json").read_text())
    return facts, load_file(folder / f"{name}.safetensors")


def main(
    golden: Path = FIXTURES,
    model: str = str(FIXTURES / "tiny-sd"),
    names: tuple[str, ...] = ("edit_tiny",),
) -> None:
    """Compare every named reference.

    Args:
        golden: folder of the references.
        model: that they were made with.
        names: of the references; those that begin with inpaint have a mask.
    """
    torch.set_num_threads(1)
    prior = from_pretrained(model, device="cpu", dtype="float32")
    edits = [name for name in names if not name.startswith("inpaint")]
    ends = ("zT off by", "result off by")
    if edits:
        print(header("reference", "table", "negligible", *ends, "evaluations", "s"))
    for name in edits:
        for negligible, shifted in ((0.0, True), (0.005, True), (0.02, True), (0.0, False)):
            print(edit(prior, golden, name, negligible, shifted), flush=True)
    others = [name for name in names if name not in edits]
    if others:
        print(header("reference", "table", *ends, "picture", "evaluations", "s"))
    for name in others:
        for shifted in (True, False):
            print(inpaint(prior, golden, name, shifted), flush=True)
