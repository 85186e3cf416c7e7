import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import normal

from dreamsampler.maths import (
    TARGETS,
    Cosine,
    Level,
    RectifiedFlow,
    VarianceExploding,
    to_estimate,
)

OUTPUTS = {
    "sample": lambda z0, eps, level: z0,
    "epsilon": lambda z0, eps, level: eps,
    "v": lambda z0, eps, level: level.alpha * eps - level.sigma * z0,
    "flow": lambda z0, eps, level: eps - z0,
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("schedule", [Cosine(), RectifiedFlow(), VarianceExploding(5.0)])
@settings(max_examples=40)
@given(t=st.floats(0.02, 0.98), seed=st.integers(0, 99))
def test_every_target_gives_the_pair_back(target, schedule, t, seed):
    level, z0, eps = schedule(t), normal(2, 3, 4, 4, seed=seed), normal(2, 3, 4, 4, seed=seed + 100)
    z = level.alpha * z0 + level.sigma * eps
    seen = to_estimate(OUTPUTS[target](z0, eps, level), z, level, target)
    torch.testing.assert_close(seen.z0, z0, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(seen.eps, eps, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("target", ["v", "flow", "sample"])
def test_pure_noise_is_no_problem_but_for_epsilon(target):
    level, z = Level(1.0, 0.0, 1.0), normal(1, 1, 2, 2)
    assert to_estimate(z, z, level, target).z0.isfinite().all()


def test_epsilon_at_pure_noise_is_refused():
    z = normal(1, 1, 2, 2)
    with pytest.raises(ValueError, match="does not determine z0 at alpha 0"):
        to_estimate(z, z, Level(1.0, 0.0, 1.0), "epsilon")


def test_an_unknown_target_lists_the_known_ones():
    z = normal(1, 1, 2, 2)
    with pytest.raises(ValueError, match="sample, epsilon, v, flow"):
        to_estimate(z, z, Cosine()(0.5), "score")


def test_lerp_mixes_both_parts():
    level, z = Cosine()(0.5), normal(1, 1, 2, 2)
    a, b = to_estimate(z, z, level, "epsilon"), to_estimate(0 * z, z, level, "epsilon")
    half = a.lerp(b, 0.5)
    torch.testing.assert_close(half.z0, (a.z0 + b.z0) / 2)
    torch.testing.assert_close(half.eps, (a.eps + b.eps) / 2)
