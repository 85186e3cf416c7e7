"""Colors of a painted hole that meet those around it: `toned`, against a dense solution."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamsampler.images.tone import EDGE, GAP, REACH, toned

SIDE = 24


def square(low, high, side=SIDE):
    hole = torch.zeros(1, side, side)
    hole[:, low:high, low:high] = 1
    return hole


def test_a_shade_that_is_off_is_shifted_to_the_one_around_it():
    hole, source = square(6, 18), torch.full((3, SIDE, SIDE), 0.5)
    off = torch.tensor([0.06, -0.04, 0.02])[:, None, None]
    made = toned(source, source + off * hole, hole)
    assert (made - source).abs().max() < 0.012, "all the way to the middle"
    assert torch.equal(toned(source, source.clone(), hole), source)


def test_another_thing_keeps_its_color():
    """What touches the edge in another color, and what an outline parts from the edge."""
    hole, source = square(6, 18), torch.full((3, SIDE, SIDE), 0.5)
    painted = source + 0.06 * hole
    painted[:, 6:18, 6:9] = 0.1
    painted[:, 11:15, 12:16] = 0.9
    made = toned(source, painted, hole)
    kept = (made - painted).abs()
    assert kept[:, 6:18, 6:9].max() < 1e-3 and kept[:, 11:15, 12:16].max() < 1e-3
    assert (made - source).abs()[:, 6:10, 10:18].max() < 0.012


def test_a_blurred_rim_is_looked_through():
    """Next to the edge the color fits, as cells that are hole in part make it; deeper it is off."""
    hole, source = square(4, 28, 32), torch.full((3, 32, 32), 0.5)
    rise = torch.nn.functional.avg_pool2d(square(8, 24, 32)[None], 5, 1, 2)[0]
    painted = source + 0.08 * rise
    near, deep = (toned(source, painted, hole, depths) for depths in ((1,), (1, 8)))
    assert (near - painted).abs().max() < 1e-3
    assert (deep - source).abs()[:, 12:20, 12:20].max() < 0.02


def dense(source, painted, hole):
    """The equations of the docstring for depth 1, pixel by pixel."""
    side = hole.shape[-1]
    inside = hole[0] > 0
    at = {tuple(p): i for i, p in enumerate(inside.nonzero().tolist())}
    a, b = torch.zeros(len(at), len(at)).double(), torch.zeros(len(at), 3).double()
    near = lambda x, width: float(torch.exp(-((x.abs().max() / width) ** 2)))

    def around(p):
        for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            if 0 <= p[0] + dy < side and 0 <= p[1] + dx < side:
                yield p[0] + dy, p[1] + dx

    def rough(p):
        x = painted if inside[p] else source
        steps = [(x[:, *p] - x[:, *q]).abs().max() for q in around(p) if inside[q] == inside[p]]
        return max(steps) if steps else torch.zeros(())

    for p, i in at.items():
        a[i, i] += 1 / (REACH * side) ** 2
        for q in around(p):
            if inside[q]:
                w = near(painted[:, *p] - painted[:, *q], EDGE)
                a[i, i] += w
                a[i, at[q]] -= w
                continue
            gap = source[:, *q] - painted[:, *p]
            if gap.abs().max() <= GAP:
                v = near(gap, GAP) * near(rough(p), EDGE) * near(rough(q), EDGE)
                a[i, i] += v
                b[i] += v * gap
    made = painted.clone()
    for (y, x), i in at.items():
        made[:, y, x] += torch.linalg.solve(a, b)[i].to(made)
    return made.clamp(0, 1)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.booleans())
def test_it_solves_its_equations_and_leaves_the_rest_alone(seed, at_the_rim):
    rng = torch.Generator().manual_seed(seed)
    hole = square(0, 5, 9) if at_the_rim else square(3, 7, 9)
    source = 0.5 + 0.05 * torch.randn(3, 9, 9, generator=rng)
    painted = (source + 0.05 * torch.randn(3, 9, 9, generator=rng)).clamp(0, 1)
    made = toned(source, painted, hole)
    torch.testing.assert_close(made, dense(source, painted, hole), atol=1e-3, rtol=0)
    assert torch.equal(made * (1 - hole), painted * (1 - hole))


@pytest.mark.parametrize("hole", [torch.zeros(1, 8, 8), torch.ones(1, 8, 8)])
def test_no_edge_no_shift(hole):
    painted = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert toned(painted.flip(1), painted, hole) is painted
