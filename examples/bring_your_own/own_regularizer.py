"""A regularizer of your own, in one file: pictures with less color."""

import numpy as np
import torch
from PIL import Image

import dreamsampler as ds
from dreamsampler.guidance import cfg, conditional
from dreamsampler.maths import Weight, generators, weigh
from dreamsampler.methods.edit.anchored import anchored_edit
from dreamsampler.regularizers import Regularizer, decoded
from dreamsampler.samplers import flow_shifted


def muted(weight: Weight) -> Regularizer:
    """Less color: R(x) = 1/2 |x - gray(x)|^2, prox = gray(z) + (z - gray(z)) / (1 + weight).

    Args:
        weight: 0 is the identity, infinity leaves gray.
    """

    def apply(x: torch.Tensor, step: ds.Step) -> torch.Tensor:
        gray = x.mean(1, keepdim=True)
        return gray + (x - gray) / (1 + weigh(weight, step.level))

    return apply


def figure(pictures: torch.Tensor) -> torch.Tensor:
    """Mean distance of a color from its gray, of 255: what this regularizer should make small."""
    return 255 * (pictures - pictures.mean(1, keepdim=True)).abs().mean((1, 2, 3))


regularizer = muted(0.2)  # `python -m benchmarks regularizers --own` measures this with `figure`


if __name__ == "__main__":  # the default edit, with it
    model = ds.from_pretrained()
    cat = Image.open("examples/cat.png").convert("RGB").resize((128, 128))
    x = torch.from_numpy(np.array(cat)).permute(2, 0, 1)[None] / 127.5 - 1
    source, target = (conditional(model, model.condition(p)) for p in ("cat face", "dog face"))
    guided = cfg(model, model.condition("dog face"), model.condition(None), scale=5.0)
    levels = flow_shifted(model.schedule, 16, start=0.75)
    less_color = decoded(regularizer, model.encode, model.decode)
    z, rng = model.encode(x), generators(3, images=1)
    steps = anchored_edit(guided, source, z, levels, rng, by=target, regularize=less_color)
    dog = (model.decode(ds.finish(steps).z0)[0].clamp(-1, 1) + 1) / 2
    Image.fromarray((255 * dog).byte().permute(1, 2, 0).numpy()).save("muted-dog.png")
    print("color left:", figure(dog[None]).item(), "of the source's", figure(x / 2 + 0.5).item())
