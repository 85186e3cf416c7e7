import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamsampler.generators.field import Grid, cubic_size, harmonics

BOX = ((-1.0, -2.0, 0.0), (1.0, 2.0, 1.0))


def filled(size=(3, 4, 5), degree=0, seed=0, box=BOX):
    grid, rng = Grid(size, box, degree), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for each in grid.parameters():
            each.copy_(torch.randn(each.shape, generator=rng))
    return grid


def points(n=20, box=BOX, seed=1):
    low, high = torch.tensor(box)
    return low + torch.rand(n, 3, generator=torch.Generator().manual_seed(seed)) * (high - low)


def test_corners_have_their_own_values():
    """The value at a corner is the stored one: x, y and z are not mixed up."""
    grid = filled()
    where = grid.corners()
    assert where.shape == (5, 4, 3, 3)
    assert where[0, 0, 0].tolist() == [-1, -2, 0] and where[4, 3, 2].tolist() == [1, 2, 1]
    expected = grid.unit * torch.nn.functional.softplus(grid.raw_density[0, 0])
    found = grid.density(where.reshape(-1, 3)).view(5, 4, 3)
    torch.testing.assert_close(found, expected)


def test_between_the_corners_it_is_trilinear():
    """A raw density that is a product of linear functions comes back everywhere."""
    grid = filled((2, 3, 4))
    at = grid.corners()

    def product(p):
        return (1 + p[..., 0]) * (3 - p[..., 1]) * (0.5 + p[..., 2])

    with torch.no_grad():
        grid.raw_density.copy_(product(at)[None, None])
    expected = grid.unit * torch.nn.functional.softplus(product(points()))
    torch.testing.assert_close(grid.density(points()), expected)


def test_a_new_grid_is_nearly_empty_and_grey():
    grid = Grid((4, 4, 4), color=0.25)
    depth = grid.density(torch.zeros(1, 3)) * 2.0
    assert depth.item() == pytest.approx(0.05, rel=1e-4)
    color = grid.color(torch.zeros(1, 3), torch.tensor([[0.0, 0.0, 1.0]]))
    torch.testing.assert_close(color, torch.full((1, 3), 0.25))


def test_plain_color_is_the_same_in_all_directions():
    grid, to = filled(), torch.nn.functional.normalize(points(seed=2), dim=1)
    assert torch.equal(grid.color(points(), to), grid.color(points(), -to))


@pytest.mark.parametrize("degree", [1, 2])
def test_harmonics_change_color_with_the_direction(degree):
    grid, to = filled(degree=degree), torch.nn.functional.normalize(points(seed=2), dim=1)
    assert grid.raw_color.shape[1] == 3 * (degree + 1) ** 2
    assert (grid.color(points(), to) - grid.color(points(), -to)).abs().max() > 0.1


def test_harmonics_are_orthonormal_on_the_sphere():
    """Quadrature: Gauss-Legendre along z, even angles around it - exact for these degrees."""
    z = torch.tensor([-math.sqrt(0.6), 0.0, math.sqrt(0.6)], dtype=torch.float64)
    heights = torch.tensor([5 / 18, 8 / 18, 5 / 18], dtype=torch.float64)
    around = torch.arange(8, dtype=torch.float64) * 2 * math.pi / 8
    ring = (1 - z**2).sqrt()[:, None]
    xyz = torch.stack([ring * around.cos(), ring * around.sin(), z[:, None].expand(3, 8)], -1)
    y = harmonics(xyz.view(-1, 3), 2)
    weight = heights.repeat_interleave(8) / 8
    torch.testing.assert_close(y.T @ (y * weight[:, None]), torch.eye(9, dtype=torch.float64))


def test_a_finer_grid_that_holds_the_corners_is_the_same_field():
    grid = filled((3, 3, 3))
    fine = grid.resampled((5, 9, 5))
    torch.testing.assert_close(fine.density(points()), grid.density(points()))
    to = torch.nn.functional.normalize(points(), dim=1)
    torch.testing.assert_close(fine.color(points(), to), grid.color(points(), to))


def test_a_tight_box_holds_what_is_there():
    grid = Grid((9, 9, 9))
    assert grid.tight_box() == grid.box
    with torch.no_grad():
        grid.raw_density[0, 0, 4, 2, 6] = 8.0  # z 0, y -0.5, x 0.5
    low, high = grid.tight_box()
    assert low == pytest.approx((0.25, -0.75, -0.25)) and high == pytest.approx((0.75, -0.25, 0.25))
    kept = grid.resampled((3, 3, 3), (low, high))
    inside = points(box=(low, high))
    torch.testing.assert_close(kept.density(inside), grid.density(inside))


def test_another_unit_is_the_same_field_at_the_corners():
    grid = filled((3, 4, 5))
    at = grid.corners().reshape(-1, 3)
    before = grid.density(at)
    grid.count_in(grid.unit / 7)
    torch.testing.assert_close(grid.density(at), before, rtol=1e-4, atol=1e-4)
    assert grid.unit == pytest.approx(30.0 / 4 / 7)


def test_an_empty_grid_can_be_counted_in_any_unit():
    """Nothing has no logarithm: what is nearly empty stays finite, and nearly empty."""
    grid = Grid((3, 3, 3))
    with torch.no_grad():
        grid.raw_density.fill_(-200.0)
    grid.count_in(1e3)
    assert bool(grid.raw_density.isfinite().all())
    assert grid.density(torch.zeros(1, 3)).item() < 2e-3


def test_outside_the_ball_there_is_nothing():
    """For rays, for the box that fits tightly, and still after resampling."""
    grid = Grid((9, 9, 9), ball=((0.25, 0.0, 0.0), 0.5))
    with torch.no_grad():
        grid.raw_density.fill_(9.0)
    for each in (grid, grid.resampled((17, 17, 17))):
        at = torch.tensor([[0.7, 0.0, 0.0], [0.8, 0.0, 0.0], [-0.2, 0.0, 0.0], [-0.9, 0.9, 0.9]])
        assert (each.density(at) > 0).tolist() == [True, False, True, False]
        low, high = each.tight_box()
        assert min(low) >= -0.5 - 1e-6 and max(high) <= 0.75 + 1e-6


def test_occupied_is_what_is_there_and_its_neighbors():
    grid = Grid((7, 7, 7))
    with torch.no_grad():
        grid.raw_density[0, 0, 3, 2, 4] = 5.0
    found = grid.occupied(0.1).nonzero()
    assert len(found) == 27 and found.double().mean(0).tolist() == [3, 2, 4]


def test_variation_and_sparsity_by_their_formulas():
    grid = filled((3, 4, 5))
    total = 0.0
    for values, scale in ((grid.raw_density[0], 0.1), (grid.raw_color[0], 1.0)):
        for z in range(4):
            for y in range(3):
                for x in range(2):
                    here = values[:, z, y, x]
                    near = (values[:, z, y, x + 1], values[:, z, y + 1, x], values[:, z + 1, y, x])
                    square = sum(((n - here) ** 2).sum() for n in near)
                    total += ((scale**2 * square + 1e-4).sqrt() - 0.01) / (4 * 3 * 2)
    torch.testing.assert_close(grid.total_variation(), total)
    found = torch.nn.functional.softplus(grid.raw_density)
    torch.testing.assert_close(grid.sparsity(), torch.log(1 + 2 * found**2).mean())


def test_an_even_grid_has_no_variation():
    assert Grid((4, 4, 4), degree=2).total_variation().item() == pytest.approx(0, abs=1e-7)


@settings(max_examples=30)
@given(st.integers(3, 40), st.tuples(*[st.floats(0.2, 5)] * 3))
def test_cubic_voxels(resolution, edges):
    size = cubic_size(((0.0, 0.0, 0.0), edges), resolution)
    assert max(size) == resolution
    voxel = max(edges) / (resolution - 1)
    for n, edge in zip(size, edges, strict=True):
        assert n == 2 or abs((n - 1) * voxel - edge) <= voxel / 2 + 1e-9


@pytest.mark.parametrize(
    "options",
    [
        {"size": (1, 4, 4)},
        {"size": (4, 4)},
        {"box": ((0, 0, 0), (1, 0, 1))},
        {"box": ((0, 0, 0), (1, math.nan, 1))},
        {"degree": 3},
        {"color": 0.0},
    ],
)
def test_what_is_no_grid_is_refused(options):
    with pytest.raises(ValueError, match=r"give|choose"):
        Grid(**options)
