"""The end of a vectorization: paths that do not cross themselves, and as few as will do."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dreamsampler.generators.vector import (
    Scene,
    VectorGraphic,
    simplified,
    untangled,
    without,
)
from dreamsampler.generators.vector.drawing import adam, descend
from dreamsampler.tasks.vectorize.initialize import Target, rendered, snapshot

POLISH = 40
"""Optimizer steps after some paths were left out."""
RATE = 0.2
"""Their learning rates, in those of the fit."""
ROUNDS = 24
"""Times that leaving out is tried, at most."""
SHARE = 6
"""The first time one path in so many goes."""

UNSEEN = 3.0
"""Pixels that a path may lose or win to be untangled; the next polishing makes up for them."""

Loss = Callable[[VectorGraphic, Tensor], Tensor]
"""Graphic and its picture (1, 3, h, w) in [0, 1] -> what polishing lowers."""


def fewest_paths(scene: Scene, goal: Tensor, loss: float, energy: Loss, target: Target) -> Scene:
    """Leave out paths, let the others make up for them, and go on while that is near enough.

    First those that nobody misses go (`simplified`, a tenth of the loss). Then, again and again,
    some of the least missed are left out and the others polished; that is taken back, and fewer are
    tried, where the picture is farther than `loss` allows from the goal, or from the data.

    Args:
        goal: what it shall look like, (3, h, w) in [0, 1].
        loss: how much nearness may be lost, dB of PSNR, > 0.
        target: the data, and the ground on which the goal lies.
    """
    ground, most = torch.full((3,), target.ground), 10 ** (loss / 10)

    def far(scene: Scene) -> Tensor:
        picture = rendered(target.graphic(scene))
        # what is met exactly counts as if it were met at 60 dB
        off = [float((picture - goal).square().mean()), float(target.misfit(scene, picture[None]))]
        return torch.tensor(off).clamp_min(1e-6)

    allowed = far(scene) * most
    less = simplified(scene, ground, goal, loss / 10)
    scene = less if bool((far(less) <= allowed).all()) else scene
    count = max(1, scene.paths // SHARE)
    for _ in range(ROUNDS):
        count = min(count, scene.paths - 1)
        if not count:
            break
        tried = polished(without(scene, ground, goal, count), energy, target)
        tried = untangled(tried, UNSEEN)
        if bool((far(tried) <= allowed).all()):
            scene = tried
        else:
            count //= 2
    return scene


def polished(scene: Scene, energy: Loss, target: Target) -> Scene:
    """A few steps down."""
    graphic = target.graphic(scene)
    optimizer = adam(graphic, RATE)
    for _ in range(POLISH):
        with torch.enable_grad():
            loss = energy(graphic, (graphic() + 1) / 2)
        descend(graphic, optimizer, loss)
    return snapshot(graphic)
