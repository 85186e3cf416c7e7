import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import table

from dreamsampler.maths import Cosine, RectifiedFlow
from dreamsampler.samplers import flow_shifted, karras, leading, random_levels, trailing

SCHEDULES = [Cosine(), RectifiedFlow(3.0), table()]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("spacing", [trailing, flow_shifted, karras])
@given(steps=st.integers(1, 40))
def test_levels_fall_strictly_and_stay_noisy(schedule, spacing, steps):
    levels = spacing(schedule, steps)
    assert len(levels) == steps
    assert all(a.s > b.s for a, b in itertools.pairwise(levels))
    assert levels[-1].sigma > 0


@pytest.mark.parametrize("steps", [1, 20, 50, 200, 1000])
def test_leading_is_what_diffusers_visits(steps):
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler(steps_offset=1, timestep_spacing="leading")
    scheduler.set_timesteps(steps)
    schedule = table()
    ours = [schedule.timestep(level.t) for level in leading(schedule, steps)]
    assert ours == [min(n, 999) for n in scheduler.timesteps.tolist()]


@pytest.mark.parametrize("start", [0.0, -1.0])
def test_a_run_from_no_noise_is_refused(start):
    with pytest.raises(ValueError, match="above 0"):
        flow_shifted(Cosine(), 3, start=start)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_by_noise_is_even_in_flow_time(schedule):
    flows = [level.flow for level in flow_shifted(schedule, 5, start=0.8)]
    assert flows == pytest.approx([0.8, 0.64, 0.48, 0.32, 0.16], abs=1e-9)


def test_karras_ends_at_its_bounds():
    levels = karras(Cosine(), 10, s_min=0.05, s_max=12.0)
    assert levels[0].s == pytest.approx(12.0, rel=1e-6)
    assert levels[-1].s == pytest.approx(0.05, rel=1e-6)


def test_random_levels_are_drawn_from_their_range():
    levels = random_levels(Cosine(), 500, torch.Generator().manual_seed(0), low=0.2, high=0.6)
    times = torch.tensor([level.t for level in levels])
    assert 0.2 <= times.min() < 0.21
    assert 0.59 < times.max() <= 0.6
    assert times.mean().item() == pytest.approx(0.4, abs=0.02)


@pytest.mark.parametrize("spacing", [trailing, flow_shifted, karras, leading])
def test_no_steps_are_refused(spacing):
    with pytest.raises(ValueError, match="num_inference_steps is 0"):
        spacing(table(), 0)


def test_more_steps_than_the_model_has_are_refused():
    with pytest.raises(ValueError, match="has 1000 noise levels"):
        leading(table(), 1001)


def test_by_noise_with_a_shift_is_the_spacing_of_stable_diffusion_3():
    """The last 33 of its 50 levels, on any schedule."""
    published = [3 * t / (1 + 2 * t) for t in (i / 50 for i in range(33, 0, -1))]
    for schedule in SCHEDULES:
        levels = flow_shifted(schedule, 33, start=published[0], shift=3.0)
        assert [level.flow for level in levels] == pytest.approx(published, abs=1e-6)
