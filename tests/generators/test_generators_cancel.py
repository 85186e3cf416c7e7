"""Solvers and fits end when the surrounding run is canceled."""

import threading

import pytest
import torch
from oracles import normal

from dreamsampler.cancel import Canceled, cancellable
from dreamsampler.generators import GeneratorVariable
from dreamsampler.generators.field import Camera, Grid, MultiViewField, surface
from dreamsampler.generators.vector import (
    Drawing,
    Scene,
    VectorGraphic,
    fitted,
    placed,
    simplified,
)
from dreamsampler.maths import conjugate_gradient
from dreamsampler.operators import GaussianBlur, estimate_noise, fit_parameters, parse

RNG = torch.Generator().manual_seed(0)


def graphic():
    return VectorGraphic(Scene.random(2, 8, 8, torch.Generator().manual_seed(0)))


def field():
    cameras, rng = [Camera.orbit(0, 0, 3, size=(4, 4))], torch.Generator()
    return MultiViewField(
        Grid((4, 4, 4)),
        cameras,
        lambda x: x,
        lambda rows, x: x.sum(),
        beta=0,
        update_steps=1,
        views=1,
        rng=rng,
    )


def generator():
    module = torch.nn.Linear(2, 2)
    return GeneratorVariable(
        module, torch.optim.SGD(module.parameters(), 0.1), lambda x: x, update_steps=1
    )


LOOPS = {
    "conjugate_gradient": lambda: conjugate_gradient(lambda v: 2 * v, torch.ones(1, 2)),
    "fit_parameters": lambda: fit_parameters(
        parse("blur(?)"), GaussianBlur(1.0).A(normal(1, 3, 8, 8)), normal(1, 3, 8, 8)
    ),
    "estimate_noise": lambda: estimate_noise(normal(1, 3, 8, 8)),
    "GeneratorVariable": lambda: generator().update(torch.zeros(2)),
    "Drawing": lambda: Drawing(
        graphic(), lambda g, x: x.sum(), lambda x: x, lambda z: z, update_steps=1
    ).update(torch.zeros(1, 3, 8, 8)),
    "fitted": lambda: next(
        fitted(graphic(), lambda g, x: x.sum(), torch.zeros(3, 8, 8), 1, torch.Generator())
    ),
    "placed": lambda: placed(torch.ones(3, 8, 8), torch.ones(3, 8, 8), 1, torch.Generator()),
    "simplified": lambda: simplified(
        Scene.random(2, 8, 8, torch.Generator()), torch.ones(3), torch.ones(3, 8, 8)
    ),
    "surface": lambda: surface(Grid((3, 3, 3))),
    "MultiViewField": lambda: field().step(),
}


@pytest.mark.parametrize("name", LOOPS)
def test_a_canceled_run_ends_in_the_loop(name):
    event = threading.Event()
    event.set()
    with cancellable(event), pytest.raises(Canceled):
        LOOPS[name]()
