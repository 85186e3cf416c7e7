"""A regularizer of your own, in one file: pictures with less color."""

import numpy as np
import torch
from PIL import Image

from dreamsampler import Step, finish, from_pretrained
from dreamsampler.guidance import cfg, conditional
from dreamsampler.maths import Weight, generators, weigh
from dreamsampler.methods import anchored_edit
from dreamsampler.regularizers import Regularizer, decoded
from dreamsampler.samplers import flow_shifted


def muted(weight: Weight) -> Regularizer:
    """Let colors fade: R(x) = 1/2 |x - gray(x)|^2, prox = gray(z) + (z - gray(z)) / (1 + weight).

    Args:
        weight: 0 is the identity, infinity leaves gray.
    """

    def apply(x: torch.Tensor, step: Step) -> torch.Tensor:
        gray = x.mean(1, keepdim=True)
        return gray + (x - gray) / (1 + weigh(weight, step.level))

    return apply


def figure(pictures: torch.Tensor) -> torch.Tensor:
    """Mean distance of a color from its gray, of 255: what this regularizer should make small."""
    return 255 * (pictures - pictures.mean(1, keepdim=True)).abs().mean((1, 2, 3))


regularizer = muted(0.2)  # this and `figure` are what `benchmarks.regularizers --own` measures


if __name__ == "__main__":  # the default edit, with it
    prior = from_pretrained()
    cat = Image.open("examples/cat.png").convert("RGB").resize((128, 128))
    x = torch.from_numpy(np.array(cat)).permute(2, 0, 1)[None] / 127.5 - 1
    source, by = (conditional(prior, prior.condition(words)) for words in ("cat face", "dog face"))
    target = cfg(prior, prior.condition("dog face"), prior.condition(None), scale=5.0)
    levels = flow_shifted(prior.schedule, 16, start=0.75)
    bend = decoded(regularizer, prior.encode, prior.decode)
    z, rng = prior.encode(x), generators(3, images=1)
    last = finish(anchored_edit(target, source, z, levels, rng, by=by, regularize=bend))
    dog = (prior.decode(last.z0)[0].clamp(-1, 1) + 1) / 2
    Image.fromarray((255 * dog).byte().permute(1, 2, 0).numpy()).save("muted-dog.png")
    print("color left:", figure(dog[None]).item(), "of the source's", figure(x / 2 + 0.5).item())
