"""What a worker of the evaluation does: draw prompts, edit pairs, restore blurred pictures."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from diffusers.utils import logging
from PIL import Image
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.edit import Bench, methods
from dreamsampler import from_pretrained
from dreamsampler.maths import draw, generators
from dreamsampler.methods import ddim
from dreamsampler.models import TextCondition
from dreamsampler.operators import GaussianBlur
from dreamsampler.samplers import finish, trailing
from dreamsampler.tasks import Restore

_OPEN: dict[str, Any] = {}


def open_model(model: str) -> None:
    """Load the model that this process works with; its UNet in bfloat16, channels last."""
    logging.set_verbosity_error()  # diffusers warns of casting; this UNet has no float32 islands
    prior: Any = from_pretrained(model, device="cpu", dtype="float32")
    prior.network.to(torch.bfloat16, memory_format=torch.channels_last)
    _OPEN.update(name=model, prior=prior)


def as_uint8(pictures: Tensor) -> np.ndarray:
    """[b, 3, h, w] in [0, 1] -> uint8 [b, h, w, 3]."""
    return (pictures * 255).round().byte().permute(0, 2, 3, 1).numpy()


@torch.no_grad()
def draw_prompts(prompts: list[str], seeds: list[int], scale: float, steps: int) -> np.ndarray:
    """One picture for each prompt and seed, by DDIM: uint8 [b, h, w, 3]."""
    prior = _OPEN["prior"]
    rows = [prior.condition(prompt).embeddings for prompt in prompts]
    wanted = TextCondition(" | ".join(prompts), torch.cat(rows))
    side = prior.native_size // prior.factor
    eps = draw(torch.empty(len(prompts), prior.latent_channels, side, side), generators(seeds))
    levels = trailing(prior.schedule, steps)
    last = finish(ddim(prior, wanted, prior.condition(""), eps, levels, scale))
    pictures = torch.cat([prior.decode(row[None]) for row in last.z0])
    return as_uint8(pictures.clamp(-1, 1) / 2 + 0.5)


@torch.no_grad()
def edit_pairs(first: int, every: int) -> dict[str, Any]:
    """Every n-th pair with the default preset: figures (benchmarks/edit.py), pictures, words."""
    bench = Bench(_OPEN["name"], None, every, first)
    run, whole, _ = methods(bench, [])["default"]
    edited = bench.pictures(run().z0, whole)
    return {
        "count": len(bench.pairs),
        "figures": bench.figures(edited),
        "source": as_uint8(bench.x),
        "edited": as_uint8(edited),
        "words": [pair["target"] for pair in bench.pairs],
    }


def restore_pictures(path: str, prompt: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A picture, its blurred form (sigma 3 px, 8 bits) and what the task Restore makes of it."""
    with Image.open(path) as image:
        sharp = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)[None].float()
    blurred = as_uint8(GaussianBlur(3.0).A(sharp / 255).clamp(0, 1))[0]
    with TemporaryDirectory() as folder:
        Image.fromarray(blurred).save(Path(folder) / "blurred.png")
        task = Restore(str(Path(folder) / "blurred.png"), operator="blur(sigma=3)", prompt=prompt)
        restored = task.start(_OPEN["prior"]).run().pictures()[0]
    return as_uint8(sharp / 255)[0], blurred, as_uint8(restored[None].clamp(0, 1))[0]
