import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import table

from dreamsampler.maths import (
    Cosine,
    Level,
    RectifiedFlow,
    VarianceExploding,
    VariancePreserving,
    weigh,
    within,
)

TABLE = table()
SCHEDULES = [Cosine(), RectifiedFlow(), RectifiedFlow(3.0), VarianceExploding(), TABLE]
times = st.floats(0, 1)


@pytest.mark.parametrize("schedule", SCHEDULES)
@settings(max_examples=40)
@given(a=times, b=times)
def test_noise_rises_with_time(schedule, a, b):
    low, high = schedule(min(a, b)), schedule(max(a, b))
    assert low.flow <= high.flow + 1e-12
    assert 0 <= low.alpha <= 1
    assert low.sigma >= 0


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_time_zero_is_clean(schedule):
    level = schedule(0.0)
    assert (level.alpha, level.sigma) == (1.0, 0.0)
    assert level.snr == math.inf
    assert level.log_snr == math.inf


@pytest.mark.parametrize("schedule", [Cosine(), TABLE])
@settings(max_examples=40)
@given(t=times)
def test_variance_is_preserved(schedule, t):
    level = schedule(t)
    assert level.alpha**2 + level.sigma**2 == pytest.approx(1)


@settings(max_examples=40)
@given(t=st.floats(0.001, 0.999), shift=st.floats(0.5, 8))
def test_the_shift_scales_the_noise_ratio(t, shift):
    """Esser et al., eq. 23: s_shifted = shift * s."""
    plain, shifted = RectifiedFlow()(t), RectifiedFlow(shift)(t)
    assert shifted.s == pytest.approx(shift * plain.s)


@pytest.mark.parametrize("n", [0, 1, 500, 999])
def test_the_table_is_exact_at_its_entries(n):
    level = TABLE(TABLE.time(n))
    assert TABLE.timestep(level.t) == n
    assert level.alpha_bar == pytest.approx(TABLE.alphas_cumprod[n], rel=1e-14)


@settings(max_examples=40)
@given(t=times)
def test_the_table_interpolates_monotonically(t):
    level = TABLE(t)
    position = t * 1000
    below = TABLE(math.floor(position) / 1000)
    above = TABLE(min(math.ceil(position), 1000) / 1000)
    assert above.alpha_bar - 1e-12 <= level.alpha_bar <= below.alpha_bar + 1e-12


def test_a_table_may_end_without_signal():
    schedule = VariancePreserving((0.5, 0.0))
    assert schedule(1.0).s == math.inf
    assert 0 < schedule(0.75).alpha_bar < 0.5


@pytest.mark.parametrize("table", [(), (1.0, 0.5), (0.5, 0.5), (0.3, 0.5), (0.5, -0.1)])
def test_a_table_must_fall(table):
    with pytest.raises(ValueError, match="must fall strictly"):
        VariancePreserving(table)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("t", [-0.1, 1.1, math.nan])
def test_times_outside_are_refused(schedule, t):
    with pytest.raises(ValueError, match="lies in"):
        schedule(t)


def test_a_grid_leaves_out_its_end():
    levels = Cosine().grid(4, start=1.0, stop=0.2)
    assert [level.t for level in levels] == pytest.approx([1.0, 0.8, 0.6, 0.4])


def test_log_snr_of_pure_noise():
    assert Level(1.0, 0.0, 1.0).log_snr == -math.inf
    assert Level(0.5, 0.6, 0.8).log_snr == pytest.approx(2 * math.log(0.75))


def test_weights_are_numbers_or_functions():
    level = Cosine()(0.5)
    assert weigh(2.0, level) == 2.0
    assert weigh(lambda at: at.t, level) == 0.5
    assert weigh(within(7.0, 0.4, 0.6, outside=1.0), level) == 7.0
    assert weigh(within(7.0, 0.6, 0.9, outside=1.0), level) == 1.0


def test_levels_are_plain_floats():
    level = TABLE(0.37)
    assert all(type(x) is float for x in (level.t, level.alpha, level.sigma))
    assert not isinstance(level.alpha, torch.Tensor)


@pytest.mark.parametrize("schedule", [Cosine(), *(RectifiedFlow(k / 20) for k in range(1, 100, 7))])
def test_the_noisiest_level_has_no_trace_of_the_picture(schedule):
    """Exactly none, so that an epsilon network is refused there instead of divided by 6e-17."""
    assert schedule(1.0).alpha == 0
    assert schedule(1.0).sigma == pytest.approx(1)
    assert (schedule(0.0).alpha, schedule(0.0).sigma) == (1, 0)
    assert all(schedule(k / 16).alpha > 0 for k in range(16))
