"""Crispness, flatness and width of edges, on pictures whose figures are known."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.edges import changed, crispness, drawn, edge_width, flatness

NAMES = ("crispness", "flatness", "edge width")


def ramp(steps, low=0.2, high=0.8, side=40):
    """A gray edge of so many equal steps between two flat halves."""
    line = torch.full((side,), high)
    line[:10] = low
    line[10 : 10 + steps] = torch.linspace(low, high, steps + 1)[1:]
    return line.expand(3, side, side).contiguous()


@given(st.integers(1, 20), st.booleans())
def test_a_ramp_is_as_wide_as_it_has_steps(steps, upright):
    x = ramp(steps)
    x = x.transpose(1, 2) if upright else x
    assert edge_width(x) == pytest.approx(steps, rel=1e-4)
    assert edge_width(1 - x) == pytest.approx(steps, rel=1e-4), "falling as well as rising"


def test_width_is_the_contrast_over_the_steepest_step():
    x = torch.zeros(3, 2, 6)
    x[:] = torch.tensor([0.0, 0.1, 0.6, 0.7, 0.7, 0.7])
    assert edge_width(x) == pytest.approx(0.7 / 0.5)
    x[:] = torch.tensor([0.0, 0.5, 0.5, 1.0, 0.0, 0.2])
    assert edge_width(x) == pytest.approx(1), "a flat part between two edges parts them"
    assert edge_width(ramp(1, 0.4, 0.6)) is None, "too faint to be one"


def test_crispness_is_the_share_of_strong_steps():
    assert crispness(ramp(1)) == pytest.approx(1)
    assert crispness(ramp(12)) == 0 == crispness(0 * ramp(1))
    x = torch.zeros(3, 2, 4)
    x[:] = torch.tensor([0.0, 0.3, 0.4, 0.4])
    assert crispness(x) == pytest.approx(0.75)
    x[1:] = 0
    assert crispness(x) == pytest.approx(0.75), "one color suffices"


def test_flatness_is_the_share_of_neighbors_of_one_color(rng):
    x = torch.zeros(3, 2, 5)
    x[:] = torch.tensor([0.0, 0.0, 0.005, 0.1, 0.1])
    assert flatness(x) == pytest.approx((2 * 3 + 5) / (2 * 4 + 5)), "columns too"
    assert flatness(torch.rand(3, 32, 32, generator=rng)) < 0.01


def test_only_what_changed_counts():
    source, x = ramp(1), ramp(1)
    assert drawn(x, source) == pytest.approx(dict.fromkeys(NAMES, 1.0)), "nothing changed"
    x[:, 20:, 25:] = ramp(5)[:, 20:, :15]  # a soft edge in the flat half
    where = changed(x, source)
    assert where[21:, 26:34].all() and not where[:18].any() and not where[:, :20].any()
    found = drawn(x, source)
    assert found["edge width"] > 2 and found["crispness"] < 1 and found["flatness"] < 1
    hard = source.clone()
    hard[:, 20:, 25:] = 0.1
    found = drawn(hard, source)
    assert found["edge width"] == pytest.approx(1) == found["crispness"]
    assert edge_width(ramp(3), torch.zeros(40, 40, dtype=torch.bool)) is None


def test_figures_are_against_the_sources_own():
    """A soft source asks for no more than its own softness."""
    soft = ramp(4)
    x = soft.flip(2)
    assert drawn(x, soft)["crispness"] == pytest.approx(1)
    soft = ramp(12)
    soft[:, :20] = ramp(1)[:, :20]
    found = drawn(soft.flip(2), soft)
    assert found["crispness"] == pytest.approx(1, abs=0.05)
    assert found["edge width"] == pytest.approx((12 + 1) / 2, rel=0.3)
