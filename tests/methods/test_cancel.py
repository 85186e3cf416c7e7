"""Runs, inversions, searches and solvers end when the surrounding run is canceled."""

import threading

import pytest
import torch
from oracles import gaussian, normal
from tiny import latents

from dreamsampler.cancel import Canceled, cancellable
from dreamsampler.guidance import conditional
from dreamsampler.maths import Cosine, Estimate, Step, generators
from dreamsampler.methods.edit.null_text_inversion import null_text_inversion
from dreamsampler.methods.edit.sdedit import sdedit
from dreamsampler.operators import GaussianBlur, Jpeg
from dreamsampler.regularizers import (
    Measurement,
    descend_residual,
    reference_style,
    total_variation,
    tv_reconstruction,
)
from dreamsampler.samplers import finish, invert, trailing

X = normal(1, 3, 16, 16).sigmoid()
STEP = Step(0, Cosine()(0.5), X, X, X, Estimate(X, X), X)
LEVELS = trailing(Cosine(), 4, start=0.9)


def data(op):
    return Measurement(op, op.A(X), 0.1, lambda z: z, lambda x: x)


RUNS = {
    "dream": lambda: finish(
        sdedit(conditional(gaussian(), 0), normal(1, 2), LEVELS, generators(0, 1))
    ),
    "invert": lambda: finish(invert(conditional(gaussian(), 0), normal(1, 2), LEVELS[::-1])),
    "total variation": lambda: total_variation()(X, STEP),
    "reconstruction": lambda: tv_reconstruction(GaussianBlur(1.0), X, 0.1, X),
    "data step of JPEG": lambda: data(Jpeg(50)).prox(X, 0.1),
    "descent of JPEG": lambda: data(Jpeg(50)).descend(X),
    "residual": lambda: descend_residual(data(GaussianBlur(1.0)), 0.1)(X, STEP),
    "style": lambda: reference_style(lambda x: [x], X.flip(-1))(X, STEP),
}


@pytest.mark.parametrize("name", RUNS)
def test_it_ends_when_it_is_canceled(name):
    event = threading.Event()
    with cancellable(event):
        RUNS[name]()
        event.set()
        with pytest.raises(Canceled):
            RUNS[name]()
    RUNS[name]()


def test_a_search_for_null_prompts_ends_within_a_level(prior):
    event, levels = threading.Event(), trailing(prior.schedule, 2, start=0.7)
    conditions = [prior.condition(text) for text in ("a dog", "a cat", "")]
    run = null_text_inversion(prior, latents(prior, 1), *conditions, levels, tolerance=0.0)
    with cancellable(event):
        for _ in levels:
            next(run)
        before = prior.evaluations

        def cancel(*_):
            if prior.evaluations >= before + 3:
                event.set()

        hook = prior.network.register_forward_hook(cancel)
        try:
            with pytest.raises(Canceled):
                next(run)
        finally:
            hook.remove()
    assert prior.evaluations <= before + 4
    assert torch.is_grad_enabled()
