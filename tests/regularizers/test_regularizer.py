from functools import partial
from inspect import signature
from pkgutil import resolve_name

import pytest
import torch
from oracles import normal

from dreamsampler.maths import Cosine, Estimate, Step
from dreamsampler.regularizers import (
    anchored,
    between,
    chain,
    decoded,
    descend,
    every,
    masked,
    palette,
    palette_of,
    reference_style,
    relax,
    symmetry,
    tileable,
    total_variation,
)
from dreamsampler.regularizers.parse import REGULARIZERS

Z = normal(2, 3, 4, 4)
ANCHOR = normal(2, 3, 4, 4, seed=9)


def step(index=0, t=0.5):
    return Step(index, Cosine()(t), 0 * Z, Z, Z, Estimate(Z, Z), Z)


def double(z0, step):
    return 2 * z0


EYE = normal(5, 3, 3, 3, seed=2)
REFERENCE = normal(1, 3, 6, 6, seed=3)


def features(x):
    """Two layers: filtered, and seen as a whole."""
    first = torch.nn.functional.conv2d(x, EYE, padding=1).tanh()
    return [first, first.square().mean((2, 3))]


MAPS = {
    "chain": chain(double, relax(0.5)),
    "masked": masked(double, torch.rand(1, 1, 4, 4, dtype=torch.float64)),
    "every": every(2, double),
    "between": between(0.4, 0.6, double),
    "descend": descend(lambda z: (z**2).sum(), 0.1),
    "relax": relax(0.3),
    "anchored": anchored(ANCHOR, 0.7),
    "decoded": decoded(double, lambda x: 2 * x, lambda z: z / 2),
    "horizontal": symmetry(2.0, axis="horizontal"),
}


def registered(name, weight, **more):
    """A registered regularizer, with a weight that text cannot give it as well."""
    values = {"reference": REFERENCE, "features": features, "weight": weight, **more}
    function = resolve_name(REGULARIZERS[name].function)
    return function(**{n: v for n, v in values.items() if n in signature(function).parameters})


PICTURED = {name: partial(registered, name) for name in REGULARIZERS}
PICTURED["content"] = partial(registered, "reference_style", by="content")
"""Name -> (weight -> map), of those that stand for an energy."""


def test_every_map_is_pure_and_keeps_shape_and_type():
    for name, apply in {**MAPS, **{n: make(2.0) for n, make in PICTURED.items()}}.items():
        before = Z.clone()
        first, second = apply(Z, step()), apply(Z, step())
        assert torch.equal(first, second), name
        assert torch.equal(Z, before), name
        assert (first.shape, first.dtype) == (Z.shape, Z.dtype), name


def test_rows_do_not_depend_on_each_other():
    makers = {
        "descend": lambda a: descend(lambda z: (z**4).sum(), 0.1),
        "relax": lambda a: relax(0.3),
        "anchored": lambda a: anchored(a, 0.7),
        "masked": lambda a: masked(anchored(a, 0.7), torch.full((1, 1, 4, 4), 0.3).double()),
        **{each: lambda a, make=make: make(2.0) for each, make in PICTURED.items()},
    }
    for make in makers.values():
        whole = make(ANCHOR)(Z, step())
        alone = make(ANCHOR[:1])(Z[:1], _first(step()))
        torch.testing.assert_close(whole[:1], alone)


def _first(step):
    return Step(0, step.level, step.before[:1], Z[:1], Z[:1], Estimate(Z[:1], Z[:1]), Z[:1])


def test_nothing_in_a_chain_is_the_identity():
    assert chain()(Z, step()) is Z


def test_a_chain_goes_from_left_to_right():
    torch.testing.assert_close(chain(double, lambda z, step: z + 1)(Z, step()), 2 * Z + 1)


def test_a_mask_mixes_per_cell():
    mask = torch.tensor([[0.0, 0.25], [0.5, 1.0]], dtype=torch.float64).repeat(2, 2)[None, None]
    torch.testing.assert_close(masked(double, mask)(Z, step()), (1 + mask) * Z)


@pytest.mark.parametrize("shape", [(1, 1, 8, 8), (3, 1, 4, 4), (1, 2, 4, 4), (4, 4)])
def test_a_mask_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"pass a .* mask at latent size"):
        masked(double, torch.ones(shape))(Z, step())


def test_every_counts_from_the_first_step():
    acted = [every(3, double)(Z, step(i)) is not Z for i in range(7)]
    assert acted == [True, False, False, True, False, False, True]
    with pytest.raises(ValueError, match="n is 0"):
        every(0, double)


def test_between_is_an_interval_of_times():
    assert [between(0.4, 0.6, double)(Z, step(t=t)) is Z for t in (0.3, 0.5, 0.7)] == [
        True,
        False,
        True,
    ]


def test_descend_follows_the_gradient():
    stepped = descend(lambda z: (z**2).sum() / 2, 0.1, steps=3)(Z, step())
    torch.testing.assert_close(stepped, 0.9**3 * Z)
    assert descend(lambda z: (z**2).sum(), 0.0)(Z, step()) is Z


def test_relax_moves_part_of_the_way():
    torch.testing.assert_close(relax(0.3)(Z, step()), 0.3 * Z)


@pytest.mark.parametrize("weight", [0.0, 0.7, 5.0])
def test_anchored_is_the_minimizer(weight):
    """The gradient of w/2 |z - anchor|^2 + 1/2 |z - z0|^2 vanishes."""
    z = anchored(ANCHOR, weight)(Z, step())
    torch.testing.assert_close(weight * (z - ANCHOR) + z - Z, torch.zeros_like(Z))


def test_no_weight_is_the_identity_and_weight_may_fall_with_the_level():
    for name, make in PICTURED.items():
        assert make(0.0)(Z, step()) is Z, name
        late = make(lambda level: 2.0 if level.t < 0.4 else 0.0)
        assert late(Z, step(t=0.5)) is Z, name
        torch.testing.assert_close(late(Z, step(t=0.3)), make(2.0)(Z, step(t=0.3)))


COLORS = palette_of(REFERENCE)
ENERGIES = {
    "total_variation": lambda x: _variation(x),
    "symmetry": lambda x: (x - x.flip(-1)).square().sum() / 8,
    "palette": lambda x: (
        torch.cdist(x.movedim(1, -1).reshape(-1, 3), COLORS).amin(1).square().sum() / 2
    ),
}


@pytest.mark.parametrize("name", ENERGIES)
def test_it_is_the_prox_of_its_energy(name):
    """No point near it has less of  w R(x) + 1/2 |x - z|^2."""
    weight, rng = 0.4, torch.Generator().manual_seed(3)
    cost = lambda x: weight * ENERGIES[name](x) + (x - Z).square().sum() / 2
    make = {"total_variation": lambda w: total_variation(w, steps=1000)}.get(name, PICTURED[name])
    best = make(weight)(Z, step())
    lowest = cost(best)
    for size in (1e-1, 1e-2, 1e-3):
        for _ in range(20):
            push = torch.randn(Z.shape, generator=rng, dtype=Z.dtype)
            assert cost(best + size * push) > lowest - 1e-7


def _variation(x):
    down = torch.nn.functional.pad(x.diff(dim=-2), (0, 0, 0, 1))
    right = torch.nn.functional.pad(x.diff(dim=-1), (0, 1))
    return (down.square() + right.square()).sum(1).sqrt().sum()


def test_flattening_never_moves_the_mean_nor_what_is_flat():
    torch.testing.assert_close(total_variation(0.5)(Z, step()).mean((2, 3)), Z.mean((2, 3)))
    flat = torch.ones_like(Z)
    torch.testing.assert_close(total_variation(0.5)(flat, step()), flat)


def test_a_flat_disk_loses_contrast_by_twice_the_weight_over_its_radius():
    """The known solution of total variation on a disk; a grid's disk has a somewhat longer rim."""
    axis = torch.arange(64, dtype=torch.float64) - 31.5
    disk = (axis[:, None] ** 2 + axis**2 < 16**2).double()[None, None]
    inside = total_variation(1.0, steps=400)(disk, step())[0, 0, 24:40, 24:40]
    assert inside.mean().item() == pytest.approx(1 - 2 / 16, abs=0.03)


def test_symmetry_makes_both_halves_equal():
    both = symmetry()(Z, step())
    assert torch.equal(both, both.flip(-1))
    assert torch.equal(symmetry(axis="horizontal")(Z, step()), (Z + Z.flip(-2)) / 2)
    with pytest.raises(ValueError, match="axis is 'diagonal'"):
        symmetry(axis="diagonal")


def test_tileable_leaves_no_more_jump_at_the_border_than_inside():
    """A ramp is all jump; its periodic part has none but the slope that every pixel has."""
    ramp = torch.linspace(-1, 1, 32, dtype=torch.float64).expand(1, 3, 32, 32)
    tile = tileable()(ramp, step())
    assert (tile[..., 0] - tile[..., -1]).abs().max() < 0.1
    assert (ramp[..., 0] - ramp[..., -1]).abs().min() == 2
    torch.testing.assert_close(tile.mean(), ramp.mean())


@pytest.mark.parametrize("shape", [(2, 3, 16, 16), (1, 3, 15, 20)])
def test_a_picture_that_is_periodic_already_stays(shape):
    h, w = shape[-2:]
    wave = lambda n: torch.sin(2 * torch.pi * torch.arange(n, dtype=torch.float64) / n)
    x = (wave(h)[:, None] * wave(w)).expand(shape)
    inside = (tileable()(x, step()) - x).abs().max()
    jump = max((x[..., 0] - x[..., -1]).abs().max(), (x[..., 0, :] - x[..., -1, :]).abs().max())
    assert inside <= jump  # no more is taken out than one step between neighbors


def test_the_smooth_part_solves_its_equation():
    """Discrete Laplacian of s = the jumps of x across its borders (Moisan, eq. 11)."""
    from dreamsampler.regularizers.tileable import smooth_part

    s, jumps = smooth_part(Z), torch.zeros_like(Z)
    jumps[..., 0, :] += Z[..., -1, :] - Z[..., 0, :]
    jumps[..., -1, :] -= Z[..., -1, :] - Z[..., 0, :]
    jumps[..., 0] += Z[..., -1] - Z[..., 0]
    jumps[..., -1] -= Z[..., -1] - Z[..., 0]
    around = [torch.roll(s, by, dim) for dim in (-1, -2) for by in (-1, 1)]
    torch.testing.assert_close(sum(around) - 4 * s, jumps)
    torch.testing.assert_close(s.mean((2, 3)), torch.zeros(2, 3).double())


@pytest.mark.parametrize("by", ["style", "content"])
def test_a_step_is_polyaks_and_ends_where_the_reference_is_met(by):
    """Written out for one row: x - share 2 R / |g|^2 g; its size is limited, 0 at the end."""
    ref = torch.nn.functional.interpolate(REFERENCE, (4, 4), mode="bilinear", antialias=True)

    def statistics(x):
        if by == "content":
            return [each.flatten(1) for each in features(x)]
        maps, whole = features(x)
        spread = (maps.var((2, 3), correction=0) + 1e-8).sqrt()
        none = torch.full_like(whole, 1e-8).sqrt()
        return [torch.cat([maps.mean((2, 3)), spread], 1), torch.cat([whole, none], 1)]

    x = Z[:1].clone().requires_grad_()
    off = [
        (a - b).square().sum() / b.square().sum()
        for a, b in zip(statistics(x), statistics(ref), strict=True)
    ]
    energy = sum(off) / 4
    (g,) = torch.autograd.grad(energy, x)
    free = (Z[:1] - 0.75 * 2 * energy * g / g.square().sum()).detach()
    how = {"by": by, "steps": 1}
    close = torch.testing.assert_close
    close(reference_style(features, REFERENCE, 3.0, longest=1e9, **how)(Z[:1], step()), free)
    limited = reference_style(features, REFERENCE, 3.0, longest=1e-3, **how)(Z[:1], step())
    assert (limited - Z[:1]).square().mean().sqrt().item() == pytest.approx(1e-3)
    assert torch.equal(reference_style(features, ref, by=by)(ref, step()), ref)


def test_many_steps_come_near_the_reference_in_what_counts():
    """By style the places are free: the same colors elsewhere are no reason to move."""
    style = lambda x: torch.cat([features(x)[0].mean((2, 3)), features(x)[0].std((2, 3))], 1)
    ref = normal(1, 3, 4, 4, seed=8)
    near = reference_style(features, ref, float("inf"), steps=200)(Z, step())
    off = [(style(x) - style(ref)).norm(dim=1).max() for x in (near, Z)]
    assert off[0] < off[1] / 10
    assert (near - ref).square().mean() > 0.1
    same = reference_style(features, ref, float("inf"), steps=400, by="content")(Z, step())
    assert (features(same)[0] - features(ref)[0]).norm() < (
        features(Z)[0] - features(ref)[0]
    ).norm() / 5
    for options in ({"steps": 0}, {"longest": 0.0}, {"by": "colors"}):
        with pytest.raises(ValueError, match=r"at least 1, and above 0|by is 'colors'"):
            reference_style(features, ref, **options)
    with pytest.raises(ValueError, match="no layers"):
        reference_style(lambda x: [], ref)(Z, step())


def test_an_infinite_weight_leaves_only_the_colors_of_the_palette():
    colors = normal(4, 3)
    seen = palette(colors, float("inf"))(Z, step()).movedim(1, -1).reshape(-1, 3)
    assert {tuple(row) for row in seen.tolist()} <= {tuple(row) for row in colors.tolist()}
    with pytest.raises(ValueError, match="colors of 3 numbers, but the picture 4 channels"):
        palette(colors)(normal(1, 4, 4, 4), step())


def test_a_palette_is_what_is_in_the_picture():
    x = torch.full((1, 3, 8, 8), -1.0)
    x[..., :3, :], x[..., 0, 0] = 1.0, torch.tensor([1.0, 0.0, -1.0])
    result = palette_of(x, 8)
    assert result.tolist() == [[-1, -1, -1], [1, 1, 1], [1, 0, -1]]
    assert len(palette_of(x, 2)) == 2


def test_a_map_of_pictures_that_changes_nothing_leaves_the_latent_alone():
    """However lossy the autoencoder: what it loses is lost twice."""
    lossy = decoded(lambda x, step: 1 * x, lambda x: x.round(), lambda z: z / 3)
    assert torch.equal(lossy(Z, step()), Z)
    assert decoded(lambda x, step: x, lambda x: x.round(), lambda z: z)(Z / 9, step()) is not None
