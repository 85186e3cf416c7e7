"""Convergence orders, fitted on a smooth exact prior: slope of log error over log steps."""

import math

import pytest
from oracles import gaussian, normal

from dreamsampler.generators import LatentVariable
from dreamsampler.guidance import conditional, second_order
from dreamsampler.maths import Cosine, RectifiedFlow, VarianceExploding
from dreamsampler.samplers import dream, finish, leapfrog

WAYS = {
    "ddim": (lambda denoise, levels: denoise, 1),
    "dpm_solver_2m": (second_order, 2),
    "leapfrog": (leapfrog, 2),
}
SCHEDULES = {"ve": VarianceExploding(6.0), "vp": Cosine(), "flow": RectifiedFlow()}


def falling(schedule, steps):
    """Even in log s from 4 to 0.25, so that refining halves every step; ends at one level."""
    marks = [4.0 * (0.25 / 4.0) ** (i / steps) for i in range(steps + 1)]

    def time(s):
        low, high = 0.0, 1.0
        for _ in range(80):
            mid = (low + high) / 2
            low, high = (mid, high) if schedule(mid).s < s else (low, mid)
        return high

    return [schedule(time(s)) for s in marks]


def end(way, schedule, steps):
    levels, eps = falling(schedule, steps), normal(8, 2)
    denoise = way(conditional(gaussian(schedule), None), levels)
    return finish(dream(denoise, LatentVariable(0 * eps), levels, eps)).z


@pytest.mark.parametrize("kind", SCHEDULES)
def test_order(kind):
    schedule, (coarse, fine) = SCHEDULES[kind], (16, 128)
    truth = end(second_order, schedule, 1024)
    for name, (way, order) in WAYS.items():
        errors = [(end(way, schedule, n) - truth).norm().item() for n in (coarse, fine)]
        slope = math.log(errors[0] / errors[1]) / math.log(fine / coarse)
        assert slope == pytest.approx(order, abs=0.25), name
