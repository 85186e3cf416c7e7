"""What a worker of the evaluation does: draw prompts, edit pairs, restore blurred pictures."""

from typing import Any

import numpy as np
import torch
from diffusers.utils import logging
from torch.nn.functional import avg_pool2d

from benchmarks.metrics import read
from benchmarks.protocol import HERE
from benchmarks.suites.editing import Editing
from dreamsampler import from_pretrained
from dreamsampler.images.save import save_picture
from dreamsampler.maths import draw, generators
from dreamsampler.methods.sampling import ddim
from dreamsampler.operators import GaussianBlur
from dreamsampler.samplers import finish, trailing
from dreamsampler.tasks import Restore
from training.pictures import as_uint8

_SUITE: list[Editing] = []
"""The editing suite of this process, with the model it works with."""


def start(model: str) -> None:
    """Called once in every worker: load the model, its UNet in bfloat16, channels last.

    Torch's threads collapse when anything else runs, so: one.
    """
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    logging.set_verbosity_error()  # diffusers warns of casting; this UNet has no float32 islands
    prior: Any = from_pretrained(model, device="cpu", dtype="float32")
    prior.network.to(torch.bfloat16, memory_format=torch.channels_last)
    _SUITE[:] = [Editing(prior)]


def draw_prompts(prompts: list[str], seeds: list[int], scale: float, steps: int) -> np.ndarray:
    """One picture for each prompt and seed, by DDIM: uint8 [b, h, w, 3]."""
    suite, prior = _SUITE[0], _SUITE[0].prior
    side = prior.native_size // prior.factor
    eps = draw(torch.empty(len(prompts), prior.latent_channels, side, side), generators(seeds))
    pair, levels = (suite.condition(prompts), prior.condition("")), trailing(prior.schedule, steps)
    last = finish(ddim(prior, *pair, eps, levels, scale))
    pictures = torch.cat([prior.decode(row[None]) for row in last.z0])
    return as_uint8(pictures.clamp(-1, 1) / 2 + 0.5)


def edit_pairs(ids: list[str]) -> list[dict[str, Any]]:
    """Pairs of the editing suite with the default method: figures and pictures of each."""
    suite = _SUITE[0]
    (row,) = suite.rows(["DreamSampler"], curves=False)
    items = [item for item in suite.protocol.items if item.id in ids]
    return [
        {
            **result.measures,
            "source": as_uint8(read(HERE / item.image)[None])[0],
            "edited": as_uint8(result.picture[None])[0],
            "words": item.target,
        }
        for item, result in zip(items, suite.measure(row, items), strict=True)
    ]


def restore_picture(image: str, prompt: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A picture at half its size, blurred (sigma 3 px, 8 bits), and what Restore makes of it."""
    from tempfile import TemporaryDirectory

    sharp = avg_pool2d(read(HERE / image)[None], 2)
    with TemporaryDirectory() as folder:
        path = f"{folder}/blurred.png"
        save_picture(path, GaussianBlur(3.0).A(sharp).clamp(0, 1)[0])
        blurred = read(path)[None]
        task = Restore(path, operator="blur(sigma=3)", prompt=prompt)
        restored = task.start(_SUITE[0].prior).run().pictures()[0][None].clamp(0, 1)
    return tuple(as_uint8(each)[0] for each in (sharp, blurred, restored))
