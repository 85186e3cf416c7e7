import math

import pytest
import torch

from dreamsampler.generators.field import Camera, Grid, march, render, shade

X, Z = torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[0.0, 0.0, 1.0]])


def even(density, color=(0.2, 0.5, 0.8), size=(5, 5, 5), degree=0):
    """A box [-1, 1]^3 of one density (in 1 / length) and one color."""
    grid = Grid(size, degree=degree).double()
    with torch.no_grad():
        grid.raw_density.fill_(math.log(math.expm1(density / grid.unit)))
        grid.raw_color.zero_()
        grid.raw_color[:, :3] = torch.tensor(color).logit().view(1, 3, 1, 1, 1)
    return grid


def ball(radius=0.6, resolution=41):
    """An opaque ball around the origin, whose colors are its coordinates."""
    grid = Grid((resolution,) * 3)
    at = grid.corners()
    with torch.no_grad():
        grid.raw_density.copy_(2000 * (radius - at.norm(dim=-1))[None, None])
        grid.raw_color.copy_(torch.logit(0.5 + at / 4).movedim(-1, 0)[None])
    return grid


def views(size=16, count=3):
    rays = [Camera.orbit(70 * i, 20, 4.0, size=(size, size)).rays() for i in range(count)]
    return torch.cat([o for o, _ in rays]).float(), torch.cat([d for _, d in rays]).float()


@pytest.mark.parametrize("step", [2.0, 0.5, 0.37])
def test_a_homogeneous_slab(step):
    """opacity = 1 - exp(-density length), color = opacity c; exact for every step."""
    seen = render(even(0.7), torch.tensor([[-3.0, 0.1, 0.2]]), X, step=step)
    opacity = 1 - math.exp(-0.7 * 2)
    assert seen.opacity.item() == pytest.approx(opacity, rel=1e-6)
    torch.testing.assert_close(seen.color[0], opacity * torch.tensor([0.2, 0.5, 0.8]).double())
    torch.testing.assert_close(seen.on(1.0)[0], seen.color[0] + (1 - opacity))


def test_the_depth_of_a_slab_converges_to_its_integral():
    """depth = integral t s exp(-s t) / opacity over [2, 4], to second order in the step."""
    s, length = 0.7, 2.0
    opacity = 1 - math.exp(-s * length)
    depth = 2 + 1 / s - length * math.exp(-s * length) / opacity
    errors = [
        abs(render(even(s), torch.tensor([[-3.0, 0, 0]]), X, step=h).depth.item() - depth)
        for h in (0.5, 0.25)
    ]
    assert errors[1] < 0.01 and errors[0] / errors[1] == pytest.approx(4, rel=0.05)


def test_transmittance_falls_along_a_ray():
    """Color that grows along the ray: sum_i exp(-s h i) (1 - exp(-s h)) c_i, written out."""
    grid, s, h = even(1.3, size=(9, 9, 9)), 1.3, 0.25
    with torch.no_grad():
        grid.raw_color.copy_(grid.corners()[..., 0].expand(3, -1, -1, -1)[None])
    seen = render(grid, torch.tensor([[-3.0, 0, 0]]), X, step=h)
    expected = sum(
        math.exp(-s * h * i) * (1 - math.exp(-s * h)) / (1 + math.exp(1 - h * (i + 0.5)))
        for i in range(8)
    )
    assert seen.color[0, 0].item() == pytest.approx(expected, rel=1e-6)


def test_an_oblique_ray_is_cut_at_the_faces():
    """Entering at (-1, -0.5), leaving at (0.5, 1): 1.5 sqrt(2) long."""
    to = torch.tensor([[1.0, 1.0, 0.0]]) / math.sqrt(2)
    seen = render(even(0.4), torch.tensor([[-2.0, -1.5, 0.0]]), to, step=0.3)
    assert seen.opacity.item() == pytest.approx(1 - math.exp(-0.4 * 1.5 * math.sqrt(2)), rel=1e-6)


def test_a_ray_that_starts_inside_sees_only_what_is_ahead():
    seen = render(even(0.7), torch.zeros(1, 3), Z, step=0.1)
    assert seen.opacity.item() == pytest.approx(1 - math.exp(-0.7), rel=1e-6)


def test_rays_that_miss_see_nothing():
    origins = torch.tensor([[-3.0, 2.0, 0.0], [3.0, 0.0, 0.0], [-3.0, 0.0, 0.0]])
    seen = render(even(5.0), origins, X.expand(3, 3))
    assert seen.opacity[:2].tolist() == [0, 0] and seen.depth[:2].isinf().all()
    assert torch.equal(seen.on(0.25)[0], torch.full((3,), 0.25).double())
    assert seen.opacity[2] > 0.99


def test_no_rays_are_no_rays():
    found = march(even(1.0), torch.zeros(0, 3), torch.zeros(0, 3))
    assert len(found) == 0 and shade(even(1.0), found).color.shape == (0, 3)


def test_an_opaque_ball_has_its_distance_and_its_colors():
    """Depth is where the ray meets the sphere, color the one there; outside there is nothing."""
    grid, (origins, directions) = ball(), views(count=1, size=24)
    along = -(origins * directions).sum(1)
    beside = (origins.norm(dim=1) ** 2 - along**2).sqrt()
    hit, miss = beside < 0.5, beside > 0.66
    distance = along - (0.36 - beside**2).clamp_min(0).sqrt()
    seen = render(grid, origins, directions, step=grid.voxel / 8)
    assert hit.sum() > 20 and miss.sum() > 100
    assert seen.opacity[hit].min() > 0.999 and seen.opacity[miss].max() < 1e-3
    assert (seen.depth - distance)[hit].abs().max() < grid.voxel
    at = origins + distance[:, None] * directions
    torch.testing.assert_close(seen.color[hit], 0.5 + at[hit] / 4, atol=0.01, rtol=0)


def test_what_is_skipped_was_empty():
    grid, rays = ball(), views()
    everything, near = march(grid, *rays), march(grid, *rays, occupied=grid.occupied())
    assert len(near) < len(everything) / 3
    one, other = shade(grid, everything), shade(grid, near)
    torch.testing.assert_close(one.color, other.color, atol=1e-5, rtol=0)
    torch.testing.assert_close(one.opacity, other.opacity, atol=1e-5, rtol=0)


@pytest.mark.parametrize("chunk", [7, 100, 10_000])
def test_chunks_change_neither_the_picture_nor_the_gradient(chunk):
    def gradients(size):
        grid = Grid((6, 6, 6), degree=1).double()
        seen = render(grid, *views(8), chunk=size)
        ((seen.on(1.0) - 0.3) ** 2).sum().backward()
        return seen.color.detach(), grid.raw_density.grad, grid.raw_color.grad

    for one, other in zip(gradients(10**6), gradients(chunk), strict=True):
        torch.testing.assert_close(one, other)


def test_memory_is_bounded_by_the_chunk():
    """What autograd keeps between the passes does not grow with the rays, a few numbers each."""
    kept = []

    def bytes_kept(count, chunk):
        kept.clear()
        grid = Grid((16, 16, 16))
        hooks = torch.autograd.graph.saved_tensors_hooks
        with hooks(lambda x: kept.append(x.numel() * x.element_size()) or x, lambda x: x):
            render(grid, *views(16, count), chunk=chunk)
        return sum(kept)

    whole = bytes_kept(8, 10**6)
    assert bytes_kept(8, 128) < whole / 10


def test_gradients_are_those_of_the_formula():
    """Finite differences in float64, through density and color of degree 2."""
    torch_rng = torch.Generator().manual_seed(0)
    grid = Grid((3, 3, 3), degree=2).double()
    rays = [x.double() for x in views(2, 2)]
    fixed = march(grid, *rays, step=0.4)

    def seen(density, color):
        params = {"raw_density": density, "raw_color": color}
        out = torch.func.functional_call(
            Shaded(grid, fixed), {f"grid.{k}": v for k, v in params.items()}
        )
        return out.color, out.opacity

    start = [
        torch.randn(p.shape, generator=torch_rng, dtype=torch.float64).requires_grad_()
        for p in (grid.raw_density, grid.raw_color)
    ]
    assert torch.autograd.gradcheck(seen, start, fast_mode=True)


class Shaded(torch.nn.Module):
    def __init__(self, grid, fixed):
        super().__init__()
        self.grid, self.fixed = grid, fixed

    def forward(self):
        return shade(self.grid, self.fixed)


def test_every_parameter_that_is_seen_gets_a_gradient():
    grid = Grid((4, 4, 4))
    render(grid, *views()).color.sum().backward()
    assert all((p.grad != 0).all() for p in grid.parameters())


def test_steps_and_chunks_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="step is 0"):
        march(even(1.0), torch.zeros(1, 3), X, step=0.0)
    with pytest.raises(ValueError, match="chunk is 0"):
        render(even(1.0), torch.zeros(1, 3), X, chunk=0)
